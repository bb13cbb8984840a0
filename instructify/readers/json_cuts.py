"""Guess where a large JSON file can be split, from a few bytes around each place.

A cut is a comma followed by an item with the same fields as the first item of the file. Whether it
really lies between two items is proved later, when the range before it is read to its end.
"""

import json
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from instructify.readers.base import A_LIST, BY_ID

_HEAD_BYTES = 4 << 20
_BLOCK_BYTES = 4 << 20  # a cut is searched in so many bytes after its place
_NEAR_BYTES = 1 << 20
_MOST_LISTS = 100  # of one name, before that of the items
_ALIKE_BYTES = 1 << 18  # after an item with other fields, one with the same fields is searched here
_ITEM = re.compile(rb"\}\s*(,)\s*(?=\{)")
_PAIR = re.compile(rb'\}\s*(,)\s*(?="(?:[^"\\]|\\.)*"\s*:\s*\{)', re.DOTALL)
_COLON = re.compile(r"\s*:\s*")
_SPACE = re.compile(r"\s*")


class JsonCut(NamedTuple):
    """A comma, and the fields of the item after it."""

    comma: int
    fields: Mapping[str, Any]


def json_cuts(data: mmap.mmap, place: str, targets: Sequence[int]) -> Iterator[JsonCut]:
    """Find a cut after each of some offsets; `place`: where the items are, as in `Ranges`."""
    fields = _first_fields(data, place)
    if fields is None:
        return
    last = 0
    for target in targets:
        if target <= last:
            continue
        item = _next_item(data, target, fields, keyed=place == BY_ID)
        if item is not None:
            last = item.comma
            yield item


def comma_before(data: mmap.mmap, field: str, value: object, share: float) -> int | None:
    """Find the comma before the item with this value, near the expected place first."""
    if not isinstance(value, int):
        return None
    wanted = re.compile(rb'"' + re.escape(field.encode()) + rb'"\s*:\s*%d(?![\d.eE])' % value)
    middle = int(share * len(data))
    match = wanted.search(data, max(0, middle - _NEAR_BYTES), middle + _NEAR_BYTES)
    match = match or wanted.search(data)
    if match is None:
        return None
    lower = max(0, match.start() - (1 << 16))
    commas = [comma.start(1) for comma in _ITEM.finditer(data, lower, match.start() + 1)]
    return commas[-1] if commas else None


def _first_fields(data: mmap.mmap, place: str) -> set[str] | None:
    """Read the fields of the first item; None if it is not near the beginning."""
    head = bytes(data[:_HEAD_BYTES])
    text = head.decode("latin-1")
    if place in (A_LIST, BY_ID):
        starts = [head.find(b"[" if place == A_LIST else b"{") + 1]
    else:
        last = re.escape(f'"{place.rpartition(".")[2]}"'.encode())
        starts = [match.end() for match in re.finditer(last + rb"\s*:\s*\[", head)]
    items = (_item_at(text, start, keyed=place == BY_ID) for start in starts[:_MOST_LISTS])
    return next((set(item) for item in items if item is not None), None)


def _next_item(data: mmap.mmap, target: int, fields: set[str], *, keyed: bool) -> JsonCut | None:
    block = bytes(data[target : target + _BLOCK_BYTES])
    text = block.decode("latin-1")
    alike: JsonCut | None = None
    stop = len(block)
    for match in (_PAIR if keyed else _ITEM).finditer(block):
        if match.start() > stop:
            break
        fields_here = _item_at(text, match.end(), keyed=keyed)
        if fields_here is None:
            continue
        item = JsonCut(target + match.start(1), fields_here)
        if fields_here.keys() == fields:
            return item
        if alike is None and 2 * len(fields_here.keys() & fields) > max(
            len(fields_here), len(fields)
        ):
            alike = item
            stop = match.start() + _ALIKE_BYTES
    return alike


def _item_at(text: str, start: int, *, keyed: bool) -> dict[str, Any] | None:
    """Decode the object at an offset, as latin-1, so that offsets in text and bytes are equal."""
    decoder = json.JSONDecoder()
    try:
        at = _skip(_SPACE, text, start)
        if keyed:
            _, at = decoder.raw_decode(text, at)
            at = _skip(_COLON, text, at)
        value, _ = decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
