"""The result of one step of the chain, and the first difference of two values."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

State = Literal["same", "differs", "not checked"]
_AROUND = 30


class Step(NamedTuple):
    """A step of the chain; `detail` says why it differs or was not checked, `facts` are shown."""

    name: str
    state: State
    detail: str
    facts: Mapping[str, Any]


def first_difference(stored: object, again: object) -> str:
    """Describe how two values differ; for texts from the first differing byte on."""
    if not isinstance(stored, str) or not isinstance(again, str):
        return f"the build has {stored!r:.80}, made again it is {again!r:.80}"
    stored_bytes, again_bytes = stored.encode(), again.encode()
    at = next(
        (n for n, (a, b) in enumerate(zip(stored_bytes, again_bytes, strict=False)) if a != b),
        min(len(stored_bytes), len(again_bytes)),
    )
    parts = [
        text[max(0, at - _AROUND) : at + _AROUND].decode("utf-8", "replace")
        for text in (stored_bytes, again_bytes)
    ]
    return f"from byte {at} on: the build has {parts[0]!r}, made again it is {parts[1]!r}"
