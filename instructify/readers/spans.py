"""A part of a raw JSON file that a reader gets in place of the whole file.

Whether the ends of a part lie between two items is known only after reading it. If the part alone
does not decide it (a bad end, or an item that fails typed decoding), reading raises `InDoubt`, and
the caller reads a larger part.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np


class InDoubt(Exception):
    """A part of a file is in doubt; `at_end`: at its end, which may not be between two items."""

    def __init__(self, why: str, *, at_end: bool = False) -> None:
        super().__init__(why)
        self.at_end = at_end


class Span:
    """The bytes from `start` to `stop` of a file: whole items, without the comma after the last.

    The first part of a file begins at byte 0, before the list, and the last ends with the file. An
    empty part means that the file is not read. `first` is the position of the first item;
    `num_items` is known after all items were read.
    """

    def __init__(self, start: int, stop: int, *, is_last: bool, first: int = 0) -> None:
        self.start = start
        self.stop = stop
        self.is_last = is_last
        self.first = first
        self.num_items: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.start == self.stop

    @classmethod
    def of(cls, start: int, stop: int, path: Path, first: int = 0) -> "Span":
        """Return the part of a file, which must exist."""
        return cls(start, stop, is_last=stop == path.stat().st_size, first=first)


class SpanHandle:
    """Reads a part of a file as if it were a whole file, with brackets added at the cuts."""

    def __init__(self, handle: BinaryIO, span: Span, closing: bytes) -> None:
        handle.seek(span.start)
        self._handle = handle
        self._left = span.stop - span.start
        self._closing = b"" if span.is_last else closing

    def readinto(self, target: memoryview, /) -> int:
        """Read into `target` up to the end of the part; returns 0 at its end."""
        size: int = 0
        if self._left:
            size = self._handle.readinto(target[: self._left])  # type: ignore[attr-defined]
            self._left = self._left - size if size else 0
        if size or not self._closing:
            return size
        target[:1] = self._closing
        self._closing = b""
        return 1


def has_all_keys(text: memoryview, items: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a decoded object has all pairs of its text.

    Of a repeated key only the last pair is left, which would be one item here, and two items if a
    window ended between them. This is checked by lengths: the gaps between items must have the
    same size. The result is also False if they differ although no pair is missing.
    """
    raws = list(items.values())
    if len(raws) < 2:
        return not raws or _begins(text, raws[0], next(iter(items)))
    starts = [np.frombuffer(raw, np.uint8).ctypes.data for raw in (raws[0], raws[1], raws[-1])]
    keys = [len(key.encode("utf-8", "surrogatepass")) for key in items]
    gap = starts[1] - starts[0] - len(raws[0]) - keys[1]
    wanted = sum(map(len, raws[:-1])) + sum(keys[1:]) + gap * (len(raws) - 1)
    return starts[2] - starts[0] == wanted and _begins(text, raws[0], next(iter(items)))


def _begins(text: memoryview, first: msgspec.Raw, key: str) -> bool:
    """Whether only its key comes before an item."""
    start = np.frombuffer(first, np.uint8).ctypes.data - np.frombuffer(text, np.uint8).ctypes.data
    quoted = f'"{key}"'.encode("utf-8", "surrogatepass")
    before = bytes(text[1:start]).strip()
    return before.startswith(quoted) and before[len(quoted) :].strip() == b":"
