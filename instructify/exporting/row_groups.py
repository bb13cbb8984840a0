"""Divide rows into the row groups of a Parquet file, which depend only on the sizes of pictures.

The size of a row group in the file, and so the end of the file, is known only after writing it:
`Counted` is a file that only measures what is written to it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

GROUP_BYTES = 64_000_000  # of pictures, counted for every row
GROUP_ROWS = 65_536


class Cut(NamedTuple):
    """Rows of a batch for one row group, and whether they begin a new one."""

    start: int
    stop: int
    is_new: bool


class GroupCutter:
    """Divides the rows of a split into row groups by the sizes of their pictures."""

    def __init__(self) -> None:
        self._rows = self._bytes = 0

    def cut(self, sizes: Sequence[int]) -> Iterator[Cut]:
        """Divide the rows of one batch."""
        start = 0
        while start < len(sizes):
            is_full = self._bytes >= GROUP_BYTES or self._rows >= GROUP_ROWS
            if is_full or self._bytes + sizes[start] > GROUP_BYTES:
                self._rows = self._bytes = 0
            is_new = not self._rows
            stop, total = start + 1, self._bytes + sizes[start]
            while stop < len(sizes) and total + sizes[stop] <= GROUP_BYTES:
                total += sizes[stop]
                stop += 1
            self._rows, self._bytes = self._rows + stop - start, total
            yield Cut(start, stop, is_new)
            start = stop


class Counted:
    """A file that discards its bytes and counts them."""

    closed = False

    def __init__(self) -> None:
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        size = memoryview(data).nbytes
        self._size += size
        return size

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        self.closed = True
