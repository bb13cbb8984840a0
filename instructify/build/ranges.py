"""A unit of work: read a range of the raw files of a split into rows of records.

Its result is not part of a build: rows with positions counted from the start of the range, and
hashes to find repeated ids. If a range is in doubt, its receipt says so. It is then read again with
its neighbour, or one reader reads the whole split.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.keyed import Hashes, hash_texts
from instructify._util.shards import fresh_folder, map_file, private_name, sync, unwritable
from instructify.build.coverage import Coverage, CoverageCounter
from instructify.build.manifest import content_key
from instructify.build.records_unit import (
    RecordsUnit,
    collector_paused,
    context_of,
    read_chunks,
)
from instructify.readers import (
    Chunk,
    Cut,
    InDoubt,
    Planned,
    Ranges,
    RawFile,
    ReadContext,
    Span,
    Urls,
    count_items,
)
from instructify.rejects import Reject
from instructify.schema import RECORD_SCHEMA

Doubt = Literal["none", "end", "inside"]
_ROWS, _REJECTS, _IDS, _KEYS = "rows.arrows", "rejects.json", "ids.npy", "keys.npy"
_URLS, _KIND = "urls.npy", "kind.npy"


@dataclass(frozen=True, kw_only=True, slots=True)
class RangeUnit:
    """A range of the files of a split; `first`: the positions of the first items, by role."""

    records: RecordsUnit
    ranges: Ranges
    cut: Cut
    first: Mapping[str, int]
    durable: bool  # whether other machines or later commands use the receipt
    planned: Planned | None = None

    @property
    def name(self) -> str:
        role, (start, stop) = next(iter(self.cut.items()))
        return f"{self.records.name}, bytes {start:,} to {stop:,} of {role}"

    @property
    def key(self) -> str:
        """Hash what the rows depend on, the content of the raw files included."""
        return content_key("range", [self.records.key, dict(self.cut), dict(self.first)])


class RangeReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a range; if it is in doubt, the counts are not valid."""

    doubt: Doubt = "none"
    folder: Path | None = None
    items: dict[str, int] = {}  # by role, with rejected items
    rows: int = 0
    forms: dict[str, int] = {}
    coverage: Coverage = Coverage()


def look_at_range(unit: RangeUnit) -> RangeReceipt:
    """Read the items of a range once for what is needed of all ranges.

    That is the number of items, or what the survey of the reader collects."""
    spanned = _spanned(unit)
    if unit.ranges.survey is not None and unit.ranges.survey.look is not None:
        return _surveyed(unit, spanned, unit.ranges.survey.look)
    try:
        with collector_paused():
            for role in unit.cut:
                count_items(spanned.files[role], unit.ranges.places[role])
    except (InDoubt, UserError) as error:
        return RangeReceipt(doubt=_doubt(error))
    return RangeReceipt(items=_items(unit, spanned))


def _surveyed(
    unit: RangeUnit, spanned: RecordsUnit, look: Callable[[ReadContext], Iterator[Urls]]
) -> RangeReceipt:
    try:
        with collector_paused():
            seen = list(look(context_of(spanned)))
    except (InDoubt, UserError) as error:
        return RangeReceipt(doubt=_doubt(error))
    folder = unit.records.staging / private_name("range")
    fresh_folder(folder)
    hashes = np.concatenate([np.empty(0, np.uint64), *(part.hashes for part in seen)])
    try:
        np.save(folder / _URLS, hashes)
        np.save(folder / _KIND, np.array([any(part.synthetic for part in seen)]))
    except OSError as error:
        raise unwritable(folder, error) from error
    _settle(unit, folder, (_URLS, _KIND))
    return RangeReceipt(folder=folder, items=_items(unit, spanned), rows=len(hashes))


def range_urls(folder: Path, rows: int) -> Urls:
    """Read the URLs that a survey found in a range."""
    try:
        hashes = np.load(folder / _URLS, allow_pickle=False)
        kind = np.load(folder / _KIND, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _lost(folder) from error
    if len(hashes) != rows:
        raise _lost(folder)
    return Urls(hashes.astype(np.uint64), bool(kind[0]))


def _settle(unit: RangeUnit, folder: Path, names: Sequence[str]) -> None:
    """Sync the files of a range if other processes use its receipt."""
    if unit.durable:
        for name in names:
            sync(folder / name)
        sync(folder)


def run_range(unit: RangeUnit) -> RangeReceipt:
    """Read a range into its own folder, which the receipt names."""
    folder = unit.records.staging / private_name("range")
    fresh_folder(folder)
    spanned = _spanned(unit)
    try:
        with collector_paused():
            written = _write(spanned, folder)
    except InDoubt as doubt:
        return RangeReceipt(doubt=_doubt(doubt))
    _settle(unit, folder, (_ROWS, _REJECTS, _IDS, _KEYS))
    return msgspec.structs.replace(written, folder=folder, items=_items(unit, spanned))


def range_rows(folder: Path, rows: int) -> pa.Table:
    """Map the rows of a range; raises UserError if some are missing."""
    try:
        with map_file(folder / _ROWS) as source:
            table = pa.ipc.open_stream(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise _lost(folder) from error
    if table.num_rows != rows or not table.schema.equals(RECORD_SCHEMA):
        raise _lost(folder)
    return table


def range_hashes(folder: Path) -> tuple[Hashes, Hashes]:
    """Read the hashes of the ids and of the distinct picture keys of a range."""
    try:
        ids = np.load(folder / _IDS, allow_pickle=False)
        keys = np.load(folder / _KEYS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _lost(folder) from error
    return ids.astype(np.uint64), keys.astype(np.uint64)


def range_rejects(folder: Path, offset: int) -> list[Reject]:
    """Read the rejects of a range, with their positions in the file."""
    try:
        rows: list[list[Any]] = json.loads((folder / _REJECTS).read_bytes())
    except (OSError, ValueError) as error:
        raise _lost(folder) from error
    rejects = [Reject(*row) for row in rows]
    return [
        reject if reject.position is None else reject._replace(position=reject.position + offset)
        for reject in rejects
    ]


def _lost(folder: Path) -> UserError:
    return UserError(f"{folder} is damaged or gone; delete its parent folder and run it again.")


def _doubt(error: Exception) -> Doubt:
    return "end" if isinstance(error, InDoubt) and error.at_end else "inside"


def _spanned(unit: RangeUnit) -> RecordsUnit:
    """Return the unit of the split, limited to the range of its files."""

    def span(role: str, file: RawFile) -> Span | None:
        start, stop = unit.cut.get(role, (0, 0))
        span = Span.of(start, stop, file.path, unit.first.get(role, 0))
        is_whole = role in unit.cut and start == 0 and span.is_last
        return None if is_whole and unit.ranges.takes_whole_files else span

    files = unit.records.files.items()
    spans = {role: file._replace(span=span(role, file)) for role, file in files}
    return replace(unit.records, files=spans, planned=unit.planned)


def _items(unit: RangeUnit, spanned: RecordsUnit) -> dict[str, int]:
    spans = {role: spanned.files[role].span for role in unit.cut}
    return {role: (span and span.num_items) or 0 for role, span in spans.items()}


def _chunks(unit: RecordsUnit) -> Iterator[Chunk]:
    """Read the chunks; an error is left to the reader of the whole split."""
    try:
        yield from read_chunks(unit)
    except UserError as error:
        raise InDoubt(str(error)) from error


def _write(unit: RecordsUnit, folder: Path) -> RangeReceipt:
    coverage = CoverageCounter({})
    rejects: list[Reject] = []
    ids: list[Hashes] = []
    keys: list[Hashes] = []
    forms: Counter[str] = Counter()
    path = folder / _ROWS
    try:
        with path.open("wb") as handle, pa.ipc.new_stream(handle, RECORD_SCHEMA) as stream:
            for chunk in _chunks(unit):
                if chunk.embedded:
                    raise InDoubt("the raw file holds pictures")
                rejects += chunk.rejects
                batch = chunk.records
                ids.append(hash_texts(batch.column("record_id")))
                keys.append(hash_texts(pc.unique(batch.column("pictures").flatten())))
                coverage.add(batch, chunk.remarks)
                counts = pc.value_counts(batch.column("form").cast(pa.string())).to_pylist()
                forms.update({entry["values"]: entry["counts"] for entry in counts})
                stream.write_batch(batch)
        (folder / _REJECTS).write_text(json.dumps(rejects), encoding="ascii")
        empty = np.empty(0, np.uint64)
        np.save(folder / _IDS, np.concatenate([empty, *ids]))
        np.save(folder / _KEYS, np.unique(np.concatenate([empty, *keys])))
    except OSError as error:
        raise unwritable(path, error) from error
    return RangeReceipt(rows=sum(map(len, ids)), forms=dict(forms), coverage=coverage.coverage())
