"""Look at every picture that a build wants, in units of work.

`plan_probe` locates the keys and cuts the work; `run_probe` decodes the pictures of one unit.
Units may run in any order and in any number of processes, and one that was finished before, for
the same files in the same state, is not run again. Sizes and times of files only decide that;
they reach no file of the build.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.shards import read_arrow, stream_arrow
from instructify.catalog import Family
from instructify.pictures.keys import split_key
from instructify.pictures.locate import Locator
from instructify.pictures.probe import PictureFacts, probe_clip, probe_picture
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import (
    MAX_CLIP_BYTES,
    MAX_PICTURE_BYTES,
    FileState,
    Problem,
    SourceReader,
)
from instructify.pictures.tables import (
    BATCH_ROWS,
    INDEX_FORMAT,
    PROBE_SCHEMA,
    REQUEST_SCHEMA,
    Known,
)

UNIT_KEYS = 1_000
_WORD_BITS = 62  # releases that are counted in one column of 64-bit numbers
_NOTES = ("root", "file", "offset", "size_bytes", "mtime_ns")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeUnit:
    """Look at the pictures of rows [start, stop) of a request file."""

    requests: Path
    start: int
    stop: int
    roots: Roots
    staging: Path


class ProbePlan(NamedTuple):
    units: list[ProbeUnit]
    kept: pa.Table  # rows of PROBE_SCHEMA that are known and unchanged
    num_keys: int
    used_roots: frozenset[str]  # labels of the folders that some picture was found in


def plan_probe(
    requests: Mapping[str, Sequence[str] | pa.Array | pa.ChunkedArray],
    *,
    families: Mapping[str, Family],
    locator: Locator,
    roots: Roots,
    staging: Path,
    known: Known | None = None,
    unit_keys: int = UNIT_KEYS,
) -> ProbePlan:
    """Locate the keys that each release names and cut what is to be looked at into units.

    A key that several releases name is taken from the first of them that has its file.
    """
    keys, releases = wanted_keys(requests)
    seen = _Seen(known, keys)
    kept: list[int] = []
    batches: list[pa.RecordBatch] = []
    used_roots: set[str] = set()
    with SourceReader(roots) as source:
        for start in range(0, len(keys), BATCH_ROWS):
            rows: list[tuple[object, ...]] = []
            names = keys[start : start + BATCH_ROWS].to_pylist()
            for number, key in enumerate(names, start):
                place = first_found(locator, key, releases.names(number))
                if isinstance(place, Location):
                    used_roots.add(place.root)
                row = seen.unchanged(number, place, source)
                if row is None:
                    rows.append(_request(key, place, families))
                else:
                    kept.append(row)
            batches.append(_request_batch(rows))
    # Neighbours on the disk are read one after the other.
    table = pa.Table.from_batches(batches, REQUEST_SCHEMA)
    table = table.sort_by([(name, "ascending") for name in ("root", "file", "offset", "key")])
    path = _write_requests(table.combine_chunks(), staging)
    units = [
        ProbeUnit(
            requests=path,
            start=start,
            stop=min(start + unit_keys, table.num_rows),
            roots=roots,
            staging=staging,
        )
        for start in range(0, table.num_rows, unit_keys)
    ]
    return ProbePlan(units, seen.take(kept), len(keys), frozenset(used_roots))


def run_probe(unit: ProbeUnit) -> Path:
    """Look at the pictures of a unit, unless that was done for the same files in the same state.

    The result is a file of PROBE_SCHEMA in the unit's staging folder.
    """
    table = read_arrow(unit.requests).slice(unit.start, unit.stop - unit.start)
    rows = table.to_pylist()
    with SourceReader(unit.roots) as source:
        states = [_state(source, row) for row in rows]
        staged = unit.staging / f"probe-{_digest(rows, states)}.arrow"
        if not staged.exists():
            found = [_probe(source, row, state) for row, state in zip(rows, states, strict=True)]
            batch = pa.RecordBatch.from_pylist(found, schema=PROBE_SCHEMA)
            stream_arrow(staged, PROBE_SCHEMA, [batch])
    return staged


class Releases:
    """Which releases name each key, as bits of a number per key."""

    def __init__(self, names: Sequence[str], bits: Sequence[int]) -> None:
        self._names = names
        self._bits = bits
        self._lists: dict[int, list[str]] = {}

    def names(self, row: int) -> list[str]:
        bits = self._bits[row]
        if bits not in self._lists:
            self._lists[bits] = [n for at, n in enumerate(self._names) if bits >> at & 1]
        return self._lists[bits]


def wanted_keys(
    requests: Mapping[str, Sequence[str] | pa.Array | pa.ChunkedArray],
) -> tuple[pa.Array, Releases]:
    """Return each key once, in order, and the releases that name it."""
    words = range(0, len(requests), _WORD_BITS)
    tables = []
    for at, keys in enumerate(requests.values()):
        column = (
            keys if isinstance(keys, pa.Array | pa.ChunkedArray) else pa.array(keys, pa.string())
        )
        distinct = pc.unique(column).cast(pa.string())
        columns = {"key": distinct}
        for first in words:
            bit = 1 << at - first if first <= at < first + _WORD_BITS else 0
            columns[f"bits{first}"] = pa.repeat(pa.scalar(bit, pa.int64()), len(distinct))
        tables.append(pa.table(columns))
    if not tables:
        return pa.array([], pa.string()), Releases([], [])
    sums = [(f"bits{first}", "sum") for first in words]
    merged = pa.concat_tables(tables).group_by("key").aggregate(sums).sort_by("key")
    keys = merged["key"].combine_chunks()
    bits = merged["bits0_sum"].to_numpy().tolist()
    for first in words[1:]:
        more = merged[f"bits{first}_sum"].to_numpy().tolist()
        bits = [low | high << first for low, high in zip(bits, more, strict=True)]
    return keys, Releases(list(requests), bits)


def first_found(locator: Locator, key: str, releases: Sequence[str]) -> Location | Problem:
    place = locator.find(key, releases[0])
    for release in releases[1:]:
        if isinstance(place, Location):
            break
        place = locator.find(key, release)
    return place


def _request(
    key: str, place: Location | Problem, families: Mapping[str, Family]
) -> tuple[object, ...]:
    """Make a row of REQUEST_SCHEMA."""
    family = families.get(split_key(key).family)
    media = family.media if family else "image"
    if isinstance(place, Location):
        return (key, media, *place, None, None)
    return (key, media, None, None, None, None, *place)


def _request_batch(rows: Sequence[tuple[object, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(REQUEST_SCHEMA)
    arrays = [
        pa.array(column, field.type) for column, field in zip(columns, REQUEST_SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=REQUEST_SCHEMA)


def _write_requests(table: pa.Table, staging: Path) -> Path:
    """Write the requests under a name of their content, so that no plan overwrites another."""
    digest = hashlib.sha256()
    batches = table.to_batches(BATCH_ROWS)
    for batch in batches:
        digest.update(batch.serialize())
    path = staging / f"requests-{digest.hexdigest()[:32]}.arrow"
    if not path.exists():
        stream_arrow(path, REQUEST_SCHEMA, batches)
    return path


def _state(source: SourceReader, row: Mapping[str, object]) -> FileState | Problem:
    if row["reason"] is not None:
        return Problem(str(row["reason"]), str(row["detail"]))
    return source.state(_location(row))


def _digest(rows: Sequence[Mapping[str, object]], states: Sequence[FileState | Problem]) -> str:
    """Name the result of a unit by everything that it depends on."""
    digest = hashlib.sha256(repr((INDEX_FORMAT, PROBE_SCHEMA.names)).encode())
    for row, state in zip(rows, states, strict=True):
        digest.update(repr((*row.values(), *state)).encode())
    return digest.hexdigest()[:32]


def _probe(
    source: SourceReader, row: Mapping[str, object], state: FileState | Problem
) -> dict[str, object]:
    """Probe one picture and return a row of PROBE_SCHEMA."""
    facts = state if isinstance(state, Problem) else _probed(source, row)
    found: dict[str, object] = {name: row.get(name) for name in PROBE_SCHEMA.names}
    if isinstance(facts, Problem):
        found.update(reason=facts.reason, detail=facts.detail)
    else:
        found.update(facts._asdict())
    if isinstance(state, FileState):
        found["mtime_ns"] = state.mtime_ns
    return found


def _probed(source: SourceReader, row: Mapping[str, object]) -> PictureFacts | Problem:
    is_clip = row["media"] == "video"
    data = source.read(_location(row), MAX_CLIP_BYTES if is_clip else MAX_PICTURE_BYTES)
    if isinstance(data, Problem):
        return data
    return probe_clip(data) if is_clip else probe_picture(data)


def _location(row: Mapping[str, object]) -> Location:
    offset, length = row["offset"], row["length"]
    return Location(
        str(row["root"]),
        str(row["file"]),
        offset if isinstance(offset, int) else None,
        length if isinstance(length, int) else None,
    )


class _Seen:
    """Tells which wanted pictures are known and unchanged, or stored though their file is gone."""

    def __init__(self, known: Known | None, keys: pa.Array) -> None:
        self._table = known.seen if known is not None else PROBE_SCHEMA.empty_table()
        self._rows: dict[int, int] = {}  # number of the wanted key => row of the table
        if known is None:
            return
        at = pc.index_in(keys, value_set=self._table["key"].combine_chunks())
        numbers = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        rows = at.drop_null()
        self._rows = dict(zip(numbers.tolist(), rows.to_pylist(), strict=True))
        self._notes = [self._table[name] for name in _NOTES]
        self._shards = known.index["shard"]

    def unchanged(self, number: int, place: Location | Problem, source: SourceReader) -> int | None:
        """Return the row of a wanted key that need not be looked at again."""
        row = self._rows.get(number)
        if row is None:
            return None
        if isinstance(place, Problem):
            return row if self._shards[row].is_valid else None
        state = source.state(place)
        note = tuple(column[row].as_py() for column in self._notes)
        same = isinstance(state, FileState) and note == (*place[:3], *state)
        return row if same else None

    def take(self, rows: Sequence[int]) -> pa.Table:
        return self._table.combine_chunks().take(pa.array(rows, pa.int64()))
