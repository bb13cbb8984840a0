"""The ledger of rejects: one JSON line for every item that did not become a sample."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TextIO

import msgspec

from instructify._util.outside import check_regular
from instructify._util.shards import unwritable
from instructify.build.state import SplitState
from instructify.rejects import REASONS, Reject


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


def still_true(line: bytes, state: SplitState) -> bool:
    """Whether a line of the standing ledger is of this split and not replaced by this run."""
    row = msgspec.json.decode(line, type=_Line)
    if row.split != state.split:
        return False
    return state.record_ledger is None if row.record_id is None else state.sample_ledgers is None


def split_of(line: bytes) -> str:
    """Name the split of a line."""
    return msgspec.json.decode(line, type=_Line).split


def order(line: bytes) -> tuple[str, str, int, bytes]:
    """Sort lines by split, file and position."""
    row = msgspec.json.decode(line, type=_Line)
    return row.split, row.source, -1 if row.position is None else row.position, line


class _Line(msgspec.Struct):
    split: str
    source: str
    position: int | None = None
    record_id: str | None = None  # only of what was a record already
