"""Pictures and clips of a build as bytes, looked up for whole batches of samples.

Nothing is decoded. Bytes of the store are read by offset straight into the target buffer, so that
no mapped page counts as memory of the export. Bytes that the build only refers to must still have
the hash that the build records.
"""

import hashlib
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts
from instructify._util.shards import map_file
from instructify.build import Build
from instructify.exporting.options import PictureFolders
from instructify.pictures import (
    MAX_CLIP_BYTES,
    STORE_SCHEMA,
    Location,
    Problem,
    Roots,
    SourceReader,
    check_index_row,
    is_content,
    load_roots,
    read_index,
    validate,
)

_SUFFIXES = {"jpeg": "jpg"}
_PIECE_BYTES = 4 << 20
_LOOK_UP_ROWS = 1_024


class Content(NamedTuple):
    """One picture or clip: its hash and kind, and where its bytes are."""

    sha256: str
    media: str
    kind: str
    size_bytes: int
    shard: str | None
    row: int | None
    root: str | None
    file: str | None
    offset: int | None

    @property
    def suffix(self) -> str:
        """The file suffix for the kind of the bytes, whatever the name of the raw file."""
        return _SUFFIXES.get(self.kind, self.kind)

    @property
    def file_name(self) -> str:
        """The file name of the content: its sha256 and the suffix."""
        return f"{self.sha256}.{self.suffix}"


class Contents:
    """All contents of a build; a context manager, not thread-safe."""

    def __init__(self, build: Build, folders: PictureFolders) -> None:
        if not build.manifest.pictures.looked_at:
            raise UserError(
                f"{build.paths.root} was made without pictures; export its text alone with "
                "--no-pictures, or convert again with --pictures store."
            )
        self._root = build.paths.root
        self._build = build
        self._index: list[pa.RecordBatch] = []
        self._paths: list[Path] = []  # the index part of each batch
        for path in build.index_parts():
            batches = [rows for rows in read_index(path, validated=False).to_batches() if len(rows)]
            self._index += batches
            self._paths += [path] * len(batches)
        self._untouched = set(range(len(self._index)))
        self._ends = np.cumsum([batch.num_rows for batch in self._index], dtype=np.int64)
        # The rows are sorted by the hashes of their keys, which stay in the mapped files.
        self._hashes = [
            self._whole_numbers(self._valid(batch, ["key_hash"], path).column("key_hash"))
            for batch, path in zip(self._index, self._paths, strict=True)
        ]
        self._lowest = np.array([hashes[0] for hashes in self._hashes], np.uint64)
        self._roots = _roots(build, folders)
        self._stack = ExitStack()
        self._shards: dict[str, _StoreShard] = {}
        self._source: SourceReader | None = None

    @property
    def num_keys(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __enter__(self) -> "Contents":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def rows_of(self, keys: pa.Array) -> NDArray[np.int64]:
        """Find the rows of the index that hold these keys."""
        hashes = hash_texts(keys)
        rows = np.full(len(hashes), -1, np.int64)
        batch_of = np.searchsorted(self._lowest, hashes, "right") - 1
        for at in np.unique(batch_of[batch_of >= 0]).tolist():
            wanted = np.flatnonzero(batch_of == at)
            batch = self._touched(at)
            places = np.searchsorted(self._hashes[at], hashes[wanted])
            places = np.minimum(places, batch.num_rows - 1)
            there = batch.column("key").take(row_numbers(places))
            is_key = pc.equal(there, keys.take(row_numbers(wanted))).to_numpy(zero_copy_only=False)
            first = self._ends[at] - batch.num_rows
            rows[wanted[is_key]] = first + places[is_key]
        for number in np.flatnonzero(rows < 0).tolist():
            rows[number] = self._row_behind_another(hashes[number], keys[number].as_py())
        return rows

    def _row_behind_another(self, key_hash: np.uint64, key: str) -> int:
        """Find the row of a key that shares its hash with another key."""
        for at, hashes in enumerate(self._hashes):
            start, stop = (
                np.searchsorted(hashes, key_hash),
                np.searchsorted(hashes, key_hash, "right"),
            )
            if start < stop:
                keys = self._touched(at).column("key").slice(start, stop - start).to_pylist()
                if key in keys:
                    first = self._ends[at] - len(hashes)
                    return int(first + start + keys.index(key))
        raise UserError(
            f"{self._root} has a sample with the picture {key!r}, "
            f"which its index lacks; see `instructify verify {self._root}`."
        )

    def at(self, rows: NDArray[np.int64]) -> list[Content]:
        """Read these rows of the index in the given order, each distinct row once."""
        distinct, place = np.unique(rows, return_inverse=True)
        contents = list(self._in_order(distinct))
        return [contents[at] for at in place.tolist()]

    def of_batch(self, pictures: pa.ListArray) -> list[list[Content]]:
        """Find the contents of each sample of a batch."""
        flat = self.at(self.rows_of(pictures.flatten()))
        ends = list(itertools.accumulate(pictures.value_lengths().to_pylist()))
        starts = [0, *ends[:-1]]
        return [flat[start:end] for start, end in zip(starts, ends, strict=True)]

    def sizes_of(self, pictures: pa.ListArray) -> list[int]:
        """Return how many bytes the contents of each sample of a batch have together."""
        rows, place = np.unique(self.rows_of(pictures.flatten()), return_inverse=True)
        columns = [self._whole_numbers(column) for column in self._column("size_bytes", rows)]
        ends = np.cumsum(np.concatenate([np.zeros(0, np.int64), *columns])[place])
        stops = np.cumsum(pictures.value_lengths().to_numpy(zero_copy_only=False))
        totals = np.concatenate([[0], ends])[stops]
        sizes: list[int] = np.diff(totals, prepend=0).tolist()
        return sizes

    def first_bytes(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the first byte of the hash of each of these sorted, distinct rows."""
        starts = [
            pc.utf8_slice_codeunits(column, 0, 2).dictionary_encode()
            for column in self._column("sha256", rows)
        ]
        digits = [
            np.array(list(map(self._byte, start.dictionary.to_pylist())), np.uint8)[
                self._whole_numbers(start.indices)
            ]
            for start in starts
        ]
        return np.concatenate([np.zeros(0, np.uint8), *digits])

    def _byte(self, digits: str) -> int:
        if not re.fullmatch("[0-9a-f]{2}", digits):
            raise _damaged_index(self._root)
        return int(digits, 16)

    def _whole_numbers(self, column: pa.Array) -> NDArray[Any]:
        """Return a column of the index that can't be null."""
        if column.null_count:
            raise _damaged_index(self._root)
        return np.asarray(column)

    def _column(self, name: str, rows: NDArray[np.int64]) -> Iterator[pa.Array]:
        """Yield the values of a column in some sorted, distinct rows, batch by batch."""
        for batch, places in self._split(rows):
            yield batch.column(name).take(row_numbers(places))

    def in_store_order(self, rows: NDArray[np.int64]) -> Iterator[Content]:
        """Yield the contents of distinct, sorted rows of the index in the order of the disk.

        Contents that are not in the store come first, in the order of the index.
        """
        shards: dict[str, int] = {}
        codes = np.full(len(rows), -1, np.int32)
        numbers = np.zeros(len(rows), np.int32)
        num_done = 0
        for batch, places in self._split(rows):
            taken = batch.select(["shard", "row"]).take(row_numbers(places))
            stored = np.flatnonzero(taken.column("shard").is_valid().to_numpy(False))
            names = taken.column("shard").take(row_numbers(stored)).dictionary_encode()
            shard_names = names.dictionary.to_pylist()
            shard_codes = [shards.setdefault(name, len(shards)) for name in shard_names]
            if shard_codes:
                codes[num_done + stored] = np.array(shard_codes, np.int32)[names.indices.to_numpy()]
            numbers[num_done + stored] = taken.column("row").take(row_numbers(stored)).to_numpy()
            num_done += len(places)
        ordered = rows[np.lexsort((numbers, codes))]
        for start in range(0, len(ordered), _LOOK_UP_ROWS):
            yield from self.at(ordered[start : start + _LOOK_UP_ROWS])

    def read_into(self, content: Content, target: memoryview) -> None:
        """Read the bytes into a buffer of exactly their size."""
        if content.shard is None or content.row is None:
            target[:] = self._referenced(content)
            return
        shard = self._shard(content.shard)
        shard.read_into(content, target)
        if not is_content(target, content.sha256):
            raise _damaged(shard.path)

    def copy_to(self, content: Content, descriptor: int) -> None:
        """Write the bytes to a file in pieces."""
        if content.shard is None or content.row is None:
            write_all(descriptor, self._referenced(content))
            return
        piece = memoryview(bytearray(min(_PIECE_BYTES, content.size_bytes)))
        shard = self._shard(content.shard)
        digest = hashlib.sha256()
        for start in range(0, content.size_bytes, _PIECE_BYTES):
            part = piece[: min(_PIECE_BYTES, content.size_bytes - start)]
            shard.read_into(content, part, start)
            digest.update(part)
            write_all(descriptor, part)
        if digest.hexdigest() != content.sha256:
            raise _damaged(shard.path)

    def _in_order(self, rows: NDArray[np.int64]) -> Iterator[Content]:
        for batch, places in self._split(rows):
            taken = batch.select(list(Content._fields)).take(row_numbers(places))
            for content in map(Content, *(column.to_pylist() for column in taken.columns)):
                check_index_row(content)
                yield content

    def _valid(self, batch: pa.RecordBatch, columns: list[str], path: Path) -> pa.RecordBatch:
        chosen = batch.select(columns)
        validate(chosen, path)
        return chosen

    def _split(self, rows: NDArray[np.int64]) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
        """Split sorted rows by the batches of the index, which as a whole is too large for take."""
        edges = np.searchsorted(rows, self._ends)
        start = 0
        for at, (batch, end, edge) in enumerate(zip(self._index, self._ends, edges, strict=True)):
            if edge > start:
                yield self._touched(at), rows[start:edge] - (end - batch.num_rows)
            start = edge

    def _touched(self, at: int) -> pa.RecordBatch:
        """Return a batch of the index, validated when it is first used."""
        if at in self._untouched:
            validate(self._index[at], self._paths[at])
            self._untouched.discard(at)
        return self._index[at]

    def _shard(self, name: str) -> "_StoreShard":
        if name not in self._shards:
            shard = _StoreShard(self._build.store_shard(name))
            self._stack.callback(shard.close)
            self._shards[name] = shard
        return self._shards[name]

    def _referenced(self, content: Content) -> bytes:
        if self._roots is None:
            raise UserError(
                f"{self._root} refers to pictures in folders outside it; say where they are now: "
                "--raw DIR, then each --images DIR as at the conversion."
            )
        if self._source is None:
            self._source = self._stack.enter_context(SourceReader(self._roots))
        size = content.size_bytes if content.offset is not None else None
        place = Location(content.root or "", content.file or "", content.offset, size)
        data = self._source.read(place, MAX_CLIP_BYTES)
        if isinstance(data, Problem) or not is_content(data, content.sha256):
            path = self._roots.path(place.root, place.file)
            raise UserError(
                f"{path} is gone or changed since the conversion; give --raw DIR or --images DIR "
                "where the folder has moved, or convert again."
            )
        return data


class _StoreShard:
    """A shard of the store: the offset of each content in the file, and a descriptor to read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with map_file(path) as source:
                base = source.read_buffer(1).address
                source.seek(0)
                reader = pa.ipc.open_file(source)
                if not reader.schema.equals(STORE_SCHEMA):
                    raise pa.ArrowInvalid("other columns")
                numbers = range(reader.num_record_batches)
                columns = [reader.get_batch(at).column("data") for at in numbers]
                self._starts, self._sizes = _extents(columns, base)
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path) from error

    def read_into(self, content: Content, target: memoryview, start: int = 0) -> None:
        """Read bytes of a content from `start` on into `target`."""
        row = content.row or 0
        if not 0 <= row < len(self._starts) or self._sizes[row] != content.size_bytes:
            raise _damaged(self.path)
        place = int(self._starts[row]) + start
        while target:
            size = os.preadv(self._descriptor, [target], place)
            if size == 0:
                raise _damaged(self.path)
            target = target[size:]
            place += size

    def close(self) -> None:
        os.close(self._descriptor)


def row_numbers(rows: NDArray[np.int64]) -> pa.Array:
    """Make an Arrow array of row numbers; `pa.array` and `to_numpy` would import pandas."""
    whole = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(whole), [None, pa.py_buffer(whole)])


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all bytes; on a nearly full disk a call writes a part and the next one fails."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _extents(columns: list[pa.Array], base: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the offset of each value in the mapped file, and its size."""
    starts, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for column in columns:
        if not len(column):
            continue
        _, offsets, data = column.buffers()
        if offsets is None or len(offsets) < 8 * (column.offset + len(column) + 1) or data is None:
            raise pa.ArrowInvalid("the offsets of the data are cut")
        places = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
        starts.append(places[:-1] + (data.address - base))
        sizes.append(np.diff(places))
    return np.concatenate(starts), np.concatenate(sizes)


def _roots(build: Build, folders: PictureFolders) -> Roots | None:
    if folders.raw is not None:
        return Roots.resolve(folders.raw, folders.images)
    if folders.images:
        raise UserError("--images needs --raw too: give the folders as at the conversion.")
    return load_roots(build.paths.root) if build.manifest.pictures.referenced else None


def _damaged_index(build: Path) -> UserError:
    return UserError(
        f"the picture index of {build} is damaged; `instructify verify {build}` says what else is."
    )


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is missing or damaged; `instructify verify` says what else is.")
