"""The filters that templates may use, as Python functions.

`sentence` adds a full stop to a text that ends without a mark; `capfirst` capitalises its first
letter. A null stays null in all filters but `length` and `default`. They differ from Jinja's where
Jinja guesses: `default` replaces a null, `first` and `last` of an empty list are null, `length` of
a null is 0, and `join` of a list that contains a null is null.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

MAX_TEXT_BYTES = 65_536
# What ends a sentence, closing quotation marks and brackets behind it included; RE2 and re agree.
SENTENCE_END = "[.!?:;\u2026\u3002\uff01\uff1f][\"')\\]\u2019\u201d\u00bb]*$"
_SENTENCE_END = re.compile(SENTENCE_END)


class RenderError(Exception):
    """The template can't be rendered with this record; the message gives the reason."""


def letter(index: int | None) -> str | None:
    """Return the letters of a choice, in the way of spreadsheet columns: a ... z, aa, ab ..."""
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
    """Write choices as `(a) red (b) blue`."""
    if choices is None or None in choices:
        return None
    return " ".join(f"({letter(index)}) {choice}" for index, choice in enumerate(choices))


def _lower(value: str | None) -> str | None:
    return None if value is None else value.lower()


def _upper(value: str | None) -> str | None:
    return None if value is None else value.upper()


def _trim(value: str | None) -> str | None:
    return None if value is None else value.strip()


def _capitalize(value: str | None) -> str | None:
    return None if value is None else value.capitalize()


def _capfirst(value: str | None) -> str | None:
    """Capitalise the first character if it is one of a to z; the rest stays."""
    if not value or not "a" <= value[0] <= "z":
        return value
    return value[0].upper() + value[1:]


def _replace(value: str | None, old: str, new: str) -> str | None:
    if value is None:
        return None
    # It can be chained to grow a text: capped before it does.
    if grows_too_long(len(value), value.count(old) * (len(new) - len(old))):
        raise RenderError(f"replace makes the text longer than {MAX_TEXT_BYTES} characters")
    return value.replace(old, new)


def _sentence(value: str | None, mark: str = ".") -> str | None:
    """End a text with a full stop unless it is empty or has a mark; trailing space is stripped."""
    if value is None:
        return None
    text = value.rstrip()
    return text if not text or _SENTENCE_END.search(text) else text + mark


def _join(values: Sequence[str | None] | None, separator: str = "") -> str | None:
    if values is None or None in values:
        return None
    texts = [value for value in values if value is not None]
    if grows_too_long(sum(map(len, texts)), max(0, len(texts) - 1) * len(separator)):
        raise RenderError(f"join makes the text longer than {MAX_TEXT_BYTES} characters")
    return separator.join(texts)


def grows_too_long(length: int, growth: int) -> bool:
    """Return whether a filter would grow a text beyond the cap; a text already longer may pass."""
    return length + growth > max(MAX_TEXT_BYTES, length)


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
        "capfirst": _capfirst,
        "replace": _replace,
        "sentence": _sentence,
        "join": _join,
        "length": _length,
        "first": _first,
        "last": _last,
        "default": _default,
        "lettered": lettered,
        "letter": letter,
    }
)
