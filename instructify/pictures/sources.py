"""Read the bytes of located pictures, from regular files and parts of them only.

Folders may change after they were listed, so a file is checked again when it is opened: links are
not followed, pipes are not waited for, devices are not read, and no more bytes are read than a
picture may have.
"""

import os
import stat
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from instructify.pictures.roots import Location, Roots
from instructify.pictures.tar_headers import holds_header

MAX_PICTURE_BYTES = 1 << 28
MAX_CLIP_BYTES = 1 << 32
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW

T = TypeVar("T")


class Problem(NamedTuple):
    """Why a picture is not used; `reason` is a code of `rejects.REASONS`."""

    reason: str
    detail: str


class FileState(NamedTuple):
    """Size (the picture's) and time of change, which show whether a file is still the same."""

    size_bytes: int
    mtime_ns: int


class OpenPart(NamedTuple):
    """A picture in an open file: where it begins, and its size."""

    descriptor: int
    start: int
    size_bytes: int

    def read(self, offset: int, size: int) -> bytes:
        """Read some bytes of the picture; fewer at its end."""
        size = min(size, self.size_bytes - offset)
        return os.pread(self.descriptor, size, self.start + offset) if size > 0 else b""


class SourceReader:
    """Reads pictures one after another and keeps the last tar open. Not thread-safe."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        # Joining paths as objects costs as much as opening the file.
        self._prefixes = {root.label: os.path.join(root.path, "") for root in roots}
        self._tar: tuple[str, str] | None = None
        self._tar_descriptor = -1

    def state(self, location: Location) -> FileState | Problem:
        """Look at size and time of change without opening the file."""
        try:
            status = os.stat(self._path(location), follow_symlinks=False)
        except OSError as error:
            return _unreadable(location, error)
        size = status.st_size if location.size_bytes is None else location.size_bytes
        return FileState(size, status.st_mtime_ns)

    def read(self, location: Location, max_bytes: int) -> bytes | Problem:
        """Read the picture's bytes as they are stored."""
        try:
            if location.offset is None:
                return self._read_file(location, max_bytes)
            return self._read_member(location, max_bytes)
        except OSError as error:
            return _unreadable(location, error)

    def check(self, location: Location, judge: Callable[[OpenPart], T]) -> T | Problem:
        """Open a picture and let `judge` read of it what it needs."""
        try:
            if location.offset is not None:
                descriptor = self._open_tar(location)
                part = OpenPart(descriptor, location.offset, location.size_bytes or 0)
                if os.fstat(descriptor).st_size < part.start + part.size_bytes:
                    return _cut_tar(location)
                return judge(part)
            descriptor = os.open(self._path(location), _OPEN_FLAGS)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    return _not_regular(location)
                return judge(OpenPart(descriptor, 0, status.st_size))
            finally:
                os.close(descriptor)
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
        descriptor = os.open(self._path(location), _OPEN_FLAGS)
        with open(descriptor, "rb", buffering=0) as handle:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return _not_regular(location)
            if status.st_size > max_bytes:
                return too_many_bytes(location.file, status.st_size)
            return handle.read(max_bytes)

    def _read_member(self, location: Location, max_bytes: int) -> bytes | Problem:
        size = location.size_bytes or 0
        if size > max_bytes:
            return too_many_bytes(location.file, size)
        data = os.pread(self._open_tar(location), size, location.offset or 0)
        if len(data) != size:
            return _cut_tar(location)
        # A size that is too large takes in the members behind, and the JSON after them.
        return _swallows_others(location) if holds_header(data) else data

    def _path(self, location: Location) -> str:
        prefix = self._prefixes.get(location.root)
        if prefix is None:  # says which roots there are
            return str(self._roots.path(location.root, location.file))
        return prefix + location.file

    def _open_tar(self, location: Location) -> int:
        if self._tar != (location.root, location.file):
            self.close()
            self._tar_descriptor = os.open(self._path(location), _OPEN_FLAGS)
            self._tar = (location.root, location.file)
        return self._tar_descriptor


def too_many_bytes(name: str, size_bytes: int) -> Problem:
    """Say that a file is larger than any picture that is read."""
    return Problem("picture-too-large", f"{name} has {size_bytes:,} bytes")


def _cut_tar(location: Location) -> Problem:
    return Problem("picture-truncated", f"{location.file} ends within the picture")


def _swallows_others(location: Location) -> Problem:
    return Problem(
        "picture-unreadable", f"the picture in {location.file} reaches over other members of it"
    )


def _not_regular(location: Location) -> Problem:
    return Problem("not-a-picture", f"{location.file} is no regular file")


def _unreadable(location: Location, error: OSError) -> Problem:
    reason = "picture-missing" if isinstance(error, FileNotFoundError) else "picture-unreadable"
    return Problem(reason, f"{location.file}: {error.strerror}")
