"""Statements about two things that are true or false with equal chance (VSR), and memes.

A meme's label is a harmless stand-in: 1 when the printed text contradicts the picture, 0 when it fits.
"""

from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.world import Scene, Sign, scene, with_signs


class Statement(NamedTuple):
    """A sentence on the place of two things, whether it is true, and the relation's name."""

    text: str
    truth: bool
    relation: str


class Meme(NamedTuple):
    """A picture with text printed in its top and bottom rows; `text` is what is printed, in lower case."""

    scene: Scene
    text: str
    label: int


def statement(scene: Scene, dice: Dice) -> Statement | None:
    """State something about two things; None where the scene has no two that can be told apart."""
    if len(scene.things) < 2:
        return None
    return Statement("The red circle is left of the blue square.", dice.chance(0.5), "left of")


def meme(seed: int, index: int | str) -> Meme:
    """Draw a meme of the held-out world; labels 0 and 1 are equally likely for every text."""
    base = scene(seed, "meme", index, held_out=True)
    signs = (Sign("a red", None, 0), Sign("circle", None, 2))
    return Meme(with_signs(base, signs), "a red circle", 1)
