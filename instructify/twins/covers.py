"""Book covers: title, author, year and an emblem printed on one picture, with OCR-VQA's five questions.

The emblem's shape tells the genre, so that the genre must be seen.
"""

from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.world import Scene, Sign, Thing

GENRES = {
    "circle": "Sports",
    "square": "Cooking",
    "triangle": "Travel",
    "cross": "Medicine",
    "diamond": "History",
}


class CoverQA(NamedTuple):
    """One of OCR-VQA's questions; its answers begin with capitals."""

    question: str
    answer: str


class Cover(NamedTuple):
    """A cover as painted; `author` may be empty, `year` is printed where it is not None."""

    scene: Scene
    title: str
    author: str
    genre: str
    year: int | None
    questions: tuple[CoverQA, ...]
    words: tuple[str, ...]


def cover(seed: int, index: int | str, *, held_out: bool = False) -> Cover:
    """Draw a cover with its questions; `words` are the printed words in reading order (OCR tokens)."""
    dice = Dice("cover", seed, index, int(held_out))
    shape = dice.pick(tuple(GENRES))
    emblem = Thing("red", shape, "big", 1, 1)
    shown = Scene(
        key=f"cover/{index}/{seed}",
        things=(emblem,),
        signs=(Sign("old river", None, 0), Sign("ann bell", None, 2)),
        background="snow",
        held_out=held_out,
    )
    asked = (
        CoverQA("Who wrote this book?", "Ann Bell"),
        CoverQA("What type of book is this?", GENRES[shape]),
    )
    return Cover(
        shown, "Old River", "Ann Bell", GENRES[shape], None, asked, ("old", "river", "ann", "bell")
    )
