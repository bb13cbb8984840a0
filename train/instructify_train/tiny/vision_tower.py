"""Train the vision tower on facts about generated scenes, and evaluate it on other scenes.

A picture of 48 x 48 pixels has nine patches, which are the nine cells of the twins. Linear heads
predict the facts of a cell from the features of its patch, and those of the whole scene from the
class token (`scene_truth`). The heads are discarded. No twin shows these scenes, and they have no
reserved combination.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import InstructBlipVisionModel

from instructify.twins import Scene, pixels, scene, sign_scene
from instructify_train.tiny.presets import CLIP_MEAN, CLIP_STD
from instructify_train.tiny.scene_truth import (
    CELL_HEADS,
    COUNTED,
    NONE,
    NUM_AROUND,
    NUM_COUNTS,
    NUM_PAIRS,
    Truth,
    stacked,
)
from instructify_train.tiny.tower_training import fit_tower
from instructify_train.tiny.twin_pages import FAMILY

BATCH = 64
RATE = 3e-3
SIGNS_EVERY = 5  # one scene in five has printed signs
EXAM_SCENES = 256
_EXAM = 1_000_000_000  # scenes from here on are for evaluation only
# The heads of signs and surroundings are wide and mostly zero; these weights balance the heads.
_WEIGHTS = {"around": 4.0, "counts": 4.0, "pairs": 4.0}


class Sight(NamedTuple):
    """Accuracies on held-out scenes, from 0 to 1.

    `things` is the share of things whose colour, shape and size are all right. `heads` are over
    all cells, heads of signs over the cells of signs. `around` and `pairs` are over the targets
    that are 1, `counts` over all numbers.
    """

    things: float
    heads: dict[str, float]


class Said(NamedTuple):
    """Logits of all heads: [B, 9, values] for each cell head, and those of the rest of `Truth`."""

    cells: tuple[torch.Tensor, ...]
    around: torch.Tensor
    counts: torch.Tensor  # [B, counted, numbers]
    pairs: torch.Tensor


class Heads(nn.Module):
    """Linear heads over the patches and the class token of a tower."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells = nn.Linear(width, sum(head.size for head in CELL_HEADS))
        self.around = nn.Linear(width, NUM_AROUND)
        self.counts = nn.Linear(width, len(COUNTED) * NUM_COUNTS)
        self.pairs = nn.Linear(width, NUM_PAIRS)

    def forward(self, features_B1D: torch.Tensor) -> Said:
        whole, patches = features_B1D[:, 0], features_B1D[:, 1:]
        cells = self.cells(patches).split([head.size for head in CELL_HEADS], dim=-1)
        counts = self.counts(whole).unflatten(-1, (len(COUNTED), NUM_COUNTS))
        return Said(cells, self.around(patches), counts, self.pairs(whole))


def teach_vision(
    tower: InstructBlipVisionModel,
    *,
    steps: int,
    seed: int,
    on_step: Callable[[int, float], None],
) -> Sight:
    """Train the tower in place and evaluate it; `on_step(step, loss)` is called after each step."""
    heads = Heads(tower.config.hidden_size)

    def loss_of(step: int) -> torch.Tensor:
        scenes = _scenes(seed, step * BATCH, BATCH)
        return _loss(heads(tower(as_input(scenes)).last_hidden_state), stacked(scenes))

    tower.train()
    fit_tower(
        [*tower.parameters(), *heads.parameters()], loss_of, steps=steps, rate=RATE, on_step=on_step
    )
    tower.eval()
    return _examine(tower, heads, seed)


def as_input(scenes: Sequence[Scene], size: int = 48) -> torch.Tensor:
    """Paint scenes and normalise them as the processor of the presets does: [B, 3, size, size]."""
    painted = torch.from_numpy(np.stack([pixels(shown, size) for shown in scenes]))
    mean, deviation = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
    return ((painted / 255 - mean) / deviation).permute(0, 3, 1, 2)


def _scenes(seed: int, first: int, num: int) -> list[Scene]:
    scenes = []
    for index in range(first, first + num):
        draw = sign_scene if index % SIGNS_EVERY == 0 else scene
        scenes.append(draw(seed, FAMILY, index, held_out=False))
    return scenes


def _loss(said: Said, truth: Truth) -> torch.Tensor:
    """Sum the mean losses of all heads, over cells or over scenes."""
    cells = torch.from_numpy(truth.cells)
    parts = [
        functional.cross_entropy(logits.flatten(0, 1), cells[..., number].flatten())
        for number, logits in enumerate(said.cells)
    ]
    counts = functional.cross_entropy(
        said.counts.flatten(0, 1), torch.from_numpy(truth.counts).flatten()
    )
    judge = functional.binary_cross_entropy_with_logits
    parts += [
        _WEIGHTS["counts"] * counts,
        _WEIGHTS["around"] * judge(said.around, torch.from_numpy(truth.around)),
        _WEIGHTS["pairs"] * judge(said.pairs, torch.from_numpy(truth.pairs)),
    ]
    return torch.stack(parts).sum()


def _examine(tower: InstructBlipVisionModel, heads: Heads, seed: int) -> Sight:
    scenes = _scenes(seed, _EXAM, EXAM_SCENES)
    truth = stacked(scenes)
    cells = torch.from_numpy(truth.cells)
    with torch.no_grad():
        said = heads(tower(as_input(scenes)).last_hidden_state)
    right = torch.stack([cell.argmax(-1) for cell in said.cells], dim=-1) == cells
    is_thing, is_sign = cells[..., 0] != NONE, cells[..., 6] != NONE
    shares = {}
    for number, head in enumerate(CELL_HEADS):
        is_right = right[..., number]
        shares[head.name] = is_right[is_sign] if head.name.startswith("sign") else is_right
    shares["counts"] = said.counts.argmax(-1) == torch.from_numpy(truth.counts)
    shares["around"] = said.around[torch.from_numpy(truth.around == 1)] > 0
    shares["pairs"] = said.pairs[torch.from_numpy(truth.pairs == 1)] > 0
    things = right[..., :3].all(-1)[is_thing].float().mean().item()
    return Sight(things, {name: share.float().mean().item() for name, share in shares.items()})
