"""Passes by positions: never more than the budget, nothing lost, no more padding than pays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify_train.data.passes import FixedRule, PassRule, Piece, padded, plan_step

BUDGET = 2048


def sizes_of(number: int, seed: int, *, t5: bool, frames: int = 1) -> np.ndarray:
    """Make samples as long as those of the paper's mixture: mostly short, some of 300 positions."""
    dice = np.random.default_rng(seed)
    asked = 33 + dice.lognormal(2.3, 0.5, number).astype(np.int64)
    answered = 1 + np.minimum(255, dice.lognormal(2.0, 1.2, number)).astype(np.int64)
    sides = (asked, answered) if t5 else (asked + answered, np.zeros_like(asked))
    return np.stack([*sides, np.full_like(asked, frames)], axis=1)


def all_ranks(sizes: np.ndarray, rule: PassRule | FixedRule, world: int) -> list[list[Piece]]:
    return [
        plan_step(range(len(sizes)), sizes, rule, rank=rank, world=world) for rank in range(world)
    ]


@given(
    number=st.integers(1, 60),
    world=st.integers(1, 5),
    budget=st.integers(1, 3000),
    overhead=st.sampled_from([0.0, 64.0, 1e9]),
    t5=st.booleans(),
    reorder=st.booleans(),
)
def test_each_sample_is_in_one_pass_of_one_process(
    number: int, world: int, budget: int, overhead: float, t5: bool, reorder: bool
) -> None:
    sizes = sizes_of(number, number, t5=t5)
    rule = PassRule(positions=budget, overhead=overhead, frame=1.5)
    rows = list(range(number))
    plans = [
        plan_step(rows, sizes, rule, rank=rank, world=world, reorder=reorder)
        for rank in range(world)
    ]
    counted = [piece.rows for own in plans for piece in own if piece.counts]
    assert sorted(row for own in counted for row in own) == rows
    assert len({len(own) for own in plans}) == 1, "all processes run equally many passes"
    for together in zip(*plans, strict=True):
        taken = [padded(sizes[list(one.rows)]) for one in together if one.counts]
        assert {one.most for one in together} == {max(taken)}
        for one in together:
            assert len(one.rows) == 1 or padded(sizes[list(one.rows)]) <= budget
            assert one.counts or len(one.rows) == 1
    if not reorder and world == 1:
        assert [row for own in counted for row in own] == rows


@pytest.mark.parametrize("t5", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_passes_cost_less_than_those_of_a_fixed_number(t5: bool, seed: int) -> None:
    """At the padding of the larger passes, and with the fewest passes of any cutting so good."""
    sizes = sizes_of(192, seed, t5=t5)
    fixed = all_ranks(sizes[np.argsort(-sizes[:, :2].sum(1))], FixedRule(accumulation=8), 1)[0]
    by_number = np.argsort(-sizes[:, :2].sum(axis=1), kind="stable")
    before = sum(padded(sizes[by_number[list(one.rows)]]) for one in fixed)
    planned = all_ranks(sizes, PassRule(positions=10_000), 1)[0]
    after = sum(padded(sizes[list(one.rows)]) for one in planned)
    assert after < 0.9 * before
    assert len(planned) < len(fixed)


@pytest.mark.parametrize("t5", [False, True])
def test_passes_fill_the_budget_where_starting_one_is_dear(t5: bool) -> None:
    """As few passes as can be; what is left free is less than two samples of the longest."""
    sizes = sizes_of(512, 0, t5=t5)
    (plan,) = all_ranks(sizes, PassRule(positions=BUDGET, overhead=1e9), 1)
    free = len(plan) * BUDGET - sum(padded(sizes[list(one.rows)]) for one in plan)
    (cheap,) = all_ranks(sizes, PassRule(positions=BUDGET, overhead=64), 1)
    assert len(plan) <= len(cheap)
    assert free <= 0.15 * len(plan) * BUDGET


@pytest.mark.parametrize("world", [2, 8])
@pytest.mark.parametrize("t5", [False, True])
def test_processes_do_equally_much(world: int, t5: bool) -> None:
    """Not equally many samples: the longest would keep the others waiting."""
    sizes = sizes_of(192, 1, t5=t5)
    plans = all_ranks(sizes, PassRule(positions=8192, frame=2.0), world)
    by_rank = [sum(padded(sizes[list(one.rows)]) for one in own if one.counts) for own in plans]
    order = np.argsort(-sizes[:, :2].sum(axis=1), kind="stable")
    pieces = np.array_split(order, world)
    assert max(by_rank) < 0.75 * max(padded(sizes[one]) for one in pieces)
    assert max(by_rank) < 1.2 * sum(by_rank) / world


def test_more_processes_than_samples_keep_each_other_company() -> None:
    sizes = sizes_of(3, 0, t5=False)
    plans = all_ranks(sizes, PassRule(positions=4096), 5)
    assert [len(own) for own in plans] == [1] * 5
    assert sum(own[0].counts for own in plans) == 3
    assert all(len(own[0].rows) == 1 for own in plans)


def test_frames_of_a_clip_count_where_the_work_is_shared_out() -> None:
    """Four frames are four times the Q-Former, whatever the text's length says."""
    sizes = sizes_of(40, 2, t5=False)
    sizes[:8, 2] = 40
    plain, dear = (
        all_ranks(sizes, PassRule(positions=8192, frame=frame), 2) for frame in (0.0, 50.0)
    )
    assert [piece.rows for piece in plain[0]] != [piece.rows for piece in dear[0]]
    shown = [sum(int(sizes[list(one.rows), 2].sum()) for one in own) for own in dear]
    before = [sum(int(sizes[list(one.rows), 2].sum()) for one in own) for own in plain]
    assert abs(shown[0] - shown[1]) <= abs(before[0] - before[1])
