"""The ledger of rejects: one JSON line for every item that did not become a sample."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, check_regular, decode_json
from instructify._util.shards import unwritable
from instructify.build.state import SplitState
from instructify.rejects import REASONS, Reject


class LedgerLine(msgspec.Struct, kw_only=True):
    """A line of a ledger, as it is read."""

    dataset: str
    split: str
    source: str
    position: int | None
    field: str | None
    reason: str
    detail: str
    record_id: str | None = None  # only of what was a record already


class LedgerWriter:
    """Writes rejects of one split as they come, counted by reason; not atomic, not synced."""

    def __init__(self, path: Path, dataset: str, split: str) -> None:
        self.counts: Counter[str] = Counter()
        self._path = path
        self._constants = {"dataset": dataset, "split": split}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle: TextIO = path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise unwritable(path, error) from error

    def add(
        self, rejects: Iterable[Reject], record_ids: Iterable[str | None] | None = None
    ) -> None:
        """Append rejects; those that were records already are named by their ids."""
        ids = iter(record_ids) if record_ids is not None else None
        for reject in rejects:
            if reject.reason not in REASONS:
                raise ValueError(f"unknown reject reason '{reject.reason}'")
            self.counts[reject.reason] += 1
            row = {**self._constants, **reject._asdict()}
            if ids is not None:
                row["record_id"] = next(ids)
            self._write(json.dumps(row, ensure_ascii=False) + "\n")

    def _write(self, line: str) -> None:
        try:
            self._handle.write(line)
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
        except OSError as error:
            raise unwritable(self._path, error) from error


def ledger_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a ledger; nothing where there is none."""
    try:
        check_regular(path)
        with path.open("rb") as handle:
            yield from handle
    except FileNotFoundError:
        return


def read_ledger(path: Path) -> Iterator[LedgerLine]:
    """Decode the lines of a ledger; UserError at one that is not of ours."""
    return (_row(line) for line in ledger_lines(path))


def still_true(line: bytes, state: SplitState) -> bool:
    """Whether a line of the standing ledger is of this split and not replaced by this run."""
    row = _row(line)
    if row.split != state.split:
        return False
    return state.record_ledger is None if row.record_id is None else state.sample_ledgers is None


def split_of(line: bytes) -> str:
    """Name the split of a line."""
    return _row(line).split


def order(line: bytes) -> tuple[str, str, int, bytes]:
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
