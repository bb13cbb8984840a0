"""A smaller budget gives smaller passes, down to one row with a few nodes."""

import random

import pytest
from decoding_models import FAMILIES, prefixes, tiny_model

from instructify_train.decode.pass_memory import pass_size, row_bytes
from instructify_train.decode.prefix import align
from instructify_train.decode.trie import Trie


@pytest.mark.parametrize("family", FAMILIES)
def test_passes_fit_the_budget_by_estimate(family: str) -> None:
    model = tiny_model(family)
    prefix = align(*prefixes([9] * 16))
    draw = random.Random(0)
    trie = Trie.of([[draw.randrange(3, 90) for _ in range(4)] for _ in range(900)])
    before = (0, 0)
    for memory_bytes in (10**5, 10**6, 10**7, 10**8, 10**10):
        size = pass_size(model, prefix, trie, memory_bytes)
        assert size.rows * size.nodes >= before[0] * before[1]
        before = (size.rows, size.nodes)
        taken = size.rows * row_bytes(model.config, 9, size.nodes + trie.max_depth, 4)
        assert taken <= memory_bytes or before == (1, 64)
    assert before == (16, 128)  # more nodes of a row are slower, not faster


def test_a_budget_of_nothing_still_does_a_row() -> None:
    size = pass_size(tiny_model("llama"), align(*prefixes([9] * 16)), Trie.of([[5], [6]]), 1)
    assert size.rows == 1
    assert size.nodes >= 2
    assert size.head_positions == 1
