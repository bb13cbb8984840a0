"""Keyed choices are pure functions of their keys, uniform, and permutations really permute."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructify._util import keyed

HASHES = keyed.hash_texts([f"vqav2/train/{number}" for number in range(20_000)])


def test_bytes_never_change() -> None:
    hashes = keyed.hash_texts(["vqav2/train/1", "", "\u00e9\U0001f600"])
    assert hashes.tolist() == [9045682984270906848, 3244421341483603138, 11397830984755988081]
    mixed = keyed.mix(hashes, "template", 0, 1)
    assert mixed.tolist() == [12514592964904633005, 4095507712380900840, 14818026949667208833]
    assert keyed.permutations(mixed, 6).tolist() == [
        [1, 3, 4, 5, 2, 0],
        [5, 0, 4, 3, 2, 1],
        [5, 4, 0, 3, 2, 1],
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_a_column_and_a_list_hash_alike(texts: list[str]) -> None:
    from_list = keyed.hash_texts(texts)
    assert from_list.tolist() == keyed.hash_texts(pa.array(texts, pa.string())).tolist()
    chunked = pa.chunked_array([pa.array(texts, pa.string())] * 2)
    assert keyed.hash_texts(chunked).tolist() == from_list.tolist() * 2


def test_a_null_has_no_hash() -> None:
    with pytest.raises(TypeError):
        keyed.hash_texts(pa.array(["a", None]))


def test_a_choice_does_not_depend_on_the_other_rows() -> None:
    alone = keyed.mix(HASHES[7:8], "template", 3)
    assert alone[0] == keyed.mix(HASHES, "template", 3)[7]


@pytest.mark.parametrize("other", [("answer", 3, 0), ("template", 4, 0), ("template", 3, 1)])
def test_purposes_seeds_and_extras_choose_independently(other: tuple[str, int, int]) -> None:
    first = keyed.uniform_index(keyed.mix(HASHES, "template", 3, 0), 10)
    second = keyed.uniform_index(keyed.mix(HASHES, *other), 10)
    assert abs(np.mean(first == second) - 0.1) < 0.01


@pytest.mark.parametrize("n", [1, 2, 3, 12, 1000])
def test_indices_are_uniform(n: int) -> None:
    counts = np.bincount(keyed.uniform_index(keyed.mix(HASHES, "x", 0), n), minlength=n)
    expected = len(HASHES) / n
    assert len(counts) == n
    assert np.abs(counts - expected).max() <= 5 * np.sqrt(expected)


def test_floats_are_uniform() -> None:
    floats = keyed.uniform_float(keyed.mix(HASHES, "x", 0))
    assert floats.min() >= 0
    assert floats.max() < 1
    assert abs(floats.mean() - 0.5) < 0.01


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_places_of_a_permutation_agree_with_the_whole(n: int) -> None:
    mixed = keyed.mix(HASHES[:500], "order", 1)
    whole = keyed.permutations(mixed, n)
    assert (np.sort(whole, axis=1) == np.arange(n)).all()
    for place in range(n):
        assert (keyed.permuted_index(mixed, place, n) == whole[:, place]).all()


def test_all_permutations_are_equally_likely() -> None:
    whole = keyed.permutations(keyed.mix(HASHES, "order", 2), 4)
    counts = np.unique(whole @ 4 ** np.arange(4), return_counts=True)[1]
    expected = len(HASHES) / 24
    assert len(counts) == 24
    assert ((counts - expected) ** 2 / expected).sum() < 60  # chi square, 23 degrees: p < 4e-5


@pytest.mark.parametrize(("place", "n"), [(3, 3), (-1, 3), (0, 0)])
def test_a_place_outside_is_refused(place: int, n: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        keyed.permuted_index(HASHES, place, n)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="uniform_index"):
        keyed.uniform_index(HASHES, 0)
