"""Read the bytes of located pictures, and nothing but regular files and their parts.

Folders may change after they were listed, so what is opened is judged again: no link is followed,
no pipe waited for, no device read, no more bytes taken than a picture may have.
"""

import os
import stat
from typing import NamedTuple

from instructify.pictures.roots import Location, Roots

MAX_PICTURE_BYTES = 1 << 28
MAX_CLIP_BYTES = 1 << 32
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


class Problem(NamedTuple):
    """Why a picture is not used; `reason` is a code of `rejects.REASONS`."""

    reason: str
    detail: str


class FileState(NamedTuple):
    """What tells on this machine whether a file is still the same; the size is the picture's."""

    size_bytes: int
    mtime_ns: int


class SourceReader:
    """Reads pictures one after the other; keeps the last tar open. Not for threads to share."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._tar: tuple[str, str] | None = None
        self._tar_descriptor = -1

    def state(self, location: Location) -> FileState | Problem:
        """Look at size and time of change without opening the file."""
        path = self._roots.path(location.root, location.file)
        try:
            found = os.stat(path, follow_symlinks=False)
        except OSError as error:
            return _unreadable(location, error)
        size = found.st_size if location.size_bytes is None else location.size_bytes
        return FileState(size, found.st_mtime_ns)

    def read(self, location: Location, max_bytes: int) -> bytes | Problem:
        """Read the picture's bytes as they are stored."""
        try:
            if location.offset is None:
                return self._read_file(location, max_bytes)
            return self._read_member(location, max_bytes)
        except OSError as error:
            return _unreadable(location, error)

    def close(self) -> None:
        if self._tar is not None:
            os.close(self._tar_descriptor)
            self._tar = None

    def __enter__(self) -> "SourceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_file(self, location: Location, max_bytes: int) -> bytes | Problem:
        descriptor = os.open(self._roots.path(location.root, location.file), _OPEN_FLAGS)
        with open(descriptor, "rb", buffering=0) as handle:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return Problem("not-a-picture", f"{location.file} is no regular file")
            if found.st_size > max_bytes:
                return _too_many_bytes(location, found.st_size)
            return handle.read(max_bytes)

    def _read_member(self, location: Location, max_bytes: int) -> bytes | Problem:
        size = location.size_bytes or 0
        if size > max_bytes:
            return _too_many_bytes(location, size)
        if self._tar != (location.root, location.file):
            self.close()
            path = self._roots.path(location.root, location.file)
            self._tar_descriptor = os.open(path, _OPEN_FLAGS)
            self._tar = (location.root, location.file)
        data = os.pread(self._tar_descriptor, size, location.offset or 0)
        if len(data) < size:
            return Problem("picture-truncated", f"{location.file} ends within the picture")
        return data


def _too_many_bytes(location: Location, size_bytes: int) -> Problem:
    return Problem("picture-too-large", f"{location.file} has {size_bytes:,} bytes")


def _unreadable(location: Location, error: OSError) -> Problem:
    reason = "picture-missing" if isinstance(error, FileNotFoundError) else "picture-unreadable"
    return Problem(reason, f"{location.file}: {error.strerror}")
