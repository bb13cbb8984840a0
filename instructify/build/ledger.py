"""The ledger of rejects: one JSON line for every item that did not become a sample."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TextIO

from instructify.rejects import REASONS, Reject


class LedgerWriter:
    """Writes rejects of one split as they come and counts them by reason; not atomic, not synced."""

    def __init__(self, path: Path, dataset: str, split: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.counts: Counter[str] = Counter()
        self._constants = {"dataset": dataset, "split": split}
        self._handle: TextIO = path.open("w", encoding="utf-8", errors="backslashreplace")

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
            self._handle.write(json.dumps(row, ensure_ascii=False) + "\n")

    def __enter__(self) -> "LedgerWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle.close()


def ledger_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a ledger; nothing where there is none."""
    try:
        with path.open("rb") as handle:
            yield from handle
    except FileNotFoundError:
        return


def lines_of_other_splits(path: Path, replaced: Iterable[str]) -> Iterator[bytes]:
    """Yield the lines that stay when some splits of the dataset are written anew."""
    gone = set(replaced)
    for line in ledger_lines(path):
        if json.loads(line).get("split") not in gone:
            yield line


def total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())
