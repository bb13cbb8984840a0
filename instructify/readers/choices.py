"""Remove the empty choices of a question, which some official files have.

An empty wrong choice is removed and counted, and the index of the right choice is adjusted. Letters
are assigned later, so they match. A question is rejected if the right choice is empty, or if only
one choice of several is left.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Choices(NamedTuple):
    """The choices that are not empty, the index of the right one, and the number removed."""

    texts: list[str]
    right: int | None
    dropped: int


def without_empty(choices: Sequence[str], right: int | None) -> Choices | str:
    """Remove empty wrong choices of clean texts; returns a str if the question can't be used.

    Args:
        choices: the choices, outer white space removed.
        right: a valid index into them; None if the right one is not known.
    """
    if right is not None and not choices[right]:
        return "the right choice is empty"
    texts = [text for text in choices if text]
    dropped = len(choices) - len(texts)
    if dropped and len(texts) < 2:
        return f"of {len(choices)} choices {dropped} are empty"
    moved = None if right is None else sum(bool(text) for text in choices[:right])
    return Choices(texts, moved, dropped)
