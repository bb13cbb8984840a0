"""The vision tower is taught on what is true of generated scenes, cell by cell.

A picture of 48 pixels has nine patches, and they are the nine cells of the twins. From what the
tower says of a patch, linear heads must tell the colour, shape and size of the thing there (or that
there is none), which cell it is, the background, and the colour and word of a sign. The heads are
thrown away. The scenes are of a family of their own and never show a reserved combination.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import InstructBlipVisionModel

from instructify.twins.painter import pixels
from instructify.twins.world import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    SHAPES,
    SIGN_WORDS,
    SIZES,
    Scene,
    scene,
    sign_scene,
)
from train.presets import CLIP_MEAN, CLIP_STD
from train.schooling import teach
from train.twin_text import FAMILY

BATCH = 64
RATE = 3e-3
SIGNS_EVERY = 5  # one scene in five has printed signs
_EXAM = 1_000_000_000  # scenes from here on are never taught
NONE = 0


class Head(NamedTuple):
    """What a head tells of a cell, and between how many values it chooses."""

    name: str
    size: int


HEADS = (
    Head("colour", 1 + len(COLOURS)),
    Head("shape", 1 + len(SHAPES)),
    Head("size", 1 + len(SIZES)),
    Head("place", len(CELLS)),
    Head("background", len(BACKGROUNDS)),
    Head("sign colour", 1 + len(COLOURS)),
    Head("sign word", 1 + len(SIGN_WORDS)),
)


class Sight(NamedTuple):
    """How well held-out scenes are seen, as parts of one.

    `heads` is over all cells, but for `sign word` and `sign colour`, which are over those of signs;
    `things` is the share of things whose colour, shape and size are all right.
    """

    things: float
    heads: dict[str, float]


def teach_vision(
    tower: InstructBlipVisionModel,
    *,
    steps: int,
    seed: int,
    told: Callable[[int, float], None],
) -> Sight:
    """Teach the tower in place and examine it; `told(step, loss)` hears of each step."""
    heads = nn.Linear(tower.config.hidden_size, sum(head.size for head in HEADS))

    def loss_of(step: int) -> torch.Tensor:
        pictures, labels = _batch(seed, step * BATCH, BATCH)
        logits = _logits(tower, heads, pictures)
        parts = [
            functional.cross_entropy(one.flatten(0, 1), labels[..., number].flatten())
            for number, one in enumerate(logits)
        ]
        return torch.stack(parts).sum()

    tower.train()
    teach([*tower.parameters(), *heads.parameters()], loss_of, steps=steps, rate=RATE, told=told)
    tower.eval()
    return _examine(tower, heads, seed)


def truth_of_cells(shown: Scene) -> np.ndarray:
    """Give what each head should say of each of the nine cells: [9, heads], 0 for nothing there."""
    told = np.zeros((len(CELLS), len(HEADS)), np.int64)
    told[:, 3] = np.arange(len(CELLS))
    told[:, 4] = BACKGROUNDS.index(shown.background)
    for thing in shown.things:
        told[CELLS.index((thing.row, thing.column)), :3] = (
            1 + COLOURS.index(thing.colour),
            1 + SHAPES.index(thing.shape),
            1 + SIZES.index(thing.size),
        )
    for sign in shown.signs:
        told[3 * sign.row : 3 * sign.row + 3, 5] = 1 + COLOURS.index(sign.colour or "")
        told[3 * sign.row : 3 * sign.row + 3, 6] = 1 + SIGN_WORDS.index(sign.text)
    return told


def as_input(scenes: Sequence[Scene], size: int = 48) -> torch.Tensor:
    """Paint scenes and normalise them as the presets' processor does: [B, 3, size, size]."""
    painted = torch.from_numpy(np.stack([pixels(one, size) for one in scenes]))
    mean, deviation = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return ((painted / 255 - mean) / deviation).permute(0, 3, 1, 2)


def _batch(seed: int, first: int, num: int) -> tuple[torch.Tensor, torch.Tensor]:
    scenes = []
    for index in range(first, first + num):
        draw = sign_scene if index % SIGNS_EVERY == 0 else scene
        scenes.append(draw(seed, FAMILY, index, held_out=False))
    labels = torch.from_numpy(np.stack([truth_of_cells(one) for one in scenes]))
    return as_input(scenes), labels


def _logits(
    tower: InstructBlipVisionModel, heads: nn.Linear, pictures: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Let each head judge each patch: [B, 9, values of the head]."""
    patches = tower(pictures).last_hidden_state[:, 1:]
    split: tuple[torch.Tensor, ...] = heads(patches).split([head.size for head in HEADS], dim=-1)
    return split


def _examine(tower: InstructBlipVisionModel, heads: nn.Linear, seed: int, num: int = 256) -> Sight:
    pictures, labels = _batch(seed, _EXAM, num)
    with torch.no_grad():
        said = torch.stack([one.argmax(-1) for one in _logits(tower, heads, pictures)], dim=-1)
    right = said == labels
    is_thing, is_sign = labels[..., 0] != NONE, labels[..., 6] != NONE
    shares = {}
    for number, head in enumerate(HEADS):
        one = right[..., number]
        shares[head.name] = (one[is_sign] if head.name.startswith("sign") else one).float().mean()
    things = right[..., :3].all(-1)[is_thing].float().mean().item()
    return Sight(things, {name: share.item() for name, share in shares.items()})
