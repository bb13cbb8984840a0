"""The report of an examination: a row for each split, and a group for each cause.

Counts are exact; lists of examples are limited."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from instructify.catalog import Expected
from instructify.checking.causes import Severity, cause_of
from instructify.checking.survey import MOST_EXAMPLES

State = Literal["complete", "slice", "more", "unknown", "not read"]
_NEAR = 0.1  # tolerance for a rounded official count


class Example(NamedTuple):
    """A finding: its subject, its split, and what is wrong."""

    split: str
    item: str
    detail: str


@dataclass(kw_only=True, slots=True)
class SplitReport:
    """The result for a split; `records` is None if its files are missing or can't be read."""

    dataset: str
    split: str
    files: dict[str, str] = field(default_factory=dict)  # role => name below the raw root
    official: Expected | None = None
    records: int | None = None
    rejects: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    causes: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.split}"

    @property
    def state(self) -> State:
        """Compare the number of records, rejects included, with the official count."""
        if self.records is None:
            return "not read"
        if self.official is None or self.official.records is None:
            return "unknown"
        wanted = self.official.records
        room = 0 if self.official.exact else wanted * _NEAR
        if self.records + sum(self.rejects.values()) < wanted - room:
            return "slice"
        return "more" if self.records > wanted + room else "complete"


@dataclass(kw_only=True, slots=True)
class Group:
    """All findings of one cause."""

    cause: str
    severity: Severity
    count: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class Report:
    """The whole examination; `how_to_get` has the steps for each incomplete release."""

    splits: list[SplitReport] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    how_to_get: Mapping[str, str] = field(default_factory=dict)
    pictures: int = 0
    strict: bool = False  # a slice is a fault

    def add(
        self, cause: str, split: SplitReport, count: int, examples: list[Example] | None = None
    ) -> None:
        """Add findings of one cause in one split."""
        self.note(cause, split, count)
        group = self.groups[cause]
        group.count += count
        group.examples += (examples or [])[: MOST_EXAMPLES - len(group.examples)]

    def note(self, cause: str, split: SplitReport, count: int) -> None:
        """Count findings for one split only, if several splits share the same findings."""
        if cause not in self.groups:
            self.groups[cause] = Group(cause=cause, severity=self._severity(cause))
        self.groups[cause].splits[split.name] = count
        split.causes[cause] = split.causes.get(cause, 0) + count

    def of(self, severity: Severity) -> list[Group]:
        """List the groups of a severity: causes before consequences, then by size."""
        groups = [group for group in self.groups.values() if group.severity == severity]
        return sorted(
            groups, key=lambda group: (cause_of(group.cause).rank, -group.count, group.cause)
        )

    def faults_of(self, split: SplitReport) -> int:
        """Count the faults of a split."""
        return sum(n for c, n in split.causes.items() if self.groups[c].severity == "fault")

    def _severity(self, cause: str) -> Severity:
        return "fault" if cause == "slice" and self.strict else cause_of(cause).severity
