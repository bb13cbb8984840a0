"""What was drawn and learnt so far: samples, label tokens and loss, by member and by template.

Each process counts its own; what all of them counted is put together when it is logged. A
checkpoint keeps the sums, so that a run that was resumed tells of all its steps.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from instructify_train.data import Sample

Sums = dict[str, dict[str, list[float]]]  # kind => name => samples, labels, loss summed over labels
KINDS = ("member", "template")


class Tallied(NamedTuple):
    """The part of one member or template."""

    name: str
    samples: int
    labels: int
    loss: float  # mean over labels


class Tally:
    """Counts of the steps since the last `flush`, and of the whole run."""

    def __init__(self, members: Sequence[str], total: Mapping[str, Mapping[str, Sequence[float]]]):
        self._members = tuple(members)
        self._recent: Sums = {kind: {} for kind in KINDS}
        self.total: Sums = {
            kind: {name: [*sums] for name, sums in total.get(kind, {}).items()} for kind in KINDS
        }

    def add(
        self, samples: Iterable[Sample], labels: Iterable[int], losses: Iterable[float]
    ) -> None:
        """Count samples, their label tokens, and their loss summed over these."""
        for sample, num, loss in zip(samples, labels, losses, strict=True):
            names = (self._members[sample.member], sample.template)
            for kind, name in zip(KINDS, names, strict=True):
                _put(self._recent[kind], name, (1.0, float(num), loss))

    def take_recent(self) -> Sums:
        """Hand over what was counted since the last time."""
        recent, self._recent = self._recent, {kind: {} for kind in KINDS}
        return recent

    def flush(self, counted: Iterable[Sums]) -> list[Tallied]:
        """Add what all processes handed over to the whole; returns it by member."""
        merged: Sums = {kind: {} for kind in KINDS}
        for sums in counted:
            for kind, by_name in sums.items():
                for name, values in by_name.items():
                    _put(merged[kind], name, values)
        for kind, by_name in merged.items():
            for name in sorted(by_name):
                _put(self.total[kind], name, by_name[name])
        return shares(merged["member"])


def shares(by_name: Mapping[str, Sequence[float]]) -> list[Tallied]:
    """Turn sums into means, sorted by name."""
    return [
        Tallied(name, int(num), int(labels), loss / max(labels, 1.0))
        for name, (num, labels, loss) in sorted(by_name.items())
    ]


def _put(into: dict[str, list[float]], name: str, values: Sequence[float]) -> None:
    sums = into.setdefault(name, [0.0, 0.0, 0.0])
    for at, value in enumerate(values):
        sums[at] += value
