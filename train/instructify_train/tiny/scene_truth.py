"""Training targets of the vision tower for a generated scene, as numbers.

Targets of a cell: its thing, its position, the background, a sign across it, and the colours and
shapes to its left and right, above and below. Targets of the scene: the number of things of each
colour, shape and size, and the pairs of colour and shape that occur.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instructify.twins import (
    BACKGROUNDS,
    CELLS,
    COLOURS,
    MOST_THINGS,
    SEEN_PAIRS,
    SHAPES,
    SIGN_WORDS,
    SIZES,
    Scene,
)

NONE = 0


class Head(NamedTuple):
    """A property of a cell and its number of values; value 0 is `none` if none is possible."""

    name: str
    size: int


CELL_HEADS = (
    Head("colour", 1 + len(COLOURS)),
    Head("shape", 1 + len(SHAPES)),
    Head("size", 1 + len(SIZES)),
    Head("place", len(CELLS)),
    Head("background", len(BACKGROUNDS)),
    Head("sign colour", 1 + len(COLOURS)),
    Head("sign word", 1 + len(SIGN_WORDS)),
)
LOOKS = (*COLOURS, *SHAPES)
NUM_DIRECTIONS = 4
NUM_AROUND = NUM_DIRECTIONS * len(LOOKS)
COUNTED = (*LOOKS, *SIZES, "things")
NUM_COUNTS = 1 + MOST_THINGS
NUM_PAIRS = len(SEEN_PAIRS)


class Truth(NamedTuple):
    """Targets of one scene or, with one more dimension in front, of several.

    `cells` [9, cell heads] are indices of values. `around` [9, directions * looks] is 1 if a thing
    of that colour or shape lies in that direction. `counts` [counted] are numbers of things.
    `pairs` [pairs] is 1 if the scene has a thing of that colour and shape.
    """

    cells: npt.NDArray[np.int64]
    around: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.float32]


def truth_of(scene: Scene) -> Truth:
    """Compute the targets of a scene."""
    counts = np.zeros(len(COUNTED), np.int64)
    pairs = np.zeros(NUM_PAIRS, np.float32)
    for thing in scene.things:
        for look in (thing.colour, thing.shape, thing.size, "things"):
            counts[COUNTED.index(look)] += 1
        pairs[SEEN_PAIRS.index(thing.pair)] = 1
    return Truth(_cells(scene), _around(scene), counts, pairs)


def stacked(scenes: list[Scene]) -> Truth:
    """Compute the targets of several scenes."""
    return Truth(*(np.stack(parts) for parts in zip(*map(truth_of, scenes), strict=True)))


def _cells(scene: Scene) -> npt.NDArray[np.int64]:
    cells = np.zeros((len(CELLS), len(CELL_HEADS)), np.int64)
    cells[:, 3] = np.arange(len(CELLS))
    cells[:, 4] = BACKGROUNDS.index(scene.background)
    for thing in scene.things:
        cells[CELLS.index((thing.row, thing.column)), :3] = (
            1 + COLOURS.index(thing.colour),
            1 + SHAPES.index(thing.shape),
            1 + SIZES.index(thing.size),
        )
    for sign in scene.signs:
        row = slice(3 * sign.row, 3 * sign.row + 3)
        cells[row, 5] = 1 + COLOURS.index(sign.colour) if sign.colour else NONE
        cells[row, 6] = 1 + SIGN_WORDS.index(sign.text)
    return cells


def _around(scene: Scene) -> npt.NDArray[np.float32]:
    around = np.zeros((len(CELLS), NUM_DIRECTIONS, len(LOOKS)), np.float32)
    for number, (row, column) in enumerate(CELLS):
        for thing in scene.things:
            lies = (thing.column < column, thing.column > column, thing.row < row, thing.row > row)
            for direction in np.flatnonzero(lies):
                around[number, direction, LOOKS.index(thing.colour)] = 1
                around[number, direction, LOOKS.index(thing.shape)] = 1
    return around.reshape(len(CELLS), NUM_AROUND)
