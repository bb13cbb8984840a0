"""Book covers: title, author or year, and an emblem on one picture, with OCR-VQA's questions.

The shape of the emblem gives the genre, so a model has to see it to know the genre; a printed year
instead of an author marks a calendar. Every question can be answered from the cover.
"""

from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.world import (
    BACKGROUNDS,
    COLOURS,
    SIZES,
    Scene,
    Sign,
    Thing,
    allowed_pairs,
    draw_tint,
)

GENRES = {
    "circle": "Sports",
    "square": "Cooking",
    "triangle": "Travel",
    "cross": "Medicine",
    "diamond": "History",
}
CALENDARS = "Calendars"
_ALL_GENRES = (*GENRES.values(), CALENDARS)
# Title and author fit into eleven letters, the width of the picture.
_FIRST = ("old", "new", "long", "wild", "quiet", "lost", "deep", "happy", "cold", "warm")
_SECOND = ("river", "house", "road", "story", "days", "sea", "hill", "tree", "games", "light")
_GIVEN = ("ann", "tom", "sam", "eva", "leo", "mia", "ben", "zoe", "max", "ida")
_FAMILY = ("bell", "stone", "woods", "lake", "fox", "hall", "king", "park", "reed", "west")
_AUTHOR = ("Who wrote this book?", "Who is the author of this book?")
_TITLE = ("What is the title of this book?", "What is the name of this book?")
_GENRE = ("What type of book is this?", "What is the genre of this book?")
_IS_GENRE = ("Is this a {} book?", "Is this book about {}?", "Is this a book on {}?")
_YEAR = "What is the year printed on this calendar?"


class CoverQA(NamedTuple):
    """One of OCR-VQA's questions; its answers begin with capitals."""

    question: str
    answer: str


class Cover(NamedTuple):
    """A cover as painted; a calendar has no author ("") but a year.

    `words` are the printed words in reading order, as an OCR system would give them.
    """

    scene: Scene
    title: str
    author: str
    genre: str
    year: int | None
    questions: tuple[CoverQA, ...]
    words: tuple[str, ...]


def cover(seed: int, index: int | str, *, held_out: bool = False) -> Cover:
    """Draw a cover with its three to five questions."""
    dice = Dice("cover", seed, index, int(held_out))
    title = f"{dice.pick(_FIRST)} {dice.pick(_SECOND)}"
    year = 1990 + dice.below(40) if dice.below(6) == 0 else None
    author = "" if year else f"{dice.pick(_GIVEN)} {dice.pick(_FAMILY)}"
    pair = dice.pick(allowed_pairs(held_out))
    genre = CALENDARS if year else GENRES[pair.shape]
    foot = str(year) if year else author
    plates = dice.some([colour for colour in COLOURS if colour != pair.colour], 2)
    emblem = Thing(
        pair.colour, pair.shape, dice.pick(SIZES), 1, dice.below(3), tint=draw_tint(dice)
    )
    shown = Scene(
        key=f"cover/{index}/{int(held_out)}/{seed}",
        things=(emblem,),
        signs=(Sign(title, plates[0], 0), Sign(foot, plates[1] if dice.below(2) else None, 2)),
        background=dice.pick(BACKGROUNDS),
        held_out=held_out,
    )
    questions = _questions(dice, title.title(), author.title(), genre, year)
    words = (*title.split(), *foot.split())
    return Cover(shown, title.title(), author.title(), genre, year, questions, words)


def _questions(
    dice: Dice, title: str, author: str, genre: str, year: int | None
) -> tuple[CoverQA, ...]:
    questions = [CoverQA(dice.pick(_AUTHOR), author)] if author else []
    questions += [CoverQA(dice.pick(_TITLE), title), CoverQA(dice.pick(_GENRE), genre)]
    # The genre asked for is drawn alike for both answers, else the rarer one would tell "No".
    yes = dice.chance(0.5)
    claim = genre if yes else dice.pick([other for other in _ALL_GENRES if other != genre])
    questions.append(CoverQA(dice.pick(_IS_GENRE).format(claim.lower()), "Yes" if yes else "No"))
    if year:
        questions.append(CoverQA(_YEAR, str(year)))
    return tuple(questions)
