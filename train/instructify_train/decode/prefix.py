"""Prefixes of a batch, aligned at their ends.

A prefix is given as `inputs_embeds` and `attention_mask`, with padding on the left, on the right or
in the middle (processors put picture tokens before left padding). This module moves all padding to
the left and removes columns that are padding in every row. The last position of each row is then a
real one and real positions are adjacent (T5 uses the distances between them), so the result of a
row does not depend on the other rows of the batch.

Shapes: B rows, P positions, D width of the model.
"""

from typing import Any, NamedTuple

import torch


class Prefix(NamedTuple):
    """Right-aligned prefixes: `embeds` [B, P, D], `mask` [B, P] of 0 and 1 (int64)."""

    embeds: Any
    mask: Any

    @property
    def lengths(self) -> Any:
        """The number of real positions of each row [B]."""
        return self.mask.sum(1)

    @property
    def position_ids(self) -> Any:
        """Position ids [B, P]: real positions count from 0, padding has 0."""
        return (self.mask.cumsum(1) - 1).clamp(min=0)

    def rows(self, start: int, stop: int) -> "Prefix":
        """Return the selected rows, without columns that none of them needs."""
        return align(self.embeds[start:stop], self.mask[start:stop])


def align(inputs_embeds: Any, attention_mask: Any) -> Prefix:
    """Move the padding of each row to the left and remove columns that are padding in every row.

    Raises ValueError if the shapes do not agree or a row has no real position.
    """
    if inputs_embeds.ndim != 3 or attention_mask.shape != inputs_embeds.shape[:2]:
        raise ValueError(
            f"inputs_embeds {tuple(inputs_embeds.shape)} and attention_mask "
            f"{tuple(attention_mask.shape)} do not agree: "
            "[rows, positions, width] and [rows, positions] are needed"
        )
    mask = attention_mask.to(inputs_embeds.device).ne(0).long()
    lengths = mask.sum(1)
    if not len(lengths) or int(lengths.min()) == 0:
        raise ValueError("every row of a prefix needs at least one position that is no padding")
    order = torch.argsort(mask, dim=1, stable=True)[:, -int(lengths.max()) :]
    aligned = mask.gather(1, order)
    embeds = inputs_embeds.gather(1, order[:, :, None].expand(-1, -1, inputs_embeds.shape[2]))
    return Prefix(embeds.masked_fill(aligned.eq(0)[:, :, None], 0), aligned)
