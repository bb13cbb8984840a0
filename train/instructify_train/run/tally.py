"""Count samples, label tokens and losses of a run by dataset and by template.

Each process counts its own samples; the counts of all processes are summed when they are logged.
A checkpoint stores the sums, so the counts of a resumed run cover all its steps.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from instructify_train.data import Sample

# kind => name => samples, labels, loss summed over labels, what the labels count in the loss of
# their steps, and that loss
Sums = dict[str, dict[str, list[float]]]
KINDS = ("member", "template")
_NUM_SUMS = 5


class Tallied(NamedTuple):
    """The counts of one dataset or template."""

    name: str
    samples: int
    labels: int
    loss: float  # mean over labels
    loss_share: float  # the weight of its labels in the loss of all steps
    step_loss: float  # its share of that loss


class Tally:
    """Counts of the steps since the last `flush`, and of the whole run."""

    def __init__(self, members: Sequence[str], total: Mapping[str, Mapping[str, Sequence[float]]]):
        self._members = tuple(members)
        self._recent: Sums = {kind: {} for kind in KINDS}
        self.total: Sums = {
            kind: {name: _padded(sums) for name, sums in total.get(kind, {}).items()}
            for kind in KINDS
        }

    def add(
        self,
        samples: Iterable[Sample],
        labels: Iterable[int],
        losses: Iterable[float],
        weights: Iterable[float],
    ) -> None:
        """Count samples, label tokens, their loss summed over labels, and a label's weight."""
        for sample, num, loss, weight in zip(samples, labels, losses, weights, strict=True):
            names = (self._members[sample.member], sample.template)
            values = (1.0, float(num), loss, weight * num, weight * loss)
            for kind, name in zip(KINDS, names, strict=True):
                _put(self._recent[kind], name, values)

    def take_recent(self) -> Sums:
        """Return the counts since the last call and reset them."""
        recent, self._recent = self._recent, {kind: {} for kind in KINDS}
        return recent

    def flush(self, counted: Iterable[Sums]) -> list[Tallied]:
        """Add the counts of all processes to those of the run; returns them by dataset."""
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
    """Convert sums to means and shares, sorted by name."""
    sums = {name: _padded(values) for name, values in sorted(by_name.items())}
    whole = sum(values[3] for values in sums.values()) or 1.0
    return [
        Tallied(name, int(num), int(labels), loss / max(labels, 1.0), weight / whole, part / whole)
        for name, (num, labels, loss, weight, part) in sums.items()
    ]


def mean_loss(members: Iterable[Tallied]) -> float:
    """Return the mean loss of the counted steps."""
    return sum(member.step_loss for member in members)


def _padded(sums: Sequence[float]) -> list[float]:
    """Read the sums of a checkpoint; an earlier version wrote them without the last two."""
    return [*sums, *[0.0] * (_NUM_SUMS - len(sums))]


def _put(into: dict[str, list[float]], name: str, values: Sequence[float]) -> None:
    sums = into.setdefault(name, [0.0] * _NUM_SUMS)
    for at, value in enumerate(values):
        sums[at] += value
