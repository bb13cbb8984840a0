"""Hash raw files, each once for all units and machines.

A hash is noted in the staging folder for other units of the same file and for other machines. A
note belongs to a state of a file (path, size, times, inode). The state is never part of a key: keys
contain the hash of the content.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import Count, NotReadableError, Sha256, decode_json, read_regular
from instructify._util.shards import write_bytes
from instructify.build.manifest import RawSource, content_key
from instructify.build.raw import hash_source
from instructify.readers import RawFile

_WORTH_BYTES = 8 << 20  # hashing a smaller file is faster than writing its note
_SETTLED_NS = 2_000_000_000  # a file that has just changed may change again within one time stamp


class _Note(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    size_bytes: Count
    sha256: Sha256


class _State(NamedTuple):
    """Properties of a file, or of all files of a folder, that change with the content."""

    size_bytes: int
    newest_ns: int
    key: str


def noted_hash(role: str, file: RawFile, notes: Path) -> RawSource:
    """Hash a raw file, or return the hash that was noted for the same state."""
    before = _state(file.path)
    note = notes / f"{before.key[:24]}.json"
    source = _read(note, before, role, file)
    if source is not None:
        return source
    source = hash_source(role, file)
    if before.size_bytes >= _WORTH_BYTES and before.newest_ns < time.time_ns() - _SETTLED_NS:
        _write(note, before, source, file.path)
    return source


class Hashing:
    """Hashes each file once in a background thread: hashing releases the GIL."""

    def __init__(self, files: Iterable[RawFile], notes: Path) -> None:
        files = list(files)
        self._before = {file: _state(file.path) for file in files if not file.path.is_dir()}
        self._threads = ThreadPoolExecutor(2)
        self._pending = {
            file: self._threads.submit(noted_hash, "", file, notes) for file in sorted(set(files))
        }

    def of(self, role: str, file: RawFile) -> RawSource:
        """Wait for the hash of a file."""
        return msgspec.structs.replace(self._pending[file].result(), role=role)

    def check_unchanged(self) -> None:
        """Refuse files that changed while they were read: their hashes may be of other bytes."""
        for file, before in self._before.items():
            if not file.path.is_file() or _state(file.path) != before:
                raise UserError(
                    f"{file.name} changed while it was read; run it again when nothing writes to it"
                )

    def __enter__(self) -> "Hashing":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


def _state(path: Path) -> _State:
    is_folder = path.is_dir()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if is_folder else [path]
    rows: list[tuple[str, int, int, int, int]] = []
    for file in files:
        stat = file.stat()
        times = (stat.st_mtime_ns, stat.st_ctime_ns)
        rows.append((f"{file!a}", stat.st_size, *times, stat.st_ino))
    return _State(
        size_bytes=sum(row[1] for row in rows),
        newest_ns=max((max(row[2:4]) for row in rows), default=0),
        key=content_key("hash", [f"{path!a}", is_folder, rows]),
    )


def _read(note: Path, state: _State, role: str, file: RawFile) -> RawSource | None:
    try:
        known = decode_json(read_regular(note), _Note)
    except (OSError, NotReadableError):
        return None
    if known.key != state.key:
        return None
    return RawSource(role, file.name, known.size_bytes, known.sha256)


def _write(note: Path, before: _State, source: RawSource, path: Path) -> None:
    """Note a hash, unless the file changed in the meantime or too recently."""
    if _state(path) != before:
        return
    value = _Note(key=before.key, size_bytes=source.size_bytes, sha256=source.sha256)
    write_bytes(note, msgspec.json.encode(value))
    if before.newest_ns > note.stat().st_mtime_ns - _SETTLED_NS:
        note.unlink(missing_ok=True)
