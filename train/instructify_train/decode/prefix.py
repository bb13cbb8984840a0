"""Prefixes of a batch, aligned at their ends.

A prefix comes as `inputs_embeds` and `attention_mask` with padding left, right or in the middle
(processors put picture tokens before left padding). Here padding goes to the left, so that the last
position is every row's last real one, real positions are neighbours (T5 measures distances between
them) and columns that no row needs are gone: what a row gets does not depend on its neighbours.

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
        """Positions that count real ones from 0 [B, P]; padding has 0."""
        return (self.mask.cumsum(1) - 1).clamp(min=0)

    def rows(self, start: int, stop: int) -> "Prefix":
        """Return some of the rows, aligned anew."""
        return align(self.embeds[start:stop], self.mask[start:stop])


def align(inputs_embeds: Any, attention_mask: Any) -> Prefix:
    """Move the padding of each row to its left and cut what no row needs.

    Raises ValueError for shapes that do not agree and for a row without a real position.
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
