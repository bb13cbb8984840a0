"""The generated world: coloured shapes on a grid of three by three cells, sometimes with signs.

A scene is a pure function of (seed, family, index, held_out). Some pairs of colour and shape are
reserved: scenes with `held_out=False` never show one, scenes with `held_out=True` draw from all
pairs equally. Attributes are drawn uniformly, so that no attribute predicts another. This module
neither draws pictures nor writes texts.
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from instructify.twins.dice import Dice

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("circle", "square", "triangle", "cross", "diamond")
SIZES = ("small", "big")
SIDES = {"small": 7, "big": 12}  # in 1/48 of the picture; a cell has 16
BACKGROUNDS = ("night", "fog", "snow", "sand")
MOST_THINGS = 4
MOST_TINT = 16
CELLS = tuple(product(range(3), range(3)))
SIGN_WORDS = (
    *(
        "open",
        "stop",
        "exit",
        "sale",
        "cafe",
        "taxi",
        "bank",
        "hotel",
        "milk",
        "rice",
        "soup",
        "tea",
    ),
    *(
        "park",
        "zoo",
        "bus",
        "toys",
        "books",
        "fish",
        "bread",
        "gold",
        "north",
        "south",
        "east",
        "west",
    ),
)  # short enough to be printed across a picture of 48 pixels


class Pair(NamedTuple):
    """A colour and a shape: the combination that is seen or reserved."""

    colour: str
    shape: str


class Tint(NamedTuple):
    """How far a thing's red, green and blue are off its colour's, of 255."""

    red: int = 0
    green: int = 0
    blue: int = 0


class Thing(NamedTuple):
    """One object; `row` and `column` count cells from the top left.

    `dx`, `dy` shift it and `side` measures it in 1/48 of the picture; `side` 0: as its size says.
    """

    colour: str
    shape: str
    size: str
    row: int
    column: int
    dx: int = 0
    dy: int = 0
    side: int = 0
    tint: Tint = Tint()

    @property
    def pair(self) -> Pair:
        """Name the combination that may be reserved for held-out sets."""
        return Pair(self.colour, self.shape)


class Sign(NamedTuple):
    """A printed text on a plate that fills one row of cells; colour None: on the background.

    A sign is no thing: nothing counts it or takes its colour for a thing's.
    """

    text: str
    colour: str | None
    row: int


class Box(NamedTuple):
    """A place in the picture: left, top, width, height as parts of the whole (0 to 1)."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """All that is true of one picture; `key` seeds the noise that sets its pixels apart."""

    key: str
    things: tuple[Thing, ...]
    signs: tuple[Sign, ...] = ()
    background: str
    held_out: bool

    @property
    def novel(self) -> bool:
        """Whether the scene has a combination that scenes of held-in datasets never have."""
        pairs = any(thing.pair in RESERVED_PAIRS for thing in self.things)
        return pairs or any(is_reserved_sign(sign.text, sign.colour) for sign in self.signs)


ALL_PAIRS = tuple(Pair(*pair) for pair in product(COLOURS, SHAPES))
# One pair a shape. More would hardly let a small model learn that colour and shape are two things.
RESERVED_PAIRS = frozenset(map(Pair, COLOURS, SHAPES))
SEEN_PAIRS = tuple(pair for pair in ALL_PAIRS if pair not in RESERVED_PAIRS)


def is_reserved_sign(text: str, colour: str | None) -> bool:
    """Whether scenes of held-in datasets never have this word on a plate of this colour."""
    if colour is None or text not in SIGN_WORDS:
        return False
    return (SIGN_WORDS.index(text) + COLOURS.index(colour)) % len(COLOURS) == 0


def allowed_pairs(held_out: bool) -> tuple[Pair, ...]:
    """List the combinations that scenes of this role are drawn from, all equally likely."""
    return ALL_PAIRS if held_out else SEEN_PAIRS


def scene(seed: int, family: str, index: int | str, *, held_out: bool, least: int = 1) -> Scene:
    """Draw the scene of a picture: `least` to four things, no text.

    A family that serves held-in and held-out sets must give them different indices, since the
    role is part of the key.
    """
    dice = _dice(seed, "plain", family, index, held_out)
    num = least + dice.below(MOST_THINGS + 1 - least)
    return Scene(
        key=_key("plain", family, index, held_out, seed),
        things=_things(dice, num, CELLS, held_out),
        background=dice.pick(BACKGROUNDS),
        held_out=held_out,
    )


def sign_scene(seed: int, family: str, index: int | str, *, held_out: bool) -> Scene:
    """Draw a scene with one or two signs, unlike in word and colour, and one to three things."""
    dice = _dice(seed, "sign", family, index, held_out)
    rows = dice.shuffled((0, 1, 2))[: 1 + dice.below(2)]
    cells = [cell for cell in CELLS if cell[0] not in rows]
    return Scene(
        key=_key("sign", family, index, held_out, seed),
        things=_things(dice, 1 + dice.below(3), cells, held_out),
        signs=_signs(dice, rows, held_out),
        background=dice.pick(BACKGROUNDS),
        held_out=held_out,
    )


def row_scene(seed: int, family: str, index: int | str, *, held_out: bool) -> Scene:
    """Draw three things of different shapes in one row, as in an exercise about order."""
    dice = _dice(seed, "row", family, index, held_out)
    row = dice.below(3)
    things = []
    for column, shape in enumerate(dice.some(SHAPES, 3)):
        pair = dice.pick([pair for pair in allowed_pairs(held_out) if pair.shape == shape])
        things.append(_thing(dice, pair, row, column))
    return Scene(
        key=_key("row", family, index, held_out, seed),
        things=tuple(things),
        background=dice.pick(BACKGROUNDS),
        held_out=held_out,
    )


def draw_tint(dice: Dice) -> Tint:
    """Draw a shade: pictures where a colour is one fixed value teach shapes of that value only."""
    return Tint(*(dice.below(2 * MOST_TINT + 1) - MOST_TINT for _ in range(3)))


def single(thing: Thing, key: str, background: str = "snow", *, held_out: bool) -> Scene:
    """Put one thing alone in the middle, as the picture of a choice (IconQA's picture choices)."""
    middle = thing._replace(row=1, column=1, dx=0, dy=0)
    return Scene(key=key, things=(middle,), background=background, held_out=held_out)


def thing_box(thing: Thing) -> Box:
    """Tell where a thing lies; the painter draws from this very box."""
    side = thing.side or SIDES[thing.size]
    margin = (16 - side) // 2
    left = thing.column * 16 + margin + thing.dx
    top = thing.row * 16 + margin + thing.dy
    return Box(left / 48, top / 48, side / 48, side / 48)


def sign_box(sign: Sign) -> Box:
    """Tell where the plate of a sign lies."""
    return Box(0.0, (sign.row * 16 + 2) / 48, 1.0, 12 / 48)


def _dice(seed: int, variant: str, family: str, index: int | str, held_out: bool) -> Dice:
    return Dice("scene", seed, variant, family, index, int(held_out))


def _key(variant: str, family: str, index: int | str, held_out: bool, seed: int) -> str:
    return f"{variant}/{family}/{index}/{int(held_out)}/{seed}"


def _things(
    dice: Dice, num: int, cells: list[tuple[int, int]] | tuple[tuple[int, int], ...], held_out: bool
) -> tuple[Thing, ...]:
    """Place `num` things; half of the scenes repeat a colour or a shape, for something to count."""
    pairs = allowed_pairs(held_out)
    theme = dice.pick(pairs)
    habit = dice.below(4)  # 0: same colour, 1: same shape, else no theme
    places = sorted(dice.some(cells, num))
    things = []
    for row, column in places:
        pair = dice.pick(pairs)
        if habit < 2 and dice.chance(0.75):
            pair = dice.pick([other for other in pairs if other[habit] == theme[habit]])
        things.append(_thing(dice, pair, row, column))
    return tuple(things)


def _thing(dice: Dice, pair: Pair, row: int, column: int) -> Thing:
    size = dice.pick(SIZES)
    dx, dy = dice.below(3) - 1, dice.below(3) - 1
    return Thing(pair.colour, pair.shape, size, row, column, dx, dy, tint=draw_tint(dice))


def _signs(dice: Dice, rows: list[int], held_out: bool) -> tuple[Sign, ...]:
    words = dice.some(SIGN_WORDS, len(rows))
    free = list(COLOURS)
    signs = []
    for row, word in zip(sorted(rows), words, strict=True):
        colour = dice.pick([c for c in free if held_out or not is_reserved_sign(word, c)])
        free.remove(colour)
        signs.append(Sign(word, colour, row))
    return tuple(signs)
