"""Check the rows of a picture index when a build is opened, since the build may be a stranger's.

The index is the only table whose values become file names: the shard that stores a picture, the
file that contains it, and, in an export, the name under which its bytes are written.
"""

import hashlib
import re
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.shards import read_arrow
from instructify.pictures.sources import MAX_CLIP_BYTES
from instructify.pictures.tables import STORE_SCHEMA

KINDS = ("jpeg", "png", "gif", "webp", "bmp", "avi", "mp4", "webm", "mkv", "flv")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9]{5,9}-[0-9a-f]{8}\.arrow")
_MAX_OFFSET = 1 << 53
_MAX_ROW = (1 << 31) - 1


class IndexRow(Protocol):
    """What the index says about a picture or clip."""

    @property
    def sha256(self) -> str: ...
    @property
    def media(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def shard(self) -> str | None: ...
    @property
    def row(self) -> int | None: ...
    @property
    def file(self) -> str | None: ...
    @property
    def offset(self) -> int | None: ...


def check_index_row(row: IndexRow) -> None:
    """Raise UserError for a row that no conversion writes; the message names the fault."""
    fault = _fault(row)
    if fault is not None:
        raise UserError(
            f"the picture index of this build is damaged: {fault}; "
            "`instructify verify` says what else is."
        )


def check_index(table: pa.Table) -> None:
    """Check all rows of a table of places, before a conversion builds on them."""
    faults = [
        (column, value)
        for column, pattern in (
            ("sha256", f"^{_SHA256.pattern}$"),
            ("shard", f"^{_SHARD.pattern}$"),
            ("file", r"^[^/\0][^\0]*$"),
            ("kind", f"^({'|'.join(KINDS)})$"),
            ("media", "^(image|video)$"),
        )
        if column in table.column_names
        for value in _unlike(table[column], pattern).slice(0, 1).to_pylist()
    ]
    climbing = _alike(table["file"], r"(^|/)\.\.(/|$)")
    faults += [("file", value) for value in climbing.slice(0, 1).to_pylist()]
    faults += [
        (column, value)
        for column, most in (
            ("size_bytes", MAX_CLIP_BYTES),
            ("row", _MAX_ROW),
            ("offset", _MAX_OFFSET),
        )
        if column in table.column_names
        for value in _beyond(table[column], most).slice(0, 1).to_pylist()
    ]
    for column, value in faults:
        raise UserError(
            f"the picture index of this build is damaged: {value!r:.80} is no {column} of a "
            "picture; make the build anew in another folder."
        )


def stored_hashes(shard: Path) -> pa.ChunkedArray:
    """Read the hashes of a shard of the store, a row for each picture.

    UserError where it is no such shard.
    """
    return read_arrow(shard, STORE_SCHEMA)["sha256"]


def count_other_contents(shard: Path) -> int:
    """Count the rows of a shard of the store whose bytes are not those of their hash.

    UserError where it is no such shard.
    """
    rows = read_arrow(shard, STORE_SCHEMA)
    return sum(
        not is_content(memoryview(data.as_buffer()), sha256.as_py())
        for sha256, data in zip(rows["sha256"], rows["data"], strict=True)
    )


def is_content(data: bytes | memoryview, sha256: str) -> bool:
    """Return whether bytes have the hash that the index gives."""
    return hashlib.sha256(data).hexdigest() == sha256


def _fault(row: IndexRow) -> str | None:
    if row.sha256 is None or not _SHA256.fullmatch(row.sha256):
        return f"{row.sha256!r:.80} is no sha256"
    if row.kind not in KINDS or row.media not in ("image", "video"):
        return f"{row.kind!r:.40} is no kind of {row.media!r:.40}"
    if row.size_bytes is None or not 0 <= row.size_bytes <= MAX_CLIP_BYTES:
        return f"a picture of {row.size_bytes} bytes"
    if row.shard is not None:
        if not _SHARD.fullmatch(row.shard):
            return f"{row.shard!r:.80} is no shard of the picture store"
        return None if row.row is not None and row.row >= 0 else f"row {row.row} of a shard"
    if row.file is None or not _is_below(row.file):
        return f"{row.file!r:.80} is no file below a picture folder"
    if row.offset is not None and not 0 <= row.offset <= _MAX_OFFSET:
        return f"offset {row.offset} in a tar"
    return None


def _unlike(values: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return values.filter(pc.invert(pc.match_substring_regex(values, pattern)))


def _alike(values: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return values.filter(pc.match_substring_regex(values, pattern))


def _beyond(values: pa.ChunkedArray, most: int) -> pa.ChunkedArray:
    return values.filter(pc.or_(pc.less(values, 0), pc.greater(values, most)))


def _is_below(name: str) -> bool:
    return bool(name) and name[0] != "/" and "\0" not in name and ".." not in name.split("/")
