"""The rank of the true one of many options: MRR, recall at k, mean rank, NDCG (Visual Dialog).

Options are ranked by their scores, the highest first, from rank 1. Options with equal scores share
the mean of their ranks, so that a constant scorer gains nothing from the order of the options. In
NDCG they share the mean of their discounts, which is the average over random orders (McSherry and
Najork 2008).
"""

from collections.abc import Sequence

import numpy as np

from instructify._util.errors import UserError
from instructify.metrics.means import mean_scored
from instructify.metrics.model import Answer, Floats, Item, Scored

_RECALLS = (1, 5, 10)


def mrr(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score the reciprocal ranks of the true options; the other figures are in `metrics`.

    With a missing prediction the true option has the last rank. NDCG is a mean over the items whose
    relevance is not zero throughout.
    """
    most = max(
        (len(options) for options in map(_options, items, answers) if options is not None),
        default=1,
    )
    ranks = np.empty(len(items))
    is_ranked = np.ones(len(items), np.bool_)
    gains: list[float] = []
    skipped = 0
    for index, (item, answer) in enumerate(zip(items, answers, strict=True)):
        scores = _options(item, answer)
        if scores is None:
            is_ranked[index] = False
            ranks[index] = most
        else:
            ranks[index] = rank_of(scores, _gold(item, len(scores)))
        if item.relevance is not None:
            relevance = np.asarray(item.relevance, np.float64)
            if relevance.any():
                gains.append(0.0 if scores is None else ndcg(scores, relevance, item.id))
            else:
                skipped += 1
    metrics: dict[str, float] = {
        "mrr": float(np.where(is_ranked, 1 / ranks, 0).mean()),
        **{f"recall@{k}": float(((ranks <= k) & is_ranked).mean()) for k in _RECALLS},
        "mean_rank": float(ranks.mean()),
    }
    if gains:
        metrics |= {"ndcg": float(np.mean(gains)), "ndcg_items": len(gains)}
    notes = (
        [f"{skipped} items with a relevance of zero throughout are not in NDCG"] if skipped else []
    )
    return mean_scored(np.where(is_ranked, 1 / ranks, 0), metrics=metrics, notes=notes)


def rank_of(scores: Floats, index: int) -> float:
    """Return the rank of an option, from 1; tied options share the mean rank."""
    score = scores[index]
    return float(1 + (scores > score).sum() + ((scores == score).sum() - 1) / 2)


def ndcg(scores: Floats, relevance: Floats, name: str = "item") -> float:
    """Return NDCG at the number of relevant options: linear gains over log2(rank + 1)."""
    if len(scores) != len(relevance):
        raise UserError(
            f"'{name}' has {len(scores)} scores for {len(relevance)} options with a relevance"
        )
    k = int(np.count_nonzero(relevance))
    discounts = np.zeros(len(scores))
    discounts[:k] = 1 / np.log2(np.arange(2, k + 2))
    _, group, size = np.unique(-scores, return_inverse=True, return_counts=True)
    shared = np.bincount(np.repeat(np.arange(len(size)), size), discounts) / size
    ideal = np.sort(relevance)[::-1] @ discounts
    return float(relevance @ shared[group] / ideal)


def _options(item: Item, answer: Answer) -> Floats | None:
    """Return the scores of the options, None for a missing prediction."""
    if answer is None:
        return None
    if isinstance(answer, str | float | int):
        raise UserError(f"the prediction of '{item.id}' is no list; this metric needs `scores`")
    scores = np.asarray(answer, np.float64)
    if not len(scores):
        raise UserError(f"the prediction of '{item.id}' has no scores")
    if np.isnan(scores).any():
        raise UserError(f"the scores of '{item.id}' have a NaN at {int(np.isnan(scores).argmax())}")
    return scores


def _gold(item: Item, options: int) -> int:
    if item.gold is None:
        raise UserError(f"'{item.id}' has no `gold`, the index of its true option from 0")
    if not 0 <= item.gold < options:
        raise UserError(
            f"'{item.id}' has {options} scores and `gold` is {item.gold}, counted from 0"
        )
    return item.gold
