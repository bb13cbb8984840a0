"""Read pictures of a build by key: facts, original bytes, or RGB.

Rows are reached by batch and offset, directly in memory-mapped files. Several threads, and
processes forked from the one that opened the store, may read it: whatever is opened lazily is only
replaced as a whole. Pictures that the build refers to are read from their folders.
"""

import bisect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from struct import calcsize
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts
from instructify._util.shards import map_file
from instructify.pictures.checked import check_index_row, is_content
from instructify.pictures.decode import Exif, to_rgb
from instructify.pictures.key_order import hashes_of
from instructify.pictures.roots import Location, Roots, load_roots
from instructify.pictures.sources import MAX_CLIP_BYTES, Problem, SourceReader
from instructify.pictures.tables import STORE_SCHEMA, read_index, validate
from instructify.pictures.video import ClipFrames, frames

Content = bytes  # a name for the type where the method `bytes` hides it


class StoredFacts(NamedTuple):
    """A row of the index."""

    key: str
    media: str
    sha256: str
    phash: int | None
    width: int
    height: int
    kind: str
    size_bytes: int
    shard: str | None
    row: int | None
    root: str | None
    file: str | None
    offset: int | None


class _Batches(NamedTuple):
    """The batches of a file and the number of the first row of each."""

    batches: tuple[pa.RecordBatch, ...]
    starts: tuple[int, ...]

    def number(self, row: int) -> int:
        return bisect.bisect_right(self.starts, row) - 1

    def row(self, number: int) -> pa.RecordBatch:
        at = self.number(number)
        return self.batches[at].slice(number - self.starts[at], 1)


class _Texts(NamedTuple):
    """A column of texts or bytes, reached through its buffers without making Arrow objects."""

    starts: tuple[int, ...]
    offsets: tuple[memoryview, ...]
    data: tuple[memoryview, ...]

    @classmethod
    def of(cls, batches: _Batches, column: str, offset_format: Literal["i", "q"]) -> "_Texts":
        """Take a column; the format of its offsets is `i`, or `q` for the large types."""
        offsets: list[memoryview] = []
        data: list[memoryview] = []
        for batch in batches.batches:
            array = batch.column(column)
            _, ends, values = array.buffers()
            if ends is None or len(ends) < (array.offset + len(array) + 1) * calcsize(
                offset_format
            ):
                raise pa.ArrowInvalid(f"the offsets of {column} are cut")
            offsets.append(memoryview(ends).cast("B").cast(offset_format)[array.offset :])
            data.append(memoryview(values or b"").cast("B"))
        return cls(batches.starts, tuple(offsets), tuple(data))

    def value(self, row: int) -> bytes:
        at = bisect.bisect_right(self.starts, row) - 1
        inside = row - self.starts[at]
        offsets = self.offsets[at]
        if at < 0 or inside >= len(offsets) - 1:
            return b""  # a row that a damaged index makes up
        return bytes(self.data[at][offsets[inside] : offsets[inside + 1]])


class PictureStore:
    """The pictures of a build. Open one with `PictureStore.open`."""

    def __init__(
        self,
        index: Sequence[Path],
        roots: Roots | None,
        shard: Callable[[str], Path],
    ) -> None:
        self._parts = tuple(index)
        batches: list[pa.RecordBatch] = []
        self._paths: list[Path] = []  # of the part that each batch is of
        for path in index:
            part = read_index(path, validated=False).to_batches()
            batches += part
            self._paths += [path] * len(part)
        self._index = _batches_of(batches)
        self._hashes = [hashes_of(batch) for batch in batches]
        self._lowest = [int(hashes[0]) if len(hashes) else 0 for hashes in self._hashes]
        self._untouched = set(range(len(batches)))
        self._num_rows: int = sum(batch.num_rows for batch in batches)
        self._roots = roots
        self._shard_path = shard
        self._shards: dict[str, _Texts] = {}

    @classmethod
    def open(
        cls,
        build: Path,
        *,
        index: Sequence[Path] | None = None,
        roots: Roots | None = None,
        shard: Callable[[str], Path] | None = None,
    ) -> "PictureStore":
        """Open the pictures of a build.

        `index` are the parts of the index, needed while there are several indices; `roots` are
        needed where the build refers to pictures and they have moved since the conversion, `shard`
        where shards are not in their places.
        """
        folder = build / "pictures"
        return cls(
            index if index is not None else _only_index(folder),
            roots if roots is not None else load_roots(build),
            shard if shard is not None else folder.joinpath,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the places of the files, which the other process maps again."""
        return type(self), (self._parts, self._roots, self._shard_path)

    def __len__(self) -> int:
        return self._num_rows

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def key_at(self, row: int) -> str:
        """Return the key of a row of the index, which is sorted by the keys' hashes."""
        at = self._touched(self._index.number(row))
        return str(self._index.batches[at].column("key")[row - self._index.starts[at]].as_py())

    def facts(self, key: str) -> StoredFacts:
        """Return what the index says of a picture; raises KeyError."""
        row = self._find(key)
        if row is None:
            raise KeyError(key)
        index_row = self._index.row(row)
        facts = StoredFacts(*(index_row.column(name)[0].as_py() for name in StoredFacts._fields))
        check_index_row(facts)
        return facts

    def bytes(self, key: str) -> Content:
        """Return the original bytes of a picture or clip, checked by hash; raises KeyError."""
        facts = self.facts(key)
        if facts.shard is None or facts.row is None:
            return self._referenced(facts)
        data = self._shard(facts.shard).value(facts.row)
        if not is_content(data, facts.sha256):
            raise _damaged(self._shard_path(facts.shard))
        return data

    def image(self, key: str, *, exif: Exif = "ignore") -> Image.Image:
        """Decode a picture to RGB; raises KeyError."""
        return to_rgb(self.bytes(key), exif=exif)

    def frames(self, key: str, num_frames: int) -> ClipFrames:
        """Decode frames of a clip to RGB; raises KeyError."""
        return frames(self.bytes(key), num_frames)

    def _find(self, key: str) -> int | None:
        """Find the row of a key by its hash, which a second key may share."""
        wanted = int(hash_texts([key])[0])
        at = max(0, bisect.bisect_left(self._lowest, wanted) - 1)
        while at < len(self._hashes) and self._lowest[at] <= wanted:
            hashes = self._hashes[at]
            place = int(np.searchsorted(hashes, np.uint64(wanted)))
            while place < len(hashes) and int(hashes[place]) == wanted:
                keys = self._index.batches[self._touched(at)].column("key")
                if keys[place].as_py() == key:
                    return self._index.starts[at] + place
                place += 1
            at += 1
        return None

    def _touched(self, number: int) -> int:
        """Validate a batch before anything but numbers is read of it; returns its number."""
        if number in self._untouched:
            validate(self._index.batches[number], self._paths[number])
            self._untouched.discard(number)
        return number

    def _shard(self, name: str) -> _Texts:
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards[name] = _open_shard(self._shard_path(name))
        return shard

    def _referenced(self, facts: StoredFacts) -> Content:
        if self._roots is None:
            raise UserError(
                f"the build refers to pictures in folders outside it and {facts.key} is one; "
                "say where they lie now (the raw root, then each --images folder)"
            )
        size = facts.size_bytes if facts.offset is not None else None
        place = Location(facts.root or "", facts.file or "", facts.offset, size)
        with SourceReader(self._roots) as source:
            data = source.read(place, MAX_CLIP_BYTES)
        if isinstance(data, Problem) or not is_content(data, facts.sha256):
            path = self._roots.path(place.root, place.file)
            raise UserError(f"{path} is gone or changed since the conversion; convert again")
        return data


def _only_index(folder: Path) -> list[Path]:
    """Find the parts of the only index of a folder."""
    parts = sorted(folder.glob("index-*.arrow"))
    numbers = [path.name.split("-")[1] for path in parts]
    if not parts or numbers != [f"{number:03}" for number in range(len(parts))]:
        raise UserError(
            f"{folder} holds {len(parts)} parts of picture indices, all of one index are needed; "
            f"run `instructify verify {os.fspath(folder.parent)}`"
        )
    return parts


def _open_shard(path: Path) -> _Texts:
    """Map a shard; its batches stay views of the mapped file."""
    try:
        with map_file(path) as source:
            options = pa.ipc.IpcReadOptions(use_threads=False)
            reader = pa.ipc.open_file(source, options=options)
            if not reader.schema.equals(STORE_SCHEMA):
                raise pa.ArrowInvalid("other columns")
            batches = [reader.get_batch(at) for at in range(reader.num_record_batches)]
            return _Texts.of(_batches_of(batches), "data", "q")
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is damaged or missing; run `instructify verify` on its build")


def _batches_of(batches: Sequence[pa.RecordBatch]) -> _Batches:
    starts: list[int] = []
    total = 0
    for batch in batches:
        starts.append(total)
        total += batch.num_rows
    return _Batches(tuple(batches), tuple(starts))
