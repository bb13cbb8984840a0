"""The arithmetic of `overlap` against plain Python: sets as bits, near hashes, equal rows."""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify.comparing.equality import equal_rows
from instructify.overlap.hamming import Hashes, met_pairs, near_pairs
from instructify.overlap.masks import (
    add_part,
    bits_of,
    count_pairs,
    distinct,
    has_part,
    is_among,
    no_masks,
    unite,
    unite_runs,
)

HASHES = st.integers(0, 2**64 - 1)
PARTS = 70  # more than a word has bits


def masks_of(sets: list[set[int]]) -> Any:
    masks = no_masks(len(sets), PARTS)
    for row, members in enumerate(sets):
        for part in members:
            add_part(masks, np.array([row]), part)
    return masks


def sets_of(masks: Any) -> list[set[int]]:
    return [set(np.flatnonzero(row).tolist()) for row in bits_of(masks, PARTS)]


SETS = st.lists(st.sets(st.integers(0, PARTS - 1), max_size=4), min_size=1, max_size=12)


@given(SETS, st.data())
def test_unions_are_those_of_python(sets: list[set[int]], data: st.DataObject) -> None:
    groups = [data.draw(st.integers(0, 3)) for _ in sets]
    united = sets_of(unite(np.array(groups), masks_of(sets)))
    for row, group in enumerate(groups):
        mates = [one for one, of in zip(sets, groups, strict=True) if of == group]
        assert united[row] == set().union(*mates)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sets)), max_size=4)))
    edges = [0, *cuts, len(sets)]
    lengths = np.diff(edges)
    runs = [set().union(*sets[a:b]) for a, b in itertools.pairwise(edges)]
    assert sets_of(unite_runs(masks_of(sets), lengths)) == runs


@given(SETS, st.data())
def test_pairs_are_counted(holders: list[set[int]], data: st.DataObject) -> None:
    seen = [one | data.draw(st.sets(st.integers(0, PARTS - 1), max_size=3)) for one in holders]
    counts = count_pairs(masks_of(holders), masks_of(seen), PARTS)
    expected = np.zeros((PARTS, PARTS), np.int64)
    for own, other in zip(holders, seen, strict=True):
        for p, q in itertools.product(own, other):
            expected[p, q] += 1
    assert (counts == expected).all()
    assert has_part(masks_of(holders), 69).tolist() == [69 in one for one in holders]


@given(st.lists(HASHES, max_size=20), st.lists(HASHES, max_size=20))
def test_sorted_sets(values: list[int], others: list[int]) -> None:
    known = distinct(np.array(values, np.uint64))
    assert known.tolist() == sorted(set(values))
    asked = [*values[:5], *others]
    among = is_among(np.array(asked, np.uint64), known)
    assert among.tolist() == [one in values for one in asked]


@given(st.lists(HASHES, max_size=20), st.lists(HASHES, max_size=20), st.data())
def test_near_hashes_of_few_are_those_of_python(
    left: list[int], right: list[int], data: st.DataObject
) -> None:
    flips = [data.draw(st.sets(st.integers(0, 63), max_size=14)) for _ in left]
    right += [one ^ sum(1 << bit for bit in bits) for one, bits in zip(left, flips, strict=True)]
    found = near_pairs(np.array(left, np.uint64), np.array(right, np.uint64), 12)
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == [
        (i, j)
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if (one ^ other).bit_count() <= 12
    ]


def test_near_hashes_of_many_up_to_eight_bits_are_all_found() -> None:
    """Whatever bits are flipped, in tables as well; and what is found is near."""
    rng = np.random.default_rng(4)
    left = rng.integers(0, 2**64, 4000, np.uint64)
    for bits, least in ((0, 1.0), (8, 1.0), (12, 0.6)):
        flips = [sum(1 << int(b) for b in rng.choice(64, bits, False)) for _ in left]
        right: Hashes = np.append(left ^ np.array(flips, np.uint64), np.uint64(0)).astype(np.uint64)
        for one, other in ((left, right), (right, left)):
            found = met_pairs(one, other, bits)
            assert (np.bitwise_count(one[found.left] ^ other[found.right]) <= bits).all()
            assert least <= (found.left == found.right).sum() / len(left) <= 1
            assert (np.diff(found.left) >= 0).all()
    assert len(met_pairs(left[:0], left, 12).left) == 0


def test_eight_flips_in_eight_groups_leave_three_whole() -> None:
    places = itertools.combinations(range(11), 8)
    flips = [sum(1 << round(place * 64 / 11) for place in chosen) for chosen in places]
    found = met_pairs(np.zeros(1, np.uint64), np.array(flips, np.uint64), 8)
    assert len(found.left) == len(flips) == 165


TEXT = st.none() | st.sampled_from(["", "a", "b"])
COLUMNS = {
    "texts": (pa.string(), TEXT),
    "labels": (pa.dictionary(pa.int32(), pa.string()), TEXT),
    "numbers": (pa.int32(), st.none() | st.integers(0, 2)),
    "flags": (pa.bool_(), st.none() | st.booleans()),
    "lists": (pa.list_(pa.string()), st.none() | st.lists(TEXT, max_size=3)),
    "floats": (pa.list_(pa.float32()), st.none() | st.lists(st.sampled_from([0.0, 0.5]))),
    "turns": (
        pa.list_(pa.struct([("question", pa.string()), ("answer", pa.string())])),
        st.none() | st.lists(st.fixed_dictionaries({"question": TEXT, "answer": TEXT}), max_size=2),
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
@settings(max_examples=60)
def test_rows_are_equal_as_in_python(name: str, data: st.DataObject) -> None:
    kind, values = COLUMNS[name]
    pairs = data.draw(st.lists(st.tuples(values, values), max_size=8))
    one, other = (pa.array([pair[side] for pair in pairs], kind) for side in (0, 1))
    assert equal_rows(one, other).tolist() == [a == b for a, b in pairs]
    middle = len(pairs) // 2  # sliced arrays have offsets
    assert equal_rows(one[middle:], other[middle:]).tolist() == [a == b for a, b in pairs[middle:]]


def test_not_a_number_equals_itself() -> None:
    one = pa.array([[float("nan")], [1.0]], pa.list_(pa.float32()))
    assert equal_rows(one, one).tolist() == [True, True]
