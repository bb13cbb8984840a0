"""Code that the writers of the held-out releases share: sizes, typing errors, names of videos.

The split that the paper evaluates is the largest. Everything is a pure function of the request and
the dice; this module writes nothing.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from xxhash import xxh3_128_intdigest

from instructify.twins.dice import Dice
from instructify.twins.layout import TwinRequest

NUM_EVALUATED, NUM_OTHER = 40, 10
_YOUTUBE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_PUNCTUATION = re.compile(r"([.,?#])")


class Given(NamedTuple):
    """An answer of one person and how sure they are."""

    answer: str
    confidence: str


def num_evaluated(request: TwinRequest) -> int:
    """Count the pictures of the split that the paper evaluates."""
    return request.num(NUM_EVALUATED)


def num_other(request: TwinRequest) -> int:
    """Count the pictures of any other split."""
    return request.num(NUM_OTHER)


def untidy(caption: str, dice: Dice) -> str:
    """Type a caption as people do: now and then a blank too many, no full stop, no capital."""
    if dice.chance(0.2):
        caption = caption.removesuffix(".")
    if dice.chance(0.15):
        caption = caption[0].lower() + caption[1:]
    if dice.chance(0.12):
        caption += " "
    return caption


def spaced(text: str) -> str:
    """Set punctuation apart by blanks, as in the token files of the Penn treebank's kind."""
    return " ".join(_PUNCTUATION.sub(r" \1 ", text).split())


def bare_words(text: str) -> list[str]:
    """Split a text into lower-case words without punctuation."""
    return _PUNCTUATION.sub(" ", text.lower()).split()


def confident_answers(answers: Sequence[str], dice: Dice) -> list[Given]:
    """Give each answer its confidence: mostly `yes`, sometimes `maybe`, rarely `no`."""
    return [Given(answer, dice.weighted(("yes", "maybe", "no"), (81, 17, 2))) for answer in answers]


def youtube_id(release: str, index: int) -> str:
    """Make the eleven characters of a video; `-` and `_` are among them, at the start as well."""
    bits = xxh3_128_intdigest(f"{release}/{index}".encode())
    letters = []
    for _ in range(11):
        bits, place = divmod(bits, len(_YOUTUBE))
        letters.append(_YOUTUBE[place])
    # One in five begins with the dash that breaks a careless command line or split.
    if index % 5 == 0:
        letters[0] = "-"
    if index % 7 == 0:
        letters[4] = "_"
    return "".join(letters)
