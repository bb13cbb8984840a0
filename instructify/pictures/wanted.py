"""First step of the passes: list the picture keys that a shard of records names, each once.

A unit reads one shard of records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.shards import read_arrow, valid_arrow
from instructify.pictures.key_order import (
    KeyRange,
    Rows,
    first_of_each,
    numbers,
    read_range,
    sorted_by_hash,
    taken,
    with_hashes,
)
from instructify.pictures.tables import KEY_SCHEMA, write_work
from instructify.schema import RECORD_SCHEMA

Bools = NDArray[np.bool_]

_WORD_BITS = 62  # releases that are counted in one number
_COLUMNS = pa.schema([RECORD_SCHEMA.field("pictures")])


class RecordShard(NamedTuple):
    """A file of records, identified by its content, with its release and split."""

    path: Path
    sha256: str
    release: str
    split: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysUnit:
    """List the keys of one shard of records."""

    shard: RecordShard
    staging: Path


class Keys(NamedTuple):
    """The distinct keys of a shard, sorted by hash, in a file of `KEY_SCHEMA`."""

    path: Path
    num_keys: int
    release: str
    split: str


def run_keys(unit: KeysUnit) -> Keys:
    """List the keys of a shard of records."""
    shard = unit.shard
    path = unit.staging / f"keys-{shard.sha256[:32]}.arrow"
    records = valid_arrow(read_arrow(shard.path).select(["pictures"]), _COLUMNS, shard.path)
    keys = pc.unique(pc.list_flatten(records.column("pictures"))).cast(pa.string())
    table = with_hashes(keys).cast(KEY_SCHEMA)
    return Keys(write_work(path, table), table.num_rows, shard.release, shard.split)


class NamedBy(NamedTuple):
    """Rows of keys that the same releases name."""

    releases: tuple[str, ...]
    rows: Rows


class WantedKeys(NamedTuple):
    """The keys of a range that any record names, each once, and which releases name them."""

    table: pa.Table  # of KEY_SCHEMA
    groups: list[NamedBy]


def read_wanted(keys: Sequence[Keys], part: KeyRange) -> WantedKeys:
    """Merge the keys of a range; releases are in the order in which `keys` first has them."""
    releases = list(dict.fromkeys(key.release for key in keys))
    pieces = []
    for number, release in enumerate(releases):
        paths = [key.path for key in keys if key.release == release]
        distinct = _distinct(read_range(paths, part, KEY_SCHEMA))
        owner = pa.repeat(pa.scalar(number, pa.int32()), distinct.num_rows)
        pieces.append(distinct.append_column("release", owner))
    if not pieces:
        return WantedKeys(KEY_SCHEMA.empty_table(), [])
    merged = pieces[0] if len(pieces) == 1 else sorted_by_hash(pa.concat_tables(pieces))
    first = first_of_each(merged)
    table = taken(merged.select(KEY_SCHEMA.names), np.flatnonzero(first)).cast(KEY_SCHEMA)
    return WantedKeys(table, _groups(first, numbers(merged["release"]), releases))


def _groups(first: Bools, owners: NDArray[np.int32], releases: Sequence[str]) -> list[NamedBy]:
    """Group keys by the set of releases that name them, kept as bits of numbers."""
    starts = np.flatnonzero(first)
    if not len(starts):
        return []
    if len(releases) == 1:
        return [NamedBy(tuple(releases), np.arange(len(starts)))]
    words = []
    for low in range(0, len(releases), _WORD_BITS):
        inside = (owners >= low) & (owners < low + _WORD_BITS)
        shifts = np.where(inside, owners - low, 0).astype(np.int64)  # of 32 bits it would overflow
        bits = np.where(inside, np.left_shift(np.int64(1), shifts), 0)
        words.append(np.bitwise_or.reduceat(bits, starts))
    if len(words) == 1:
        sets, of_key = np.unique(words[0], return_inverse=True)
        sets = sets.reshape(-1, 1)
    else:
        sets, of_key = np.unique(np.stack(words, axis=1), axis=0, return_inverse=True)
    groups = []
    for number, row in enumerate(sets.tolist()):
        named = tuple(
            name
            for at, name in enumerate(releases)
            if row[at // _WORD_BITS] >> (at % _WORD_BITS) & 1
        )
        groups.append(NamedBy(named, np.flatnonzero(of_key.reshape(-1) == number)))
    return groups


def _distinct(table: pa.Table) -> pa.Table:
    table = sorted_by_hash(table)
    return taken(table, np.flatnonzero(first_of_each(table)))
