"""Train the Q-Former to find what a question refers to, and evaluate it on other scenes.

InstructBLIP's Q-Former starts from BLIP-2, whose first stage trains it to match texts with
pictures. With random weights it would need far more samples than a tiny run has to learn that words
refer to things. Here its input is a question about a phrase (`big circle`, `thing above the
square`), worded by a template, and a generated scene. Linear heads predict from the mean of its
queries how many things the phrase fits, the colour, shape, size and place if it fits a single
thing, and always the background. The Q-Former sees no answer, and the heads are discarded. The
scenes come from the same generator as those of the towers; no twin shows them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from instructify.twins import (
    ALL_PLACES,
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    EXISTS,
    MOST_THINGS,
    OF_MANY,
    OF_ONE,
    PLURALS,
    SEEN_PAIRS,
    SHAPES,
    SIZES,
    Dice,
    Scene,
    Thing,
    a,
    lies,
    place,
    scene,
)
from instructify_train.tiny.presets import Loaded
from instructify_train.tiny.tower_training import fit_tower
from instructify_train.tiny.twin_pages import FAMILY
from instructify_train.tiny.twin_text import asked
from instructify_train.tiny.vision_tower import as_input

BATCH = 64  # scenes
PHRASES = 2  # a scene
RATE = 2e-3
_EXAM = 2_000_000_000  # scenes from here on are for evaluation only
_HERE_RATE = 0.75  # share of phrases about a thing in the scene
_IGNORED = -100
_HEADS = (1 + MOST_THINGS, *map(len, (COLOURS, SHAPES, SIZES, ALL_PLACES)), len(BACKGROUNDS))


class Phrase(NamedTuple):
    """Words without an article, the things of a scene that they fit, and a plural or None."""

    text: str
    fitting: tuple[Thing, ...]
    plural: str = ""


class Found(NamedTuple):
    """Accuracies on new scenes: the number of things, and all properties of a single thing."""

    number: float
    thing: float


def phrase(shown: Scene, dice: Dice) -> Phrase:
    """Draw a phrase that names things by their looks, by their place or by their neighbours."""
    kind = dice.below(8)
    if kind == 0:
        thing = dice.pick(shown.things)
        return Phrase(f"thing in the {place(thing)}", (thing,))
    if kind <= 2 and len(shown.things) > 1:
        return _beside(shown, dice)
    return _by_looks(shown, dice)


def ask(target: Phrase, dice: Dice) -> str:
    """Ask about a phrase with a question of the twins, and word it by a template."""
    if target.plural and dice.chance(0.4):
        return asked(dice.pick(OF_MANY).format(target.plural), dice)
    if len(target.fitting) != 1 or dice.chance(0.2):
        return asked(dice.pick(EXISTS).format(a(target.text)), dice)
    return asked(dice.pick(OF_ONE).format(target.text), dice)


def teach_grounding(
    loaded: Loaded, *, steps: int, seed: int, on_step: Callable[[int, float], None]
) -> Found:
    """Train Q-Former and queries in place and evaluate them; the towers are not changed."""
    model = loaded.model
    heads = nn.Linear(model.config.qformer_config.hidden_size, sum(_HEADS))
    taught = [*model.qformer.parameters(), model.query_tokens, *heads.parameters()]

    def loss_of(step: int) -> torch.Tensor:
        said, truth = _lesson(loaded, heads, seed, step * BATCH)
        losses = [
            functional.cross_entropy(logits, truth[:, at], ignore_index=_IGNORED)
            for at, logits in enumerate(said)
        ]
        return torch.stack(losses).sum()

    fit_tower(taught, loss_of, steps=steps, rate=RATE, on_step=on_step)
    return _examine(loaded, heads, seed)


def _lesson(
    loaded: Loaded, heads: nn.Module, seed: int, first: int
) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Return the logits of each head for a batch of phrases, and the targets [phrases, heads]."""
    scenes = [scene(seed, FAMILY, first + at, held_out=False) for at in range(BATCH)]
    drawn = [
        (scene_drawn, Dice("grounding", seed, first + at, number))
        for at, scene_drawn in enumerate(scenes)
        for number in range(PHRASES)
    ]
    phrases = [phrase(scene_drawn, dice) for scene_drawn, dice in drawn]
    texts = [ask(target, dice) for target, (_, dice) in zip(phrases, drawn, strict=True)]
    with torch.no_grad():
        seen = loaded.model.vision_model(as_input(scenes)).last_hidden_state
    hidden = _queries(loaded, seen.repeat_interleave(PHRASES, 0), texts)
    return heads(hidden.mean(1)).split(_HEADS, dim=-1), _truth(
        phrases, [shown for shown, _ in drawn]
    )


def _queries(loaded: Loaded, seen: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
    model = loaded.model
    words: Any = loaded.processor.qformer_tokenizer([*texts], padding=True, return_tensors="pt")
    queries = model.query_tokens.expand(len(texts), -1, -1)
    mask = torch.cat([words.attention_mask.new_ones(queries.shape[:2]), words.attention_mask], 1)
    hidden: torch.Tensor = model.qformer(
        input_ids=words.input_ids,
        attention_mask=mask,
        query_embeds=queries,
        encoder_hidden_states=seen,
    ).last_hidden_state
    return hidden[:, : queries.shape[1]]


def _truth(phrases: Sequence[Phrase], scenes: Sequence[Scene]) -> torch.Tensor:
    rows = []
    for target, shown in zip(phrases, scenes, strict=True):
        row = [len(target.fitting), *[_IGNORED] * 4, BACKGROUNDS.index(shown.background)]
        if len(target.fitting) == 1:
            (thing,) = target.fitting
            row[1:5] = [
                COLOURS.index(thing.colour),
                SHAPES.index(thing.shape),
                SIZES.index(thing.size),
                ALL_PLACES.index(place(thing)),
            ]
        rows.append(row)
    return torch.tensor(rows)


def _examine(loaded: Loaded, heads: nn.Module, seed: int, batches: int = 4) -> Found:
    numbers, things = [], []
    with torch.no_grad():
        for number in range(batches):
            said, truth = _lesson(loaded, heads, seed, _EXAM + number * BATCH)
            right = torch.stack([logits.argmax(-1) for logits in said], dim=1) == truth
            numbers.append(right[:, 0])
            things.append(right[truth[:, 0] == 1, 1:5].all(1))
    return Found(*(torch.cat(is_right).float().mean().item() for is_right in (numbers, things)))


def _by_looks(shown: Scene, dice: Dice) -> Phrase:
    """Name some of the size, colour and shape of a thing, whether it is in the scene or not."""
    likeness = dice.pick(shown.things)
    size, colour, shape = likeness.size, likeness.colour, likeness.shape
    if not dice.chance(_HERE_RATE):
        colour, shape = dice.pick(SEEN_PAIRS)
    which = dice.pick(((0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 0, 0)))
    fitting = tuple(
        thing
        for thing in shown.things
        if (not which[0] or thing.size == size)
        and (not which[1] or thing.colour == colour)
        and (not which[2] or thing.shape == shape)
    )
    words = [size] * which[0] + [colour] * which[1]
    many = [*words, PLURALS[shape] if which[2] else "things"]
    return Phrase(" ".join([*words, shape if which[2] else "thing"]), fitting, " ".join(many))


def _beside(shown: Scene, dice: Dice) -> Phrase:
    """Name the neighbour of a thing in a direction: any thing, or one of a shape or colour."""
    anchor, other = dice.some(shown.things, 2)
    direction = dice.pick(DIRECTIONS)
    by_shape = dice.chance(0.5)
    names = {thing: thing.shape if by_shape else f"{thing.colour} thing" for thing in shown.things}
    anchors = [thing for thing in shown.things if names[thing] == names[anchor]]
    noun = names[other] if dice.chance(0.5) else "thing"
    fitting = tuple(
        thing
        for thing in shown.things
        if noun in ("thing", names[thing])
        and any(lies(thing, direction, place_of) for place_of in anchors)
    )
    return Phrase(f"{noun} {direction} the {names[anchor]}", fitting)
