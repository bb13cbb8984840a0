"""The picture store: every distinct content once, as original bytes, in Arrow shards by hash.

A commit divides its new contents by the first bits of the hash into shards of bounded size, each
sorted. A shard gets its number when all shards are written, and its name contains a hash of its
content. Later commits add shards and leave existing ones unchanged.
"""

import hashlib
import itertools
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from instructify._util.errors import UserError
from instructify._util.shards import FileFacts, hash_file, read_arrow, stream_arrow
from instructify.pictures.contents import Contents
from instructify.pictures.key_order import KeyRange, numbers, one_array
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import MAX_CLIP_BYTES, Problem, SourceReader
from instructify.pictures.tables import STORE_SCHEMA

SHARD_BYTES = 1 << 29
_BATCH_ROWS = 256
_BATCH_BYTES = 1 << 26
_ROW_BYTES = 160  # hash, kind, offsets and padding of a row, rounded up
_PREFIXES = 1 << 32


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreUnit:
    """Write the shard of a share of all new contents: those with these first 32 bits."""

    start: int
    stop: int
    contents: tuple[Path, ...]
    roots: Roots
    staging: Path


class Stored(NamedTuple):
    """A shard where it is staged; `stem` is the part of its name that its content decides."""

    path: Path
    stem: str
    facts: FileFacts  # with no rows: there is no such content, and no file


def plan_store(
    contents: Sequence[Contents], roots: Roots, staging: Path, shard_bytes: int = SHARD_BYTES
) -> list[StoreUnit]:
    """Cut all new contents into shards of about one size."""
    total = sum(content.new_bytes for content in contents)
    if not any(content.num_new for content in contents):
        return []
    count = max(1, math.ceil(total / shard_bytes))
    edges = [-(-at * _PREFIXES // count) for at in range(count + 1)]
    units = []
    for start, stop in itertools.pairwise(edges):
        hash_range = KeyRange(start << 32, stop << 32)
        paths = tuple(
            content.new
            for content in contents
            if content.num_new and content.part.meets(hash_range)
        )
        units.append(
            StoreUnit(start=start, stop=stop, contents=paths, roots=roots, staging=staging)
        )
    return units


def run_store(unit: StoreUnit) -> Stored:
    """Write a shard; a shard that already exists is only hashed."""
    rows = _rows(unit)
    hashes = "".join(one_array(rows["sha256"]).to_pylist())
    digest = hashlib.sha256(hashes.encode()).hexdigest()
    path = unit.staging / f"shard-{digest[:32]}.arrow"
    if not rows.num_rows:
        return Stored(path, "", FileFacts(path.name, 0, 0, ""))
    if path.exists():
        facts = FileFacts(path.name, rows.num_rows, path.stat().st_size, hash_file(path))
    else:
        facts = stream_arrow(path, STORE_SCHEMA, _batches(rows, unit.roots))
    return Stored(path, digest[:8], facts)


def named_shards(stored: Sequence[Stored], first: int) -> list[tuple[str, Stored]]:
    """Number and name the shards that are not empty."""
    full = [shard for shard in stored if shard.facts.rows]
    return [(f"{first + at:05}-{shard.stem}.arrow", shard) for at, shard in enumerate(full)]


def next_number(shards: Sequence[str]) -> int:
    """Return the first number that no shard of a build has."""
    return max((int(name.partition("-")[0]) + 1 for name in shards), default=0)


def staged_bytes(staging: Path) -> int:
    """Return the bytes of the shards that an interrupted run has written."""
    return sum(path.stat().st_size for path in staging.glob("shard-*.arrow"))


def needed_bytes(num_contents: int, content_bytes: int) -> int:
    """Return the bytes that so many pictures take in the store, rounded up."""
    return content_bytes + num_contents * _ROW_BYTES + (1 << 20)


def check_space(folder: Path, bytes_needed: int) -> None:
    """Raise UserError if the disk is too small."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < bytes_needed:
        raise UserError(
            f"the pictures need {_megabytes(bytes_needed)} below {folder}, but only "
            f"{_megabytes(free)} are free; make room, or convert with --pictures reference"
        )


def _rows(unit: StoreUnit) -> pa.Table:
    """Read the contents of a shard, sorted by their hashes."""
    pieces = []
    for path in unit.contents:
        table = read_arrow(path)
        prefixes = numbers(table["order"]) >> np.uint64(32)
        start, stop = np.searchsorted(prefixes, np.array([unit.start, unit.stop], np.uint64))
        pieces.append(table.slice(int(start), int(stop - start)))
    return pa.concat_tables(pieces)


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
    """Read a picture, whose bytes must be those that were looked at."""
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
