"""The ledger of rejects: a JSON line for every item that did not become a sample."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, check_regular, decode_json
from instructify._util.shards import unwritable
from instructify.build.state import SplitState
from instructify.rejects import REASONS, Reject

Order = tuple[str, str, int, bytes]
_ESCAPED = r'["\\\x00-\x1f]'  # characters that JSON escapes
_SLICE_ROWS = 8_192


class LedgerLine(msgspec.Struct, kw_only=True):
    """A decoded line of a ledger."""

    dataset: str
    split: str
    source: str
    position: int | None
    field: str | None
    reason: str
    detail: str
    record_id: str | None = None  # only for items that were records already


class LedgerWriter:
    """Writes the rejects of a split and counts them by reason; not atomic and not synced.

    After it is closed, the lines are in the order of a ledger.
    """

    def __init__(self, path: Path, dataset: str, split: str) -> None:
        self.counts: Counter[str] = Counter()
        self._path = path
        self._constants = {"dataset": dataset, "split": split}
        self._last: tuple[str, int] = ("", -2)
        self._in_order = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle: BinaryIO = path.open("wb")
        except OSError as error:
            raise unwritable(path, error) from error

    def add(
        self, rejects: Iterable[Reject], record_ids: Iterable[str | None] | None = None
    ) -> None:
        """Append rejects; items that were records already have their record ids."""
        ids = iter(record_ids) if record_ids is not None else None
        for reject in rejects:
            if reject.reason not in REASONS:
                raise ValueError(f"unknown reject reason '{reject.reason}'")
            self.counts[reject.reason] += 1
            row = {**self._constants, **reject._asdict()}
            if ids is not None:
                row["record_id"] = next(ids)
            place = (reject.source, -1 if reject.position is None else reject.position)
            self._in_order = self._in_order and place > self._last
            self._last = place
            line = json.dumps(row, ensure_ascii=False) + "\n"
            self._write(line.encode("utf-8", "backslashreplace"))

    def add_records(
        self, records: pa.Table, field: str, reasons: pa.Array, details: pa.Array
    ) -> None:
        """Append records that are rejected for one field, as whole columns.

        `records` has record_id, source and position; the other columns have a text for each record.
        """
        if not records.num_rows:
            return
        for entry in pc.value_counts(reasons).to_pylist():
            if entry["values"] not in REASONS:
                raise ValueError(f"unknown reject reason '{entry['values']}'")
            self.counts[entry["values"]] += entry["counts"]
        sources = records.column("source").cast(pa.string()).combine_chunks()
        positions = records.column("position").combine_chunks()
        self._note_order(sources, positions)
        start = json.dumps(self._constants, ensure_ascii=False).removesuffix("}")
        parts: list[str | pa.Array] = [f'{start}, "source": ', *_quoted(sources)]
        parts += [', "position": ', pc.fill_null(positions.cast(pa.string()), "null")]
        parts += [f', "field": {json.dumps(field)}, "reason": ', *_quoted(reasons)]
        parts += [', "detail": ', *_quoted(details), ', "record_id": ']
        parts += [*_quoted(records.column("record_id").combine_chunks()), "}\n"]
        parts = _joined_constants(parts)
        for begin in range(0, records.num_rows, _SLICE_ROWS):
            slices = [
                part if isinstance(part, str) else part.slice(begin, _SLICE_ROWS) for part in parts
            ]
            self._write(_bytes_of(pc.binary_join_element_wise(*slices, "")))

    def _note_order(self, sources: pa.Array, positions: pa.Array) -> None:
        """Record whether the next lines are in order."""
        one_source = len(pc.unique(sources)) == 1 and positions.null_count == 0
        numbers = np.asarray(positions) if one_source else np.zeros(0)
        first = (sources[0].as_py(), int(numbers[0])) if one_source else self._last
        self._in_order = bool(
            self._in_order and first > self._last and (numbers[1:] > numbers[:-1]).all()
        )
        self._last = (first[0], int(numbers[-1])) if one_source else self._last

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._handle.write(data)
        except OSError as error:
            raise unwritable(self._path, error) from error

    def __enter__(self) -> "LedgerWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._handle.close()
            if kind is None and not self._in_order:
                lines = sorted(ledger_lines(self._path), key=order)
                with self._path.open("wb") as handle:
                    handle.writelines(lines)
        except OSError as error:
            raise unwritable(self._path, error) from error


def _quoted(texts: pa.Array) -> list[str | pa.Array]:
    """Return the parts that encode each text as JSON: a constant where all texts are the same."""
    if len(texts) and pc.all(pc.equal(texts, texts[0])).as_py():
        return [json.dumps(texts[0].as_py(), ensure_ascii=False)]
    if not _has_escaped(texts):
        return ['"', texts, '"']
    odd = np.flatnonzero(np.asarray(pc.match_substring_regex(texts, _ESCAPED)))
    plain = pc.binary_join_element_wise('"', texts, '"', "")
    escaped = [json.dumps(text, ensure_ascii=False) for text in texts.take(odd).to_pylist()]
    is_odd = np.zeros(len(texts), np.bool_)
    is_odd[odd] = True
    return [pc.replace_with_mask(plain, pa.array(is_odd), pa.array(escaped, pa.string()))]


def _has_escaped(texts: pa.Array) -> bool:
    """Whether any text has a character that JSON escapes."""
    data = np.frombuffer(_bytes_of(texts), np.uint8)
    return bool(((data < 0x20) | (data == 0x22) | (data == 0x5C)).any())


def _bytes_of(texts: pa.StringArray) -> memoryview:
    """Return the bytes of all texts of a column without nulls, one after another."""
    if not len(texts):
        return memoryview(b"")
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)
    start, stop = ends[texts.offset], ends[texts.offset + len(texts)]
    return memoryview(data or b"")[start:stop]


def _joined_constants(parts: Sequence[str | pa.Array]) -> list[str | pa.Array]:
    """Join constants that follow each other."""
    joined: list[str | pa.Array] = []
    for part in parts:
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def ledger_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a ledger; empty if there is none."""
    try:
        check_regular(path)
        with path.open("rb") as handle:
            yield from handle
    except FileNotFoundError:
        return


def read_ledger(path: Path) -> Iterator[LedgerLine]:
    """Decode the lines of a ledger; raises UserError for a line of another form."""
    return (_row(line) for line in ledger_lines(path))


def still_true(line: bytes, state: SplitState) -> bool:
    """Whether a line of the existing ledger is of this split and not replaced by this run."""
    row = _row(line)
    if row.split != state.split:
        return False
    return state.record_ledger is None if row.record_id is None else state.sample_ledgers is None


def split_of(line: bytes) -> str:
    """Return the split of a line."""
    return _row(line).split


def order(line: bytes) -> Order:
    """Sort lines by split, file and position."""
    row = _row(line)
    return row.split, row.source, -1 if row.position is None else row.position, line


def _row(line: bytes) -> LedgerLine:
    try:
        return decode_json(line, LedgerLine)
    except NotReadableError as error:
        raise UserError(
            f"a ledger of rejects of this build is damaged ({error}); `instructify verify` says "
            "what else is."
        ) from error
