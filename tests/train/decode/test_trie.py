"""The trie is what a dictionary of prefixes says it is, whatever the order of candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify_train.decode.trie import Trie

CANDIDATE = st.lists(st.integers(0, 4), min_size=1, max_size=5)
CANDIDATES = st.lists(CANDIDATE, min_size=1, max_size=25)


def spelled(trie: Trie, node: int) -> tuple[int, ...]:
    """The tokens from the root down to a node."""
    return tuple(int(trie.token[at]) for at in trie.path(node)[1:])


def test_hand_worked() -> None:
    trie = Trie.of([[7, 8], [7], [9, 8], [7, 5, 6]])
    # root; 7; 7 5; 7 5 6; 7 8; 9; 9 8
    assert trie.token.tolist() == [-1, 7, 5, 6, 8, 9, 8]
    assert trie.parent.tolist() == [-1, 0, 1, 2, 1, 0, 5]
    assert trie.depth.tolist() == [0, 1, 2, 3, 2, 1, 2]
    assert trie.subtree_end.tolist() == [7, 5, 4, 4, 5, 7, 7]
    assert trie.children.tolist() == [1, 5, 2, 4, 3, 6]
    assert trie.first_child.tolist() == [0, 2, 4, 5, 5, 5, 6, 6]
    assert trie.ends.tolist() == [4, 1, 6, 3]
    assert trie.max_depth == 3


def test_end_token_stands_after_every_candidate() -> None:
    trie = Trie.of([[7, 8], [7]], end=1)
    assert [spelled(trie, node) for node in trie.ends] == [(7, 8, 1), (7, 1)]
    assert trie.find([7, 1]) == 1
    assert trie.find([7]) is None


@given(CANDIDATES)
def test_nodes_are_the_distinct_prefixes(candidates: list[list[int]]) -> None:
    trie = Trie.of(candidates)
    prefixes = {tuple(c[:length]) for c in candidates for length in range(len(c) + 1)}
    assert sorted(prefixes) == [spelled(trie, node) for node in range(trie.num_nodes)]
    assert [spelled(trie, node) for node in trie.ends] == [tuple(c) for c in candidates]


@given(CANDIDATES)
def test_ancestors_are_ranges_and_children_are_sorted(candidates: list[list[int]]) -> None:
    trie = Trie.of(candidates)
    for node in range(trie.num_nodes):
        above = set(trie.path(node))
        within = {a for a in range(node + 1) if node < trie.subtree_end[a]}
        assert above == within
        children = trie.children[trie.first_child[node] : trie.first_child[node + 1]]
        assert children.tolist() == np.flatnonzero(trie.parent == node).tolist()
        assert (np.diff(trie.token[children]) > 0).all()


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_order_of_candidates_changes_only_ends(candidates: list[list[int]], random) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(candidates)))
    random.shuffle(order)
    trie, shuffled = Trie.of(candidates), Trie.of([candidates[place] for place in order])
    assert np.array_equal(trie.token, shuffled.token)
    assert np.array_equal(trie.parent, shuffled.parent)
    assert np.array_equal(trie.ends[order], shuffled.ends)


@given(st.lists(CANDIDATES, min_size=1, max_size=4))
def test_several_sets_stand_side_by_side(sets: list[list[list[int]]]) -> None:
    trie = Trie.of_sets(sets)
    assert trie.num_sets == len(sets)
    for number, candidates in enumerate(sets):
        alone = Trie.of(candidates)
        first, stop = trie.roots[number], trie.roots[number + 1]
        assert np.array_equal(trie.token[first:stop], alone.token)
        assert np.array_equal(trie.subtree_end[first:stop] - first, alone.subtree_end)
        assert np.array_equal(trie.candidate_ends(number) - first, alone.ends)


@given(CANDIDATES, CANDIDATE)
def test_find_gives_the_first_of_equal_candidates(
    candidates: list[list[int]], wanted: list[int]
) -> None:
    trie = Trie.of_sets([[[3]], candidates])
    expected = candidates.index(wanted) if wanted in candidates else None
    assert trie.find(wanted, 1) == expected


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "set 0 is empty"),
        ([[[1]], []], "set 1 is empty"),
        ([[[1], []]], "candidate 1 has no tokens"),
        ([[[1, -2]]], "negative"),
        ([[[1, 9]]], "end token 9"),
    ],
)
def test_refused(sets: list[list[list[int]]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trie.of_sets(sets, end=9)
