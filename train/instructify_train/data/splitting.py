"""Split a pass that ran out of memory into smaller passes over the same samples."""

from typing import Any

import torch

from instructify.mixture import cut
from instructify_train.data.steps import Encode, Pass
from instructify_train.model import rows_of


def split_pass(pass_: Pass, parts: int, *, encodes_anew: bool = False) -> list[Pass]:
    """Split a pass into `parts`; if it has fewer samples, the remaining parts have no weight.

    The first part encodes the pictures of the whole pass. If the tower is trained, each part
    encodes its own pictures.
    """
    smaller = []
    for number in range(parts):
        span = cut(len(pass_.samples), parts, number)
        counts = pass_.counts and len(span) > 0
        rows = span if len(span) else range(1)
        micro = rows_of(pass_.micro, rows.start, rows.stop)
        used, local = torch.unique(micro.frame_feature_F, return_inverse=True)
        frames = tuple(pass_.frames[at] for at in used.tolist())
        encode = pass_.encode if number == 0 else []
        if encodes_anew:
            encode = [_some(group, frames) for group in pass_.encode]
        weights_B = pass_.weights_B[rows.start : rows.stop]
        smaller.append(
            pass_._replace(
                encode=encode,
                micro=micro.showing(local),
                frames=frames,
                samples=pass_.samples[rows.start : rows.stop],
                weights_B=weights_B if counts else torch.zeros_like(weights_B),
                cut=pass_.cut if number == 0 else (0, 0, 0),
                most=-(-pass_.most // parts),
                counts=counts,
            )
        )
    return smaller


def _some(group: Encode, frames: tuple[int, ...]) -> Encode:
    """Select the frames of a group that are used."""
    pictured = [frame for frame in group.frames if frame not in group.features]
    rows = [at for at, frame in enumerate(pictured) if frame in frames]
    kept: dict[str, Any] = {
        "features": {at: feature for at, feature in group.features.items() if at in frames},
        "keep": {at: name for at, name in group.keep.items() if at in frames},
    }
    return group._replace(
        frames=tuple(frame for frame in group.frames if frame in frames),
        pixels_P3HW=group.pixels_P3HW[rows],
        **kept,
    )
