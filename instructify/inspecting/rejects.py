"""The rejects of a build: counts by dataset and reason, and some rejects of each in detail."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from instructify.build import Build, read_ledger, rejects_name
from instructify.inspecting.choose import spread
from instructify.inspecting.gather import find_records
from instructify.inspecting.raw import Position
from instructify.rejects import REASONS

MOST_OF_REASON = 40  # shown of a dataset


class Rejected(NamedTuple):
    """A line of a reject ledger; `pictures` is empty if the item did not become a record."""

    dataset: str
    split: str
    reason: str
    source: str
    position: int | None
    field: str | None
    detail: str
    record_id: str | None
    pictures: tuple[str, ...]
    form: str

    @property
    def place(self) -> Position | None:
        """The position of the item in the raw files; None if the reject is about a whole file."""
        if self.position is None:
            return None
        return Position(self.dataset, self.split, self.source, self.position, self.form)


class Rejects(NamedTuple):
    """Some rejects of each dataset and reason, and all counts as (dataset, reason, count)."""

    shown: list[Rejected]
    counts: list[tuple[str, str, int]]


def read_rejects(build: Build, pairs: Sequence[tuple[str, str]]) -> Rejects:
    """Read the rejects of some splits."""
    shown: list[Rejected] = []
    counts: list[tuple[str, str, int]] = []
    for name in dict.fromkeys(name for name, _ in pairs):
        splits = [split for dataset, split in pairs if dataset == name]
        by_reason: dict[str, list[dict[str, Any]]] = {}
        for line in read_ledger(build.path(rejects_name(name))):
            row = msgspec.structs.asdict(line)
            if row["split"] in splits:
                by_reason.setdefault(row["reason"], []).append(row)
        for reason, rows in sorted(by_reason.items()):
            counts.append((name, reason, len(rows)))
            chosen = spread(len(rows), MOST_OF_REASON, f"rejects {name} {reason}")
            shown += _with_records(build, name, [rows[at] for at in chosen])
    return Rejects(shown, counts)


def _with_records(build: Build, name: str, rows: Sequence[dict[str, Any]]) -> list[Rejected]:
    ids: dict[str, set[str]] = {}
    for row in rows:
        if row.get("record_id") is not None:
            ids.setdefault(row["split"], set()).add(row["record_id"])
    records = {
        record_id: record
        for split, record_ids in ids.items()
        for record_id, record in find_records(build.records(name, split), record_ids).items()
    }
    return [_rejected(build, row, records.get(row.get("record_id") or "")) for row in rows]


def _rejected(build: Build, row: dict[str, Any], record: dict[str, Any] | None) -> Rejected:
    forms = build.split(row["dataset"], row["split"]).forms
    return Rejected(
        dataset=row["dataset"],
        split=row["split"],
        reason=row["reason"],
        source=row["source"],
        position=row["position"],
        field=row["field"],
        detail=row["detail"],
        record_id=row.get("record_id"),
        pictures=() if record is None else tuple(record["pictures"]),
        form=record["form"] if record is not None else next(iter(forms), "open"),
    )


def meaning(reason: str) -> str:
    """Return the explanation of a reason."""
    return REASONS.get(reason, "")
