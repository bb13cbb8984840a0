"""Tar files (POSIX ustar) with the same bytes for the same content, written from one buffer.

Time and owner are 0, the mode is 644, members have the given order, and the end is padded to 10,240
bytes as `tar` does. There are two buffers: one is filled while the other is written. Headers are
made as whole columns.
"""

import os
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructify.exporting.contents import write_all

BLOCK = tarfile.BLOCKSIZE
_BUFFER_BYTES = 1 << 20
_MAX_NAME = 100

Bytes = bytes | memoryview


class TarWriter:
    """One tar file; it is complete only after `close`."""

    def __init__(self, path: Path, *, buffer_bytes: int = _BUFFER_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._buffer = memoryview(bytearray(buffer_bytes))
        self._spare = memoryview(bytearray(buffer_bytes))
        self._writer = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self._used = 0
        self._flushed = 0

    @property
    def offset(self) -> int:
        """The offset of the next member's header."""
        return self._flushed + self._used

    def reserve(self, size_bytes: int) -> memoryview | None:
        """Return a part of the buffer for whole blocks, to be filled before the next call.

        None if `size_bytes` is larger than the buffer; then use `stream`.
        """
        if size_bytes > len(self._buffer):
            return None
        if self._used + size_bytes > len(self._buffer):
            self._flush()
        start = self._used
        self._used += size_bytes
        return self._buffer[start : self._used]

    def stream(self, header: Bytes, size_bytes: int, copy_to: Callable[[int], None]) -> None:
        """Add a member; `copy_to` is called with the descriptor and writes the bytes to it."""
        self._flush()
        self._wait()
        write_all(self._descriptor, header)
        copy_to(self._descriptor)
        write_all(self._descriptor, bytes(padded(size_bytes) - size_bytes))
        self._flushed += BLOCK + padded(size_bytes)

    def close(self) -> None:
        """Write the end of the tar."""
        self._flush()
        self._wait()
        self._writer.shutdown()
        end = self._flushed + 2 * BLOCK
        end += -end % tarfile.RECORDSIZE
        write_all(self._descriptor, bytes(end - self._flushed))
        os.close(self._descriptor)

    def _flush(self) -> None:
        """Pass the buffer to the writer thread, and continue with the other buffer."""
        self._wait()
        full = self._buffer[: self._used]
        self._pending = self._writer.submit(write_all, self._descriptor, full)
        self._buffer, self._spare = self._spare, self._buffer
        self._flushed += self._used
        self._used = 0

    def _wait(self) -> None:
        """Wait for the writer thread, and raise its exception if there is one."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None


def padded(size_bytes: int) -> int:
    """Return the number of bytes that a member's content takes in a tar."""
    return size_bytes + -size_bytes % BLOCK


def headers(names: Sequence[str], sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Make the headers of regular files as `tarfile` writes them, shape [n, 512].

    Raises:
        ValueError: a name has more than 100 characters or is not ASCII, or a size is 8 GiB or more.
    """
    encoded = [name.encode("ascii") for name in names]
    longest = max(map(len, encoded), default=0)
    if longest > _MAX_NAME or (len(sizes) and int(sizes.max()) >= 1 << 33):
        raise ValueError("a name or a size does not fit a plain tar header")
    blocks = np.tile(_TEMPLATE, (len(encoded), 1))
    blocks[:, :_MAX_NAME] = np.array(encoded, f"S{_MAX_NAME}").view(np.uint8).reshape(-1, _MAX_NAME)
    blocks[:, 124:135] = _octal(sizes, 11)
    blocks[:, 148:154] = _octal(blocks.sum(axis=1, dtype=np.int64), 6)
    blocks[:, 154] = 0
    return blocks


def _octal(numbers: NDArray[np.int64], digits: int) -> NDArray[np.uint8]:
    shifts = 3 * np.arange(digits - 1, -1, -1)
    return ((numbers[:, None] >> shifts & 7) + ord("0")).astype(np.uint8)


def _template() -> NDArray[np.uint8]:
    """Make a header without name and size, with eight spaces in place of its checksum."""
    block = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
    block[148:156] = b" " * 8
    return np.frombuffer(bytes(block), np.uint8)


_TEMPLATE = _template()
