"""What is said of one link of the chain, and where two values part."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

State = Literal["same", "differs", "not checked"]
_AROUND = 30


class Step(NamedTuple):
    """A link of the chain; `facts` are shown, `detail` says why it differs or was not checked."""

    name: str
    state: State
    detail: str
    facts: Mapping[str, Any]


def first_difference(stored: object, made: object) -> str:
    """Say where two values part; texts by their first differing byte."""
    if not isinstance(stored, str) or not isinstance(made, str):
        return f"the build has {stored!r:.80}, made again it is {made!r:.80}"
    one, other = stored.encode(), made.encode()
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    parts = [
        text[max(0, at - _AROUND) : at + _AROUND].decode("utf-8", "replace")
        for text in (one, other)
    ]
    return f"from byte {at} on: the build has {parts[0]!r}, made again it is {parts[1]!r}"
