"""Which samples share a batch, when pictures are looked at, and who takes what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify.mixture import deal_batches, loss_weights, place_of
from instructify_train.data.encode_plan import plan_encoding
from instructify_train.data.passes import FixedRule, plan_step


@given(
    batches=st.integers(1, 12),
    batch=st.integers(1, 9),
    seed=st.integers(0, 1000),
    bucket=st.booleans(),
)
def test_a_window_keeps_what_was_drawn(batches: int, batch: int, seed: int, bucket: bool) -> None:
    lengths = np.random.default_rng(seed).integers(1, 50, batches * batch)
    dealt = deal_batches(lengths, batches, f"window {seed}", bucket=bucket)
    assert dealt.shape == (batches, batch)
    assert sorted(dealt.ravel().tolist()) == list(range(batches * batch))
    again = deal_batches(lengths, batches, f"window {seed}", bucket=bucket)
    assert (dealt == again).all()
    if not bucket:
        assert dealt.ravel().tolist() == list(range(batches * batch))


def test_batches_are_alike_in_length_and_not_in_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 16 * 32)
    dealt = lengths[deal_batches(lengths, 16, "window 0", bucket=True)]
    spread = dealt.max(1) - dealt.min(1)
    assert (
        spread.max() < 25 < (lengths.reshape(16, 32).max(1) - lengths.reshape(16, 32).min(1)).min()
    )
    firsts = dealt[:, 0].tolist()
    assert firsts not in (sorted(firsts), sorted(firsts, reverse=True))
    other = lengths[deal_batches(lengths, 16, "window 1", bucket=True)][:, 0].tolist()
    assert sorted(other) == sorted(firsts)
    assert other != firsts


@given(
    steps=st.integers(1, 6),
    ranks=st.integers(1, 6),
    each=st.integers(1, 7),
    seed=st.integers(0, 1000),
    bucket=st.booleans(),
)
def test_logical_batches_stay_in_their_step_and_count_the_same(
    steps: int, ranks: int, each: int, seed: int, bucket: bool
) -> None:
    """The loss is the mean over logical batches of the means over their label tokens."""
    dice = np.random.default_rng(seed)
    lengths = dice.integers(1, 50, steps * ranks * each)
    labels, losses = dice.integers(1, 30, len(lengths)), dice.random(len(lengths))
    dealt = deal_batches(lengths, steps, "window 0", bucket=bucket, logical_batch=each)
    weights = loss_weights(dealt, labels, each)
    for step, row in enumerate(dealt):
        first = step * ranks * each
        assert sorted(row.tolist()) == list(range(first, first + ranks * each))
        if bucket:
            assert (np.diff(lengths[row]) <= 0).all(), "long ones first, so that passes are alike"
        means = [
            (losses[at : at + each] * labels[at : at + each]).sum() / labels[at : at + each].sum()
            for at in range(first, first + ranks * each, each)
        ]
        loss = (weights[row] * labels[row] * losses[row]).sum()
        assert loss == pytest.approx(np.mean(means))
        assert (weights[row] * labels[row]).sum() == pytest.approx(1)


@given(seed=st.integers(0, 1000), bucket=st.booleans())
def test_mixed_batches_count_every_label_of_a_step_the_same(seed: int, bucket: bool) -> None:
    dice = np.random.default_rng(seed)
    lengths, labels = dice.integers(1, 50, 24), dice.integers(1, 30, 24)
    dealt = deal_batches(lengths, 3, "window 0", bucket=bucket)
    weights = loss_weights(dealt, labels)
    for row in dealt:
        assert weights[row] == pytest.approx(1 / labels[row].sum())


@given(batch=st.integers(1, 64), world=st.integers(1, 5), accumulation=st.integers(1, 5))
def test_processes_and_fixed_passes_divide_a_batch(
    batch: int, world: int, accumulation: int
) -> None:
    sizes = np.random.default_rng(batch).integers(1, 50, (batch, 3))
    rule = FixedRule(accumulation=accumulation)
    shares = [plan_step(range(batch), sizes, rule, rank=rank, world=world) for rank in range(world)]
    assert all(len(own) == accumulation for own in shares)
    counted = [piece.rows for own in shares for piece in own if piece.counts]
    assert sorted(row for rows in counted for row in rows) == list(range(batch))
    assert max(map(len, counted)) == -(-batch // (world * accumulation))
    assert max(map(len, counted)) - min(map(len, counted)) <= 1


def test_a_step_knows_its_window() -> None:
    assert place_of(0, 8) == (0, 0)
    assert place_of(17, 8) == (2, 1)


passes = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6, unique=True), max_size=10)


@settings(max_examples=300)
@given(passes=passes, group=st.integers(1, 5), data=st.data())
def test_each_picture_is_encoded_once_before_it_is_needed(
    passes: list[list[int]], group: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(passes)))
    encoding = plan_encoding(passes, group, first)
    known: set[int] = set()
    encoded: list[int] = []
    for at, wanted in enumerate(passes):
        for one in encoding[at].encode:
            assert not known & set(one)
            known |= set(one)
            encoded += one
        if at >= first:
            assert set(wanted) <= known
        else:
            assert encoding[at] == ((), ())
        known -= set(encoding[at].forget)
    assert not known
    assert len(encoded) == len(set(encoded))


@given(passes=passes, group=st.integers(1, 5), data=st.data())
def test_a_resumed_run_encodes_the_same_groups(
    passes: list[list[int]], group: int, data: st.DataObject
) -> None:
    """Bits depend on shapes: what is encoded again is encoded in the company it had."""
    first = data.draw(st.integers(0, len(passes)))
    groups = {one for step in plan_encoding(passes, group) for one in step.encode}
    again = {one for step in plan_encoding(passes, group, first) for one in step.encode}
    assert again <= groups
