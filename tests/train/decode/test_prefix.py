"""Prefixes are aligned at their ends, whatever their padding."""

import pytest
import torch
from decoding_models import prefixes

from instructify_train.decode.prefix import align


@pytest.mark.parametrize("padding", ["left", "right", "middle"])
def test_padding_goes_left_and_order_stays(padding: str) -> None:
    given = prefixes([3, 6, 4], padding=padding)
    got = align(given.embeds, given.mask)
    expected = prefixes([3, 6, 4], padding="left")
    assert torch.equal(got.mask, expected.mask)
    assert torch.equal(got.embeds, expected.embeds.masked_fill(expected.mask[:, :, None] == 0, 0))
    assert got.lengths.tolist() == [3, 6, 4]
    assert got.position_ids[0].tolist() == [0, 0, 0, 0, 1, 2]


def test_columns_that_no_row_needs_are_cut() -> None:
    given = prefixes([3, 6, 4])
    assert align(given.embeds, given.mask).rows(2, 3).mask.tolist() == [[1, 1, 1, 1]]


def test_padding_may_be_not_a_number() -> None:
    given = prefixes([2, 3])
    given.embeds[0, 0] = torch.nan
    assert align(given.embeds, given.mask).embeds.isfinite().all()


def test_refused() -> None:
    given = prefixes([2, 3])
    with pytest.raises(ValueError, match="do not agree"):
        align(given.embeds, given.mask[:1])
    with pytest.raises(ValueError, match="at least one position"):
        align(given.embeds, torch.zeros_like(given.mask))
