"""Ranks, AUC and intervals: by hand, with ties, and against plain definitions."""

import math
import random
import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify._util.errors import UserError
from instructify.metrics import Item, Prediction, Result, choose_scoring, score
from instructify.metrics.auc import rightly_ranked
from instructify.metrics.bootstrap import drawn, mean_interval
from instructify.metrics.ranking import ndcg, rank_of

NAN = float("nan")


def dialogs(
    golds: Sequence[int | None],
    scores: Sequence[Sequence[float] | None],
    relevance: Sequence[Sequence[float] | None] | None = None,
    *,
    allow_missing: bool = False,
) -> Result:
    dense = relevance or [None] * len(golds)
    items = [
        Item(id=str(number), gold=gold, relevance=None if one is None else tuple(one))
        for number, (gold, one) in enumerate(zip(golds, dense, strict=True))
    ]
    given = [Prediction(str(n), one) for n, one in enumerate(scores) if one is not None]
    return score(choose_scoring("visdial", "mrr"), items, given, allow_missing=allow_missing)


def memes(
    labels: Sequence[int], scores: Sequence[float | None], *, allow_missing: bool = False
) -> Result:
    items = [Item(id=str(number), label=label) for number, label in enumerate(labels)]
    given = [Prediction(str(n), one) for n, one in enumerate(scores) if one is not None]
    return score(choose_scoring("hateful_memes", "auc"), items, given, allow_missing=allow_missing)


def test_ranks_by_hand() -> None:
    result = dialogs([0, 2], [[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])
    assert result.value == result.metrics["mrr"] == (1 + 1 / 2) / 2
    assert result.metrics["recall@1"] == 0.5
    assert result.metrics["recall@5"] == 1
    assert result.metrics["mean_rank"] == 1.5
    assert "ndcg" not in result.metrics


def test_tied_options_share_the_mean_of_their_ranks() -> None:
    assert rank_of(np.zeros(100), 7) == 50.5
    assert rank_of(np.array([2.0, 1.0, 1.0, 0.0]), 1) == 2.5
    assert dialogs([0], [[0.0] * 100]).value == pytest.approx(1 / 50.5)
    assert rank_of(np.array([-math.inf, -math.inf, 0.0]), 0) == 2.5


def test_ndcg_by_hand() -> None:
    """Two options are relevant, so k is 2; ranks come as options 2, 0, 1."""
    relevance = np.array([0.5, 1.0, 0.0])
    gain = 0.0 / math.log2(2) + 0.5 / math.log2(3)
    ideal = 1.0 / math.log2(2) + 0.5 / math.log2(3)
    assert ndcg(np.array([0.5, 0.1, 0.9]), relevance) == pytest.approx(gain / ideal)
    assert ndcg(relevance, relevance) == pytest.approx(1)


def test_tied_options_share_the_mean_of_their_discounts() -> None:
    """Two tied options, one relevant: half of the orders put it first."""
    assert ndcg(np.zeros(2), np.array([1.0, 0.0])) == pytest.approx(0.5)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0, 0.2, 0.6, 1])), min_size=1, max_size=5
    )
)
def test_tied_ndcg_is_what_random_order_gives(options: list[tuple[int, float]]) -> None:
    from itertools import permutations

    scores = np.array([one[0] for one in options], float)
    relevance = np.array([one[1] for one in options], float)
    if not relevance.any():
        return
    untied = []
    for order in permutations(range(len(options))):
        spread = np.empty(len(options))
        spread[list(order)] = np.arange(len(options))
        untied.append(ndcg(scores + spread / 100, relevance))
    assert ndcg(scores, relevance) == pytest.approx(statistics.mean(untied))


def test_ndcg_skips_what_has_no_relevance_and_says_so() -> None:
    result = dialogs([0, 0, 0], [[1, 0], [1, 0], [1, 0]], [[1, 0], [0, 0], None])
    assert result.metrics["ndcg"] == 1
    assert result.metrics["ndcg_items"] == 1
    assert "1 items with a relevance of zero" in result.notes[0]


def test_a_missing_ranking_is_the_last() -> None:
    with pytest.raises(UserError, match="'1' is not predicted"):
        dialogs([0, 0], [[1, 0, 0.5], None])
    result = dialogs([0, 0], [[1, 0, 0.5], None], [None, [1, 0, 0]], allow_missing=True)
    assert result.value == 0.5
    assert result.missing == 1
    assert result.metrics["mean_rank"] == (1 + 3) / 2
    assert result.metrics["recall@10"] == 0.5
    assert result.metrics["ndcg"] == 0


@pytest.mark.parametrize(
    ("golds", "scores", "relevance", "said"),
    [
        ([0], [[1.0, NAN]], None, "have a NaN at 1"),
        ([2], [[1.0, 0.0]], None, "has 2 scores and `gold` is 2"),
        ([-1], [[1.0, 0.0]], None, "`gold` is -1"),
        ([None], [[1.0]], None, "has no `gold`"),
        ([0], [[]], None, "has no scores"),
        ([0], [[1.0, 0.0]], [[1.0]], "2 scores for 1 options"),
    ],
)
def test_bad_rankings(
    golds: list[int | None],
    scores: list[list[float]],
    relevance: list[list[float] | None] | None,
    said: str,
) -> None:
    with pytest.raises(UserError, match=said):
        dialogs(golds, scores, relevance)


def test_auc_by_hand() -> None:
    result = memes([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
    assert result.value == (1 + 1 + 1 + 0.5) / 4
    assert result.scores.tolist() == [1, 0.75, 0.75, 1]
    assert result.metrics == {"positives": 2, "negatives": 2}
    assert memes([1, 0], [0.5, 0.5]).value == 0.5
    assert memes([1, 0], [0, 1]).value == 0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    labels = np.array([one[0] for one in rows])
    scores = np.array([one[1] for one in rows], float)
    if labels.all() or not labels.any():
        return
    high, low = scores[labels], scores[~labels]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in high for b in low]
    right = rightly_ranked(scores, labels)
    assert right[labels].mean() == pytest.approx(statistics.mean(pairs))
    assert right[~labels].mean() == pytest.approx(statistics.mean(pairs))


def test_a_missing_score_ranks_wrongly_against_all() -> None:
    result = memes([1, 1, 0, 0], [None, 0.9, 0.1, 0.2], allow_missing=True)
    assert result.value == 0.5
    assert memes([1, 0], [0.5, None], allow_missing=True).value == 0


def test_auc_needs_both_classes_and_numbers() -> None:
    with pytest.raises(UserError, match="all 2 items have the label 1; AUC needs both classes"):
        memes([1, 1], [0.1, 0.2])
    with pytest.raises(UserError, match="the score of '1' is NaN"):
        memes([1, 0], [0.1, NAN])
    with pytest.raises(UserError, match="is no number"):
        score(
            choose_scoring("hateful_memes", "auc"),
            [Item(id="1", label=1), Item(id="2", label=0)],
            [Prediction("1", "yes"), Prediction("2", "no")],
        )


def test_intervals_hold_the_value_and_are_always_the_same() -> None:
    random.seed(1)
    for scores in (
        np.array([random.random() for _ in range(400)]),
        np.array([float(random.random() < 0.3) for _ in range(400)]),
    ):
        interval = mean_interval(scores)
        assert interval.low < scores.mean() < interval.high
        assert interval == mean_interval(scores.copy())
        expected = 1.96 * scores.std() / math.sqrt(len(scores))
        assert interval.high - interval.low == pytest.approx(2 * expected, rel=0.12)
    assert mean_interval(np.ones(5)) == (1, 1)
    labels = [n % 2 for n in range(200)]
    ranked = memes(labels, [random.gauss(label, 1) for label in labels])
    assert ranked.interval.low < ranked.value < ranked.interval.high
    assert 0.08 < ranked.interval.high - ranked.interval.low < 0.2


def test_draws_are_even_and_stay_in_range() -> None:
    numbers = drawn(7, 0, 2000)
    assert numbers.shape == (2000, 7)
    counts = np.bincount(numbers.ravel(), minlength=7)
    assert len(counts) == 7
    assert abs(counts / 2000 - 1).max() < 0.1
