"""The classes that all scorers share: the gold of an item, and the result of a scorer.

A scorer is a pure function from items and their answers, in the same order, to a `Scored`. Values
are fractions: accuracies, MRR and AUC are in 0 to 1, and CIDEr's 1.0 is usually reported as 100.
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
    """The gold of an item; fields that a dataset does not have are empty."""

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
    """The result of a scorer: `scores` has one number per item, in their order."""

    value: float
    scores: Floats
    interval: Interval
    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()


Scorer = Callable[[Sequence[Item], Sequence[Answer]], Scored]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The result of `score`; subsets are scored as sets of their own."""

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
