"""Guess where a large JSON file can be split, from a few bytes around each place.

A cut is a comma followed by an item with the same fields as the first item of the file. Whether it
really lies between two items is proved later, when the range before it is read to its end.
"""

import json
import mmap
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instructify.readers.base import A_LIST, BY_ID, Ranges, RawFile

RANGE_BYTES = 64 << 20
_WORTH_CUTTING = 0.25  # of a range; a smaller file is read by one process
_TOGETHER = 4  # ranges come in fours, so that two or four processes finish together
_HEAD_BYTES = 4 << 20
_BLOCK_BYTES = 4 << 20  # a cut is searched in so many bytes after its place
_NEAR_BYTES = 1 << 20
_ITEM = re.compile(rb"\}\s*(,)\s*(?=\{)")
_PAIR = re.compile(rb'\}\s*(,)\s*(?="(?:[^"\\]|\\.)*"\s*:\s*\{)', re.DOTALL)
_COLON = re.compile(r"\s*:\s*")
_SPACE = re.compile(r"\s*")

Cut = Mapping[str, tuple[int, int]]  # the bytes that are read of some files, by role


class _Item(NamedTuple):
    """A comma, and the fields of the item after it."""

    comma: int
    fields: Mapping[str, Any]


def plan_ranges(
    files: Mapping[str, RawFile], ranges: Ranges, range_bytes: int = RANGE_BYTES
) -> list[Cut]:
    """Split the files of a split into ranges, in the order in which they are read.

    A range gives the part of one file or, for joined files, of each of them. The list is empty if
    there is only one range, or if a file can't be split.
    """
    roles = [role for role in ranges.places if role in files]
    if not roles or len(roles) < len(files) or not all(_is_plain(files[role]) for role in roles):
        return []
    if ranges.joined_by is not None and len(roles) > 1:
        cuts = _joined(files, ranges, roles, range_bytes)
    else:
        cuts = []
        for role in roles:
            places = _places(files[role].path, ranges.places[role], range_bytes)
            cuts += [{role: span} for span in _spans(places)]
    return cuts if len(cuts) > 1 else []


def _joined(
    files: Mapping[str, RawFile], ranges: Ranges, roles: Sequence[str], range_bytes: int
) -> list[Cut]:
    """Split files with the same items in the same order, all at the same items."""
    field = ranges.joined_by or ""
    largest = max(roles, key=lambda role: files[role].path.stat().st_size)
    with _mapped(files[largest].path) as data:
        cuts = list(_cuts(data, ranges.places[largest], range_bytes))
        places = {largest: [0, *(cut.comma for cut in cuts), len(data)]}
    for role in roles:
        if role == largest:
            continue
        with _mapped(files[role].path) as data:
            commas = [0]
            for cut in cuts:
                share = cut.comma / places[largest][-1]
                comma = _comma_of(data, field, cut.fields.get(field), share)
                if comma is None or comma <= commas[-1]:
                    return []
                commas.append(comma)
            places[role] = [*commas, len(data)]
    spans = {role: _spans(commas) for role, commas in places.items()}
    return [{role: spans[role][at] for role in roles} for at in range(len(cuts) + 1)]


def _is_plain(file: RawFile) -> bool:
    """Whether a file is JSON text that is not compressed, by its first byte."""
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):
            return False
        with file.path.open("rb") as handle:
            head = handle.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return False
    return head[:1] in (b"[", b"{")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


def _places(path: Path, place: str, range_bytes: int) -> list[int]:
    if path.stat().st_size < _WORTH_CUTTING * range_bytes:
        return [0, path.stat().st_size]
    with _mapped(path) as data:
        return [0, *(cut.comma for cut in _cuts(data, place, range_bytes)), len(data)]


def _spans(places: Sequence[int]) -> list[tuple[int, int]]:
    """Make ranges of cuts; the comma of a cut belongs to no range."""
    starts = [place + 1 if place else 0 for place in places[:-1]]
    return list(zip(starts, places[1:], strict=True))


def _cuts(data: mmap.mmap, place: str, range_bytes: int) -> Iterator[_Item]:
    """Find the cuts between ranges of equal length, which is at most `range_bytes`.

    A file that is much shorter than one range has none.
    """
    size = len(data)
    if size < _WORTH_CUTTING * range_bytes:
        return
    num_ranges = -(-size // range_bytes // _TOGETHER) * _TOGETHER
    fields = _first_fields(data, place)
    if fields is None:
        return
    last = 0
    for target in (size * number // num_ranges for number in range(1, num_ranges)):
        if target <= last:
            continue
        item = _next_item(data, target, fields, keyed=place == BY_ID)
        if item is not None:
            last = item.comma
            yield item


def _first_fields(data: mmap.mmap, place: str) -> set[str] | None:
    """Read the fields of the first item; None if it is not near the beginning."""
    head = bytes(data[:_HEAD_BYTES])
    start = 0
    if place not in (A_LIST, BY_ID):
        match = re.search(re.escape(f'"{place}"'.encode()) + rb"\s*:\s*\[", head)
        if match is None:
            return None
        start = match.end()
    else:
        start = head.find(b"[" if place == A_LIST else b"{") + 1
    item = _item_at(head.decode("latin-1"), start, keyed=place == BY_ID)
    return None if item is None else set(item)


def _next_item(data: mmap.mmap, target: int, fields: set[str], *, keyed: bool) -> _Item | None:
    block = bytes(data[target : target + _BLOCK_BYTES])
    text = block.decode("latin-1")
    alike: _Item | None = None
    for match in (_PAIR if keyed else _ITEM).finditer(block):
        fields_here = _item_at(text, match.end(), keyed=keyed)
        if fields_here is None:
            continue
        item = _Item(target + match.start(1), fields_here)
        if fields_here.keys() == fields:
            return item
        if alike is None and 2 * len(fields_here.keys() & fields) > max(
            len(fields_here), len(fields)
        ):
            alike = item
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


def _comma_of(data: mmap.mmap, field: str, value: object, share: float) -> int | None:
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
