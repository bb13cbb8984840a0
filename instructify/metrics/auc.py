"""Area under the ROC curve: how often a positive item has a higher score than a negative one.

Computed from ranks (Mann and Whitney 1947); a tie counts half. The score of an item is the share of
the other class against which it is ranked correctly: the mean over either class is the AUC.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructify._util.errors import UndefinedScoreError, UserError
from instructify.metrics.bootstrap import RESAMPLES, drawn, percentiles
from instructify.metrics.model import Answer, Floats, Interval, Item, Scored


def auc(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score by AUC; an item with a missing score is ranked wrongly against the whole other class.

    The interval draws positives and negatives separately, so that their proportion stays. Items of
    one class only are an error.
    """
    labels = np.array([_label(item) for item in items], np.bool_)
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise UndefinedScoreError(
            f"all {len(labels):,} items have the label {int(labels[0])}; AUC needs both classes"
        )
    scores = np.array([_score(item, answer) for item, answer in zip(items, answers, strict=True)])
    right = rightly_ranked(scores, labels)
    return Scored(
        value=float(right[labels].mean()),
        scores=right,
        interval=_interval(scores, labels),
        metrics={"positives": positives, "negatives": len(labels) - positives},
    )


def rightly_ranked(scores: Floats, labels: NDArray[np.bool_]) -> Floats:
    """Return for each item the share of the other class that it is ranked correctly against."""
    right = np.empty(len(scores))
    low, high = np.sort(scores[~labels]), np.sort(scores[labels])
    right[labels] = _below(low, scores[labels]) / len(low)
    right[~labels] = 1 - _below(high, scores[~labels]) / len(high)
    return right


def _below(ordered: Floats, values: Floats) -> Floats:
    """Count the numbers below each value, equal ones half."""
    left = np.searchsorted(ordered, values, "left")
    return (left + np.searchsorted(ordered, values, "right")) / 2


def _interval(scores: Floats, labels: NDArray[np.bool_]) -> Interval:
    """Draw both classes anew, as counts of distinct scores, and compute the AUC of each draw."""
    _, places = np.unique(scores, return_inverse=True)
    high, low = places[labels], places[~labels]
    distinct = int(places.max()) + 1
    values = np.empty(RESAMPLES)
    for draw in range(RESAMPLES):
        some_high = high[drawn(len(high), draw, draw + 1, "bootstrap positives")[0]]
        some_low = low[drawn(len(low), draw, draw + 1, "bootstrap negatives")[0]]
        counts = np.bincount(some_low, minlength=distinct)
        below = np.cumsum(counts) - counts / 2
        values[draw] = below[some_high].mean() / len(low)
    return percentiles(values)


def _label(item: Item) -> int:
    if item.label is None:
        raise UserError(f"'{item.id}' has no `label`, 1 or 0")
    return item.label


def _score(item: Item, answer: Answer) -> float:
    if answer is None:
        return -np.inf if item.label else np.inf
    if isinstance(answer, str) or not isinstance(answer, float | int):
        raise UserError(f"the prediction of '{item.id}' is no number; this metric needs `score`")
    if np.isnan(answer):
        raise UserError(f"the score of '{item.id}' is NaN")
    return float(answer)
