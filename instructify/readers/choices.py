"""The choices of a question, of which the official files leave some empty.

An empty wrong choice is left out and counted, and the index of the right one follows; letters are
given later, so they follow too. An empty right choice, or one choice that is left of several, is
a reject: nothing is asked then.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Choices(NamedTuple):
    """The choices that are not empty, the index of the right one, and how many were left out."""

    texts: list[str]
    right: int | None
    dropped: int


def without_empty(choices: Sequence[str], right: int | None) -> Choices | str:
    """Leave out empty wrong choices of clean texts; a str says why the question can't be used.

    Args:
        choices: the choices, outer white space removed.
        right: a valid index into them; None where the right one is not known.
    """
    if right is not None and not choices[right]:
        return "the right choice is empty"
    texts = [text for text in choices if text]
    dropped = len(choices) - len(texts)
    if dropped and len(texts) < 2:
        return f"of {len(choices)} choices {dropped} are empty"
    moved = None if right is None else sum(bool(text) for text in choices[:right])
    return Choices(texts, moved, dropped)
