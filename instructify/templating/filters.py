"""The filters that templates may use, as Python functions.

A null passes through all but `length` and `default`. They differ from Jinja's own where that would
guess: `default` replaces a null, `first` and `last` of nothing are null, `length` of a null is 0,
`join` of a list that holds a null is null.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

MAX_TEXT_BYTES = 65_536

# What `sentence` looks at, here and on columns: marks that end one, what may stand behind them,
# and what gives way to the period.
SENTENCE_ENDS = ".!?\u2026\u3002\uff01\uff1f"
SENTENCE_CLOSERS = "\"'\u201d\u2019\u00bb)]"
SENTENCE_LOOSE_ENDS = " ,;:"


class RenderError(Exception):
    """The template cannot be rendered with this record; the message says why."""


def letter(index: int | None) -> str | None:
    """Letter the choices as spreadsheets letter columns: a ... z, aa, ab ..."""
    if index is None:
        return None
    if index < 0:
        raise RenderError(f"choice {index} has no letter")
    text = ""
    rest = index + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def lettered(choices: Sequence[str | None] | None) -> str | None:
    """Lay out choices as `(a) red (b) blue`."""
    if choices is None or None in choices:
        return None
    return " ".join(f"({letter(index)}) {choice}" for index, choice in enumerate(choices))


def sentence(value: str | None) -> str | None:
    """End a text as a sentence, exactly once: `hat day?` stays, `red` becomes `red.`.

    Quotes and brackets may close behind the mark. Blanks, commas and colons at the end go. A text
    of nothing else stays as it is.
    """
    if value is None:
        return None
    text = value.rstrip(SENTENCE_LOOSE_ENDS)
    if not text:
        return value
    ended = text.rstrip(SENTENCE_CLOSERS).endswith(tuple(SENTENCE_ENDS))
    return text if ended else f"{text}."


def _lower(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _upper(value: str | None) -> str | None:
    return None if value is None else value.upper()


def _trim(value: str | None) -> str | None:
    return None if value is None else value.strip()


def _capitalize(value: str | None) -> str | None:
    return None if value is None else value.capitalize()


def _replace(value: str | None, old: str, new: str) -> str | None:
    if value is None:
        return None
    # The only filter that can be chained to grow a text: capped before it does.
    length = len(value) + value.count(old) * (len(new) - len(old))
    if length > max(MAX_TEXT_BYTES, len(value)):
        raise RenderError(f"replace makes the text longer than {MAX_TEXT_BYTES} characters")
    return value.replace(old, new)


def _join(values: Sequence[str | None] | None, separator: str = "") -> str | None:
    if values is None or None in values:
        return None
    return separator.join(value for value in values if value is not None)


def _length(value: Sequence[object] | None) -> int:
    return 0 if value is None else len(value)


def _first(value: Sequence[object] | None) -> object:
    return value[0] if value else None


def _last(value: Sequence[object] | None) -> object:
    return value[-1] if value else None


def _default(value: object, otherwise: object) -> object:
    return otherwise if value is None else value


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "lower": _lower,
        "upper": _upper,
        "trim": _trim,
        "capitalize": _capitalize,
        "sentence": sentence,
        "replace": _replace,
        "join": _join,
        "length": _length,
        "first": _first,
        "last": _last,
        "default": _default,
        "lettered": lettered,
        "letter": letter,
    }
)
