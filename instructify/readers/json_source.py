"""Read the bytes of a JSON file into a buffer, and find the list or object inside it.

This module finds the place where the items begin, but does not parse items.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import msgspec

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.json_outline import outline
from instructify.readers.spans import SpanHandle

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PROVED_PREFIX_BYTES = 64 << 20
_OVERLAP_BYTES = 4096  # a key on the border between two searches is in both

# Files that come in pairs and may have each other's name.
_SWAPPED = {"questions": "annotations", "annotations": "questions"}

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # the values are only skipped

# Errors of msgspec for bytes that are not JSON; for bad UTF-8 in keys it raises Python's error.
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Separator(NamedTuple):
    """A place between two items: the offset of the comma, and the beginning of the next item."""

    comma: int
    beginning: bytes


class Source:
    """A file, and the part of it that was read but not used yet.

    One buffer is filled again and again, and windows are decoded inside it: copying each window
    would take as much time as decoding it.
    """

    def __init__(self, file: RawFile, handle: BinaryIO | SpanHandle, window_bytes: int) -> None:
        self.file = file
        self.window_bytes = window_bytes
        self.at_end = False
        self._handle = handle
        self._bytes = bytearray(window_bytes + 2)
        self._start = 1  # one byte is kept free on either side, for brackets
        self._end = 1

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def unread(self) -> bytes:
        """A copy of the unused bytes."""
        return bytes(memoryview(self._bytes)[self._start : self._end])

    @unread.setter
    def unread(self, data: bytes) -> None:
        self._bytes = bytearray(max(len(self._bytes), len(data) + 2))
        self._start, self._end = 1, 1 + len(data)
        self._bytes[self._start : self._end] = data

    def skip(self, size: int) -> None:
        """Drop the first `size` bytes."""
        self._start += size

    def fill(self, size: int) -> None:
        """Read until the buffer has `size` bytes or the file ends."""
        if len(self) >= size or self.at_end:
            return
        rest = memoryview(self._bytes)[self._start : self._end]
        if size + 2 > len(self._bytes):
            self._bytes = bytearray(size + 2)
        memoryview(self._bytes)[1 : 1 + len(rest)] = rest
        self._start, self._end = 1, 1 + len(rest)
        while len(self) < size:
            count = self._handle.readinto(memoryview(self._bytes)[self._end : 1 + size])  # type: ignore[union-attr]
            if not count:
                self.at_end = True
                return
            self._end += count

    def search(self, pattern: re.Pattern[bytes], lower: int, upper: int) -> list[Separator]:
        """Find a pattern between two offsets; its groups are the comma and the beginning."""
        start = self._start
        matches = pattern.finditer(self._bytes, start + lower, min(self._end, start + upper))
        return [Separator(match.start(1) - start, bytes(match[2])) for match in matches]

    @contextmanager
    def enclosed(self, size: int, opening: bytes, closing: bytes) -> Iterator[memoryview]:
        """View the first `size` bytes with brackets in place of the bytes around them."""
        last = self._start + size
        neighbour = self._bytes[last]
        self._bytes[self._start - 1] = opening[0]
        self._bytes[last] = closing[0]
        try:
            yield memoryview(self._bytes)[self._start - 1 : last + 1]
        finally:
            self._bytes[last] = neighbour

    def enter(self, key: str | None, opening: bytes) -> None:
        """Drop everything up to the opening bracket of the list or object with the items."""
        self.fill(max(self.window_bytes, len(BYTE_ORDER_MARK)))
        head = self.unread.removeprefix(BYTE_ORDER_MARK).lstrip()
        while not head and not self.at_end:
            self.skip(len(self))
            self.fill(self.window_bytes)
            head = self.unread.lstrip()
        if key is None:
            if not head.startswith(opening):
                raise _not_as_documented(self.file, key, opening)
            self.unread = head[1:]
            return
        self.unread = head
        names = key.split(".")
        quoted = re.escape(f'"{names[-1]}"'.encode())
        pattern = re.compile(quoted + rb"\s*:\s*" + re.escape(opening))
        passed = 0
        searched = 0
        while True:
            text = self.unread
            for match in pattern.finditer(text, max(0, searched - _OVERLAP_BYTES)):
                if passed or _may_stand_in(text[: match.start()], names):
                    self.unread = text[match.end() :]
                    return
            if self.at_end:
                raise _not_as_documented(self.file, key, opening)
            if not passed and len(self) < _PROVED_PREFIX_BYTES:
                searched = len(text)
                self.fill(2 * len(self) + self.window_bytes)
            else:  # too far from the beginning to be proved; the items will be checked one by one
                passed += max(0, len(self) - _OVERLAP_BYTES)
                self.unread = text[-_OVERLAP_BYTES:]
                searched = 0
                self.fill(len(self) + self.window_bytes)


def _may_stand_in(prefix: bytes, names: Sequence[str]) -> bool:
    """Whether `prefix` may end inside the object with the last of `names`.

    Also true if `prefix` is so damaged that nothing after it can be proved: the items will be
    checked one by one."""
    value = msgspec.Raw(prefix + b'"":0' + b"}" * len(names))
    try:
        for name in names[:-1]:
            fields = _FIELDS.decode(value)
            if next(reversed(fields), None) != name:
                return False
            value = fields[name]
        return "" in _FIELDS.decode(value)
    except msgspec.ValidationError:  # not an object
        return False
    except NOT_JSON:
        return _is_damaged(prefix)


def _is_damaged(prefix: bytes) -> bool:
    """Whether `prefix` can't be the beginning of a JSON value."""
    try:
        msgspec.json.decode(prefix, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        return "truncated" not in str(error)
    except (UnicodeDecodeError, RecursionError):
        return True
    return False


def _not_as_documented(file: RawFile, key: str | None, opening: bytes) -> UserError:
    kind = "list" if opening == b"[" else "object"
    what = f"a JSON object with the {kind} '{key}'" if key else f"a JSON {kind}"
    there = outline(file)
    other = _SWAPPED.get(key or "")
    if other and f"'{other}'" in there:
        return UserError(
            f"{file.name} holds {other} under the name of the {key}; see whether the two files "
            f"have each other's name (it {there})."
        )
    return UserError(
        f"{file.name} is not {what}, as the release documents it: it {there}; fetch it again."
    )
