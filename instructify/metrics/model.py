"""What all scorers share: the gold of an item, and what a scorer says of aligned columns.

A scorer is a pure function from items and the answers to them, in the same order, to a `Scored`.
Values are fractions: accuracies, MRR and AUC lie in 0 to 1, CIDEr's 1.0 is the usual 100.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Answer = str | float | Sequence[float] | None
"""A text, a score, or a score for each option; None where there is no prediction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """The gold of one item; what a dataset does not have stays empty."""

    id: str
    references: tuple[str, ...] = ()
    label: int | None = None  # 1: positive, 0: negative
    gold: int | None = None  # index of the true option, from 0
    relevance: tuple[float, ...] | None = None  # one number an option
    choices: tuple[str, ...] = ()
    subset: str | None = None
    difficult: bool = False
    given: int | None = None  # the id, where it was written as a number


class Interval(NamedTuple):
    """A bootstrap interval of a value."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What a scorer found: `scores` has one number an item, in their order."""

    value: float
    scores: Floats
    interval: Interval
    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()


Scorer = Callable[[Sequence[Item], Sequence[Answer]], Scored]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What `score` reports; subsets are scored as sets of their own."""

    dataset: str
    metric: str
    variant: str
    value: float
    interval: Interval
    count: int
    missing: int
    metrics: Mapping[str, float]
    subsets: Mapping[str, float]
    subset_counts: Mapping[str, int]
    notes: tuple[str, ...]
    ids: tuple[str | int, ...]
    scores: Floats

    def summary(self, *, with_items: bool = False) -> dict[str, object]:
        """Return the result as values for JSON."""
        value: dict[str, object] = {
            "dataset": self.dataset,
            "metric": self.metric,
            "variant": self.variant,
            "value": self.value,
            "metrics": dict(self.metrics),
            "subsets": dict(self.subsets),
            "subset_counts": dict(self.subset_counts),
            "count": self.count,
            "missing": self.missing,
            "interval": list(self.interval),
            "notes": list(self.notes),
        }
        if with_items:
            pairs = zip(self.ids, self.scores.tolist(), strict=True)
            value["items"] = [{"id": item_id, "score": score} for item_id, score in pairs]
        return value
