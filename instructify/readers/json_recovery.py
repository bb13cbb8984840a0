"""Read damaged JSON item by item: keep complete items, and give a reason for the others.

This is used when typed decoding of a window failed, so it may be slow. It must never raise, for
malformed literals, lone surrogates, NaN, endless nesting, huge numbers, invalid UTF-8 or items that
are cut off.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec

from instructify.readers.printed import looks_printed
from instructify.rejects import Reject

T = TypeVar("T")

_SEPARATORS = re.compile(r"[\s,]*")
_SPACE = re.compile(r"\s*")
_COLON = re.compile(r"\s*:\s*")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_NEXT_IN_LIST = re.compile(r",\s*(?=\{)")
_NEXT_IN_OBJECT = re.compile(r'\}\s*,\s*(?="(?:[^"\\]|\\.)*"\s*:\s*\{)', re.DOTALL)
_WHERE = re.compile(r" - at `\$(?:\.\.\.)?\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(.*?)`")
_OUT_OF_RANGE = re.compile(r"^Expected `\w+` [<>]")
_MAX_DEPTH = 64
_LONGEST_LITERAL = len("-Infinity")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """An item of the text, in order: a value, or the reason why there is none."""

    key: str | None = None
    value: object = None
    reason: str | None = None
    detail: str = ""


@dataclass(kw_only=True, slots=True)
class Recovered:
    """The items of a text.

    `unread` is the start of an item that the text cuts off, `ended` whether the bracket closed."""

    items: list[Found] = field(default_factory=list)
    unread: str = ""
    ended: bool = False


def recover(text: str, model: type[T], *, keyed: bool, last: bool) -> Recovered:
    """Parse the items inside a list (inside an object if `keyed`).

    With `last` no more text follows, so an item that is cut off is bad instead of unread.
    """
    recovered = Recovered()
    at = 0
    while (at := _skip(_SEPARATORS, text, at)) < len(text):
        if text[at] == ("}" if keyed else "]"):
            recovered.ended = True
            break
        item, end, cut_off = _item(text, at, keyed)
        if cut_off and not last:
            recovered.unread = text[at:]
            break
        if end is None:
            end = _next_fitting(text, at, model, keyed) or _balanced_end(text, at)
        if end is None and not last:
            recovered.unread = text[at:]
            break
        recovered.items.append(item)
        # A closing bracket without an opening one ends its item where it began: skip it.
        at = len(text) if end is None else max(end, at + 1)
    return recovered


def to_model(value: object, model: type[T], source: str, position: int) -> T | Reject:
    """Convert a parsed value to the model of the reader, or return the field that is wrong."""
    if _holds_surrogate(value):
        detail = "a text of the item holds half of a character"
        return Reject(source, position, None, "lone-surrogate", detail)
    try:
        return msgspec.convert(value, model)
    except (msgspec.ValidationError, OverflowError) as error:
        return _explain(str(error), value, source, position)


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


class _Taken(NamedTuple):
    """An item, its end (None if it is not in the text), and whether more text may continue it."""

    item: Found
    end: int | None
    cut_off: bool = False


def _item(text: str, at: int, keyed: bool) -> _Taken:
    """Parse the item at `at`."""
    key: str | None = None
    start = at
    decoder = json.JSONDecoder()
    try:
        if keyed:
            name, start = decoder.raw_decode(text, at)
            colon = _COLON.match(text, start)
            if not isinstance(name, str) or colon is None:
                return _Taken(Found(reason="malformed-json", detail="no key"), None)
            key, start = name, colon.end()
        value, end = decoder.raw_decode(text, start)
    except RecursionError:
        return _Taken(Found(key=key, reason="too-deep", detail="nested without end"), None)
    except ValueError as error:
        detail = str(error).split(": line")[0][:120]
        fault = Found(key=key, reason="malformed-json", detail=detail)
        return _Taken(fault, None, _is_cut_off(error, text))
    after = _skip(_SPACE, text, end)
    if after < len(text) and text[after] not in ",]}":
        detail = "no comma after the item"
        return _Taken(Found(key=key, reason="malformed-json", detail=detail), None)
    if after == len(text) and not isinstance(value, dict):
        detail = "the text ends in the item"
        return _Taken(Found(key=key, reason="malformed-json", detail=detail), None, True)
    if _depth_exceeds(value, _MAX_DEPTH):
        detail = f"nested deeper than {_MAX_DEPTH}"
        return _Taken(Found(key=key, reason="too-deep", detail=detail), end)
    return _Taken(Found(key=key, value=value), end)


def _is_cut_off(error: ValueError, text: str) -> bool:
    """Whether the parser failed because the text ends: with more text the item may be good."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos + _LONGEST_LITERAL > len(text)


def _balanced_end(text: str, start: int) -> int | None:
    """Return the end of a last, bad item by its brackets alone, if more items may follow."""
    depth = 0
    for match in _STRUCTURE.finditer(text, start):
        mark = match.group()
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
            if depth < 0:
                return match.start()
            if depth == 0:
                after = _skip(_SPACE, text, match.end())
                return match.end() if text[after : after + 1] in (",", "]", "}") else None
    return None


def _next_fitting(text: str, at: int, model: type[T], keyed: bool) -> int | None:
    """Return the start of the next record after an item whose brackets do not match."""
    decoder = json.JSONDecoder()
    pattern = _NEXT_IN_OBJECT if keyed else _NEXT_IN_LIST
    for match in pattern.finditer(text, at):
        start = match.end()
        if keyed:
            _, start = decoder.raw_decode(text, start)
            start = _skip(_COLON, text, start)
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if not isinstance(to_model(value, model, "", 0), Reject):
            return match.end()
    return None


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _depth_exceeds(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _holds_surrogate(value: object) -> bool:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            if any("\ud800" <= character <= "\udfff" for character in current):
                return True
        else:
            pending.extend(_children(current))
    return False


def _explain(message: str, value: object, source: str, position: int) -> Reject:
    """Convert a validation message to field, reason and detail."""
    where = _WHERE.search(message)
    path = where.group(1) if where else ""
    detail = message[: where.start()] if where else message
    missing = _MISSING.search(detail)
    if missing:
        return Reject(
            source, position, f"{path}.{missing.group(1)}".lstrip("."), "missing-field", detail
        )
    if not path and not isinstance(value, dict):
        return Reject(source, position, None, "not-an-object", detail)
    if "got `null`" in detail:
        return Reject(source, position, path or None, "null-field", detail)
    if "got `float`" in detail and _holds_not_finite(value):
        return Reject(source, position, path or None, "not-finite", detail)
    if _OUT_OF_RANGE.search(detail):
        return Reject(source, position, path or None, "bad-value", detail)
    if "`array" in detail and looks_printed(text := _text_at(value, path)):
        detail = f"{text[:40]!r} is a list that Python printed as text; write it as a JSON list"
    return Reject(source, position, path or None, "wrong-type", detail)


def _text_at(value: object, path: str) -> str:
    """Return the text of a field; empty if there is none at this place."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _holds_not_finite(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return any(_holds_not_finite(child) for child in _children(value))
