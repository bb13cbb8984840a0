"""The picture store: every distinct content once, original bytes, in Arrow shards by hash.

A commit cuts its new contents into as many shards as their bytes ask for, by the first bits of the
hash, sorted inside. A shard is named by its number and by what it holds, so its name, and the row
of each picture, are known before it is written. Later commits append shards and touch no old one.
"""

import hashlib
import itertools
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.shards import FileFacts, hash_file, read_arrow, stream_arrow
from instructify.pictures.index import Gathered
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import MAX_CLIP_BYTES, Problem, SourceReader
from instructify.pictures.tables import PICTURE_INDEX_SCHEMA, STORE_SCHEMA, Known

Mode = Literal["store", "reference"]

SHARD_BYTES = 1 << 29
_BATCH_ROWS = 256
_BATCH_BYTES = 1 << 26
_ROW_BYTES = 160  # hash, kind, offsets and padding of a row, rounded up

_CONTENT = ["sha256", "kind", "size_bytes", "root", "file", "offset"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreUnit:
    """Write one shard from rows [start, stop) of a file that lists the new contents."""

    contents: Path
    start: int
    stop: int
    content_bytes: int
    target: Path
    roots: Roots


class StorePlan(NamedTuple):
    """Shards to write, and the index as it will be true once they are written."""

    units: list[StoreUnit]
    index: pa.Table
    num_contents: int
    content_bytes: int

    @property
    def needed_bytes(self) -> int:
        """How much the shards still to be written will take on the disk, rounded up."""
        pending = [unit for unit in self.units if not unit.target.exists()]
        return needed_bytes(
            sum(unit.stop - unit.start for unit in pending),
            sum(unit.content_bytes for unit in pending),
        )


def plan_store(
    gathered: Gathered,
    *,
    mode: Mode,
    folder: Path,
    roots: Roots,
    staging: Path,
    known: Known | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> StorePlan:
    """Decide where every picture will lie; `folder` is the build's folder of shards."""
    stored = _stored(known)
    if mode == "reference":
        return StorePlan([], _index(gathered.found, stored), 0, 0)
    contents = _new_contents(gathered.found, stored)
    path = _write_contents(contents, staging)
    names: list[str] = []
    units: list[StoreUnit] = []
    number = _next_number(stored)
    for start, stop in _cuts(contents, shard_bytes):
        name = _shard_name(number + len(units), contents["sha256"][start:stop].to_pylist())
        names.extend([name] * (stop - start))
        units.append(
            StoreUnit(
                contents=path,
                start=start,
                stop=stop,
                content_bytes=pc.sum(contents["size_bytes"][start:stop]).as_py(),
                target=folder / name,
                roots=roots,
            )
        )
    rows = [row for unit in units for row in range(unit.stop - unit.start)]
    fresh = pa.table(
        {
            "sha256": contents["sha256"],
            "shard": pa.array(names, pa.string()),
            "row": pa.array(rows, pa.int32()),
        }
    )
    index = _index(gathered.found, pa.concat_tables([stored, fresh]).combine_chunks())
    return StorePlan(units, index, contents.num_rows, sum(unit.content_bytes for unit in units))


def run_store(unit: StoreUnit) -> FileFacts:
    """Write one shard; one that is there already, whole by its name, is only hashed."""
    rows = read_arrow(unit.contents).slice(unit.start, unit.stop - unit.start)
    if unit.target.exists():
        size = unit.target.stat().st_size
        return FileFacts(unit.target.name, rows.num_rows, size, hash_file(unit.target))
    return stream_arrow(unit.target, STORE_SCHEMA, _batches(rows, unit.roots))


def needed_bytes(num_contents: int, content_bytes: int) -> int:
    """Return the bytes that so many pictures take in the store, rounded up."""
    return content_bytes + num_contents * _ROW_BYTES + (1 << 20)


def check_space(folder: Path, bytes_needed: int) -> None:
    """Refuse to start on a disk that is too small."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < bytes_needed:
        raise UserError(
            f"the pictures need {_megabytes(bytes_needed)} below {folder}, but only "
            f"{_megabytes(free)} are free; make room, or convert with --pictures reference"
        )


def _stored(known: Known | None) -> pa.Table:
    """Return hash, shard and row of every content that the build stores already."""
    names = ["sha256", "shard", "row"]
    if known is None:
        return PICTURE_INDEX_SCHEMA.empty_table().select(names).replace_schema_metadata()
    table = known.index.select(names).replace_schema_metadata()
    return table.filter(pc.is_valid(table["shard"]))


def _new_contents(found: pa.Table, stored: pa.Table) -> pa.Table:
    """Return each content that is not stored yet once, by hash, with its first key's place."""
    table = found.select(["key", *_CONTENT])
    table = table.filter(pc.invert(pc.is_in(table["sha256"], value_set=stored["sha256"])))
    table = table.sort_by([("sha256", "ascending"), ("key", "ascending")]).combine_chunks()
    hashes = table["sha256"].to_numpy(zero_copy_only=False)
    first = np.ones(len(hashes), np.bool_)
    first[1:] = hashes[1:] != hashes[:-1]
    return table.filter(pa.array(first)).select(_CONTENT).combine_chunks()


def _write_contents(contents: pa.Table, staging: Path) -> Path:
    digest = hashlib.sha256()
    for column in ("sha256", "root", "file", "offset"):
        digest.update(repr(contents[column].to_pylist()).encode())
    path = staging / f"contents-{digest.hexdigest()[:32]}.arrow"
    if not path.exists():
        stream_arrow(path, contents.schema, contents.to_batches(65_536))
    return path


def _cuts(contents: pa.Table, shard_bytes: int) -> Iterator[tuple[int, int]]:
    """Cut the sorted contents where the first 32 bits of the hash pass equal shares of all."""
    total = pc.sum(contents["size_bytes"]).as_py() or 0
    num_shards = max(1, math.ceil(total / shard_bytes))
    hashes = contents["sha256"].to_pylist()
    prefixes = np.fromiter((int(text[:8], 16) for text in hashes), np.uint64, len(hashes))
    parts = (prefixes * np.uint64(num_shards)) >> np.uint64(32)
    edges = np.searchsorted(parts, np.arange(num_shards + 1))
    for start, stop in itertools.pairwise(edges):
        if stop > start:
            yield int(start), int(stop)


def _shard_name(number: int, hashes: Sequence[str]) -> str:
    digest = hashlib.sha256("".join(hashes).encode()).hexdigest()
    return f"{number:05}-{digest[:8]}.arrow"


def _next_number(stored: pa.Table) -> int:
    names = pc.unique(stored["shard"]).to_pylist()
    return max((int(name.partition("-")[0]) + 1 for name in names), default=0)


def _index(found: pa.Table, stored: pa.Table) -> pa.Table:
    """Make the index: what is stored points to its shard, all else to its file."""
    at = pc.index_in(found["sha256"], value_set=stored["sha256"])
    is_stored = pc.is_valid(at)
    columns = []
    for field in PICTURE_INDEX_SCHEMA:
        if field.name in ("shard", "row"):
            columns.append(stored[field.name].take(at))
        elif field.name in ("root", "file", "offset"):
            columns.append(pc.if_else(is_stored, pa.scalar(None, field.type), found[field.name]))
        else:
            columns.append(found[field.name])
    return pa.Table.from_arrays(columns, schema=PICTURE_INDEX_SCHEMA)


def _batches(rows: pa.Table, roots: Roots) -> Iterator[pa.RecordBatch]:
    """Read the pictures again and group them into batches of bounded rows and bytes."""
    held: list[tuple[str, str, bytes]] = []
    held_bytes = 0
    with SourceReader(roots) as source:
        for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
            for row in batch.to_pylist():
                data = _content(source, row)
                if held and held_bytes + len(data) > _BATCH_BYTES:
                    yield _batch(held)
                    held, held_bytes = [], 0
                held.append((row["sha256"], row["kind"], data))
                held_bytes += len(data)
                if len(held) == _BATCH_ROWS:
                    yield _batch(held)
                    held, held_bytes = [], 0
    if held:
        yield _batch(held)


def _content(source: SourceReader, row: dict[str, object]) -> bytes:
    """Read a picture; it must be what it was when it was looked at."""
    offset, size = row["offset"], row["size_bytes"]
    place = Location(str(row["root"]), str(row["file"]))
    if isinstance(offset, int) and isinstance(size, int):
        place = place._replace(offset=offset, size_bytes=size)
    data = source.read(place, MAX_CLIP_BYTES)
    if isinstance(data, Problem):
        raise UserError(f"{data.detail}; it changed during the conversion, run it again")
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise UserError(f"{place.file} changed during the conversion; run it again")
    return data


def _batch(held: Sequence[tuple[str, str, bytes]]) -> pa.RecordBatch:
    columns = zip(*held, strict=True)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, STORE_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=STORE_SCHEMA)


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"
