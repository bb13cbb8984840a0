"""Statements about two things that are true or false with equal chance (VSR), and memes.

A meme's label is a harmless stand-in for hatefulness: 1 when the printed text contradicts the
picture, 0 when it fits. Every text is printed on as many fitting as contradicting pictures, so
that neither the text nor the picture alone tells the label.
"""

from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.language import a, name
from instructify.twins.perception import lies
from instructify.twins.world import (
    ALL_PAIRS,
    BACKGROUNDS,
    SIZES,
    Pair,
    Scene,
    Sign,
    Thing,
    draw_tint,
)

# What a statement says, and the direction that it means.
RELATIONS = {
    "left of": "to the left of",
    "right of": "to the right of",
    "at the left side of": "to the left of",
    "at the right side of": "to the right of",
    "above": "above",
    "over": "above",
    "below": "below",
    "under": "below",
}
# Short, so that the longest colour still fits beside it.
_OPENINGS = ("a", "my", "one", "the", "no")


class Statement(NamedTuple):
    """A sentence on the place of two things, whether it is true, and the relation's name."""

    text: str
    truth: bool
    relation: str


class Meme(NamedTuple):
    """A picture with text printed in its top and bottom rows; `text` is what is printed."""

    scene: Scene
    text: str
    label: int


def statement(scene: Scene, dice: Dice) -> Statement | None:
    """State something about two things; None where no two things can be told apart.

    Draw the scene with `least=2`; then None is rare, and the caller goes on to the next index.
    """
    names = [name(thing) for thing in scene.things]
    single = [thing for thing in scene.things if names.count(name(thing)) == 1]
    if len(single) < 2:
        return None
    subject, other = dice.some(single, 2)
    truth = dice.chance(0.5)
    first, second = (subject, other) if truth else (other, subject)
    fitting = [word for word, direction in RELATIONS.items() if lies(first, direction, second)]
    relation = dice.pick(fitting)
    return Statement(f"The {name(subject)} is {relation} the {name(other)}.", truth, relation)


def meme(seed: int, index: int | str) -> Meme:
    """Draw a meme of the held-out world: text first, then label, then a picture that has it."""
    dice = Dice("meme", seed, index)
    meant = dice.pick(ALL_PAIRS)
    opening = dice.pick(_OPENINGS)
    label = dice.below(2)
    present = (label == 0) != (opening == "no")
    top = a(meant.colour) if opening == "a" else f"{opening} {meant.colour}"
    shown = Scene(
        key=f"meme/{index}/{seed}",
        things=_middle_row(dice, meant, present),
        signs=(Sign(top, None, 0), Sign(meant.shape, None, 2)),
        background=dice.pick(BACKGROUNDS),
        held_out=True,
    )
    return Meme(shown, f"{top} {meant.shape}", label)


def _middle_row(dice: Dice, meant: Pair, present: bool) -> tuple[Thing, ...]:
    """Place one or two things of which one is the thing meant, or none."""
    others = [pair for pair in ALL_PAIRS if pair != meant]
    # Near misses share one attribute with the thing meant, so that both must be looked at.
    near = [p for p in others if p.colour == meant.colour or p.shape == meant.shape]
    pairs = [meant if present else dice.pick(near), dice.pick(others)][: 1 + dice.below(2)]
    columns = dice.some((0, 1, 2), len(pairs))
    things = [
        Thing(pair.colour, pair.shape, dice.pick(SIZES), 1, column, tint=draw_tint(dice))
        for pair, column in zip(pairs, columns, strict=True)
    ]
    return tuple(sorted(things, key=lambda thing: thing.column))
