"""References to things in a scene: words that fit exactly one thing, and sets that can be counted.

A reference is a noun phrase without article that fits one thing only: `big circle`, `red thing`.
"""

from collections import Counter
from collections.abc import Callable
from typing import Literal, NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.language import PLURALS, name, place
from instructify.twins.world import COLOURS, SHAPES, SIZES, Scene, Thing, allowed_pairs

Secret = Literal["colour", "shape", "size", "place"]


class Reference(NamedTuple):
    """A phrase and the one thing that it fits; `by_place`: the phrase is nothing but a place."""

    text: str
    thing: Thing
    by_place: bool = False


class Counted(NamedTuple):
    """A plural noun phrase and how many things of the scene it fits."""

    noun: str
    num: int


# Ways to speak of a thing, by what the question must not give away.
_WAYS: dict[Secret, tuple[Callable[[Thing], str], ...]] = {
    "colour": (lambda t: t.shape, lambda t: f"{t.size} {t.shape}"),
    "shape": (lambda t: f"{t.colour} thing", lambda t: f"{t.size} {t.colour} thing"),
    "size": (lambda t: t.shape, lambda t: f"{t.colour} thing", name),
    "place": (lambda t: t.shape, lambda t: f"{t.colour} thing", name),
}


class View:
    """Look-ups over one scene, made once and shared by all its questions."""

    __slots__ = ("colours", "nouns", "scene", "shapes", "things")

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.things = scene.things
        self.colours = Counter([thing.colour for thing in scene.things])
        self.shapes = Counter([thing.shape for thing in scene.things])
        self.nouns: dict[Secret, list[Reference]] = {}

    def references(self, secret: Secret) -> list[Reference]:
        """List the phrases that pick out one thing without telling the secret."""
        known = self.nouns.get(secret)
        if known is None:
            known = self.nouns[secret] = self._references(secret)
        return known

    def refer(self, dice: Dice, secret: Secret) -> Reference | None:
        """Draw a thing, then one of its phrases; None where no thing can be picked out."""
        known = self.references(secret)
        if not known:
            return None
        chosen = dice.pick(self.things)
        mine = [reference for reference in known if reference.thing is chosen]
        return dice.pick(mine) if mine else None

    def by_shape(self) -> list[Thing]:
        """List the things whose shape no other has."""
        return [thing for thing in self.things if self.shapes[thing.shape] == 1]

    def by_colour(self) -> list[Thing]:
        """List the things whose colour no other has."""
        return [thing for thing in self.things if self.colours[thing.colour] == 1]

    def countables(self) -> list[Counted]:
        """List what can be counted, absent shapes, colours and sizes included."""
        sizes = Counter([thing.size for thing in self.things])
        return [
            Counted("things", len(self.things)),
            *(Counted(PLURALS[shape], self.shapes[shape]) for shape in SHAPES),
            *(Counted(f"{colour} things", self.colours[colour]) for colour in COLOURS),
            *(Counted(f"{size} things", sizes[size]) for size in SIZES),
        ]

    def possible_colours(self, shape: str) -> list[str]:
        """List the colours that a thing of this shape may have in scenes of this role."""
        pairs = allowed_pairs(self.scene.held_out)
        return [pair.colour for pair in pairs if pair.shape == shape]

    def possible_shapes(self, colour: str) -> list[str]:
        """List the shapes that a thing of this colour may have in scenes of this role."""
        pairs = allowed_pairs(self.scene.held_out)
        return [pair.shape for pair in pairs if pair.colour == colour]

    def _references(self, secret: Secret) -> list[Reference]:
        references = []
        for way in _WAYS[secret]:
            texts = [way(thing) for thing in self.things]
            references += [
                Reference(text, thing)
                for text, thing in zip(texts, self.things, strict=True)
                if texts.count(text) == 1
            ]
        if secret != "place":
            references += [Reference(f"thing in the {place(t)}", t, True) for t in self.things]
        return references
