"""What the tests of training share: tiny models, samples laid out by hand, small runs."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instructify_train.config import ModelConfig
from instructify_train.model.collation import Micro, collate
from instructify_train.model.forward import InstructBlip
from instructify_train.model.parts import choose_trained
from instructify_train.model.tokens import Limits, SampleTokens, Tokens
from instructify_train.tiny.presets import build_preset

FAMILIES = ("tiny-llama", "tiny-t5")
QUESTIONS = ("what color is the square?", "is there a circle? answer yes or no.", "how many?")
ANSWERS = ("red", "yes", "two small crosses and a big one")


class Case(NamedTuple):
    """A model, and three samples of unlike lengths about two pictures."""

    model: InstructBlip
    processor: Any
    tokens: list[Tokens]
    micro: Micro
    pixels: torch.Tensor  # uint8, [2, 3, 48, 48]
    shown: list[list[int]]


@functools.cache
def preset(name: str) -> Any:
    """Build a preset once; whoever changes it takes `fresh`."""
    return build_preset(name, seed=1)


def fresh(name: str, *, train: Sequence[str] = ("norm", "qformer", "projection")) -> InstructBlip:
    """Build a model with these parts trained, in 32 bits."""
    model = build_preset(name, seed=1).model
    choose_trained(model, ModelConfig(name=name, train=tuple(train)))
    inner = InstructBlip(model, tower_is_frozen="vision" not in train)
    picture = preset(name).processor.image_processor
    inner.set_pixels(list(picture.image_mean), list(picture.image_std))
    inner.eval()
    return inner


def case(name: str, *, train: Sequence[str] = ("norm", "qformer", "projection")) -> Case:
    """Make a model with a batch."""
    model = fresh(name, train=train)
    processor = preset(name).processor
    tokens = SampleTokens(processor, Limits()).encode(QUESTIONS, ANSWERS)
    shown = [[0], [1], [0]]
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 3, 48, 48), generator=generator, dtype=torch.uint8)
    return Case(model, processor, tokens, collate(tokens, shown, model.layout), pixels, shown)


def write_recipe(path: Path, text: str) -> Path:
    """Write a recipe file."""
    path.write_text(text, encoding="utf-8")
    return path
