"""Read the rows of a WebDataset tar: consecutive members with the same key are a row.

Each suffix is a column, in small letters as in WebDataset. The keys of a `.json` member are columns
too, except where a member has that suffix; `.txt` and `.cls` are texts, and pictures are bytes. The
column `__pictures__` has all pictures of the row in the order of the tar, and `__key__` the key.
"""

import json
from collections.abc import Iterator, Sequence
from tarfile import TarInfo
from typing import BinaryIO

from instructify._util.errors import UserError
from instructify._util.file_names import is_stray
from instructify.readers.base import CHUNK_ROWS, RawFile, unreadable
from instructify.readers.rows import Cells, Rows
from instructify.readers.table_cells import Fault
from instructify.readers.tar_members import tar_members
from instructify.rejects import Reject

PICTURES = "__pictures__"
KEY = "__key__"
_PICTURE_SUFFIXES = ("jpg", "jpeg", "png", "gif", "webp", "bmp", "ppm", "img", "image")
_TEXT_SUFFIXES = ("txt", "text", "cls", "cap", "caption", "question", "answer", "id")
_BATCH_BYTES = 32 << 20
_MAX_MEMBER = 1 << 28
_MAX_TEXT = 16 << 20


def tar_rows(file: RawFile, columns: Sequence[str]) -> Iterator[Rows]:
    """Stream the rows of a tar."""
    try:
        handle = file.path.open("rb")
    except OSError as error:
        raise unreadable(file, error) from error
    with handle:
        yield from _batches(file, handle)


def _batches(file: RawFile, handle: BinaryIO) -> Iterator[Rows]:
    collected = _Collected(file, handle)
    for member in tar_members(file, handle):
        if isinstance(member, Fault):
            collected.finish_row()
            collected.rejects.append(Reject(file.name, collected.position, None, *member))
            break
        collected.take(member)
        if collected.is_full:
            yield collected.hand_out()
    collected.finish_row()
    if not collected.position and not collected.rejects:
        raise UserError(f"{file.name} is an empty tar; fetch it again.")
    yield collected.hand_out()


class _Collected:
    """Complete rows that were not returned yet, and the row that is being read."""

    def __init__(self, file: RawFile, handle: BinaryIO) -> None:
        self.position = 0
        self.rejects: list[Reject] = []
        self._file = file
        self._handle = handle
        self._rows: list[tuple[int, Cells]] = []
        self._num_bytes = 0
        self._key: str | None = None
        self._cells: dict[str, object] = {}
        self._suffixes: set[str] = set()
        self._fault: tuple[str, Fault] | None = None

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= CHUNK_ROWS or self._num_bytes >= _BATCH_BYTES

    def take(self, member: TarInfo) -> None:
        """Add a member to the current row, or start the next row with it."""
        folder, _, name = member.name.rpartition("/")
        if is_stray(name) or name.startswith("."):
            return
        stem, _, suffix = name.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        if key != self._key:
            self.finish_row()
            self._key = key
            self._cells, self._suffixes = {KEY: key}, set()
        fault = self._read(member, suffix.lower())
        if fault is not None:
            self._fault = self._fault or (suffix, fault)

    def finish_row(self) -> None:
        """Complete the current row."""
        if self._key is None:
            return
        if self._fault is None:
            self._rows.append((self.position, self._cells))
        else:
            field, fault = self._fault
            self.rejects.append(Reject(self._file.name, self.position, field, *fault))
        self.position += 1
        self._key, self._fault = None, None

    def hand_out(self) -> Rows:
        rows = Rows(self._rows, self.rejects)
        self._rows, self.rejects, self._num_bytes = [], [], 0
        return rows

    def _read(self, member: TarInfo, suffix: str) -> Fault | None:
        kind = suffix.rpartition(".")[2]
        is_picture = kind in _PICTURE_SUFFIXES
        if not is_picture and kind != "json" and kind not in _TEXT_SUFFIXES:
            return None
        if suffix in self._suffixes:
            return Fault("bad-value", f"the tar holds {member.name[:200]} twice")
        if member.size > (_MAX_MEMBER if is_picture else _MAX_TEXT):
            return Fault("bad-value", f"{member.name[:200]} has {member.size:,} bytes")
        place = self._handle.tell()
        self._handle.seek(member.offset_data)
        data = self._handle.read(member.size)
        self._handle.seek(place)
        if len(data) < member.size:
            return Fault("cut-off", f"the tar ends within {member.name[:200]}")
        self._num_bytes += len(data)
        self._suffixes.add(suffix)
        if is_picture:
            self._cells[suffix] = data
            pictures = self._cells.setdefault(PICTURES, [])
            if isinstance(pictures, list):
                pictures.append(data)
            return None
        return self._take_text(suffix, kind, data)

    def _take_text(self, suffix: str, kind: str, data: bytes) -> Fault | None:
        text = data.decode("utf-8", "surrogateescape")
        if kind != "json":
            self._cells[suffix] = text
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return Fault("malformed-json", f"the member .{suffix[:40]} is no JSON")
        self._cells[suffix] = value
        if isinstance(value, dict):
            for name, item in value.items():
                self._cells.setdefault(name, item)
        return None
