"""Write the problems of a range of keys for each split and shard of records that names these keys.

The table of problems is sorted by key, but a shard of samples needs only the few that its records
name. So a unit goes through a range of keys and writes its problems once for each shard that names
them, in the order of the shards. It also counts the keys of each split, and hashes the facts on
which samples depend.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.shards import read_arrow
from instructify.pictures.key_order import (
    KeyRange,
    cut,
    first_of_each,
    hashes_of,
    match,
    numbers,
    one_array,
    sorted_by_hash,
    taken,
)
from instructify.pictures.tables import KEY_SCHEMA, PROBLEM_SCHEMA, read_index, write_work
from instructify.pictures.wanted import Keys

NOTE_SCHEMA = pa.schema([("shard", pa.int32()), *PROBLEM_SCHEMA])
_DIGEST_SHIFT = np.uint64(56)  # digests are of 256 ranges of hashes, however the work is cut


@dataclass(frozen=True, kw_only=True, slots=True)
class NotesUnit:
    """Write the problems of a range of keys for the shards that name them; `keys` numbers these."""

    number: int
    part: KeyRange
    keys: tuple[Keys, ...]
    problems: Path
    staging: Path


class SplitShare(NamedTuple):
    """What a range contributes to a split: its keys, those with problems, and digests of these."""

    num_keys: int
    num_problems: int
    digests: tuple[tuple[int, str], ...]  # number of a range of hashes, and the digest of it


class Notes(NamedTuple):
    """A file of NOTE_SCHEMA, in the order of the shards, and the shares of each split."""

    path: Path
    num_rows: int
    splits: dict[str, SplitShare]


class SplitPictures(NamedTuple):
    """The pictures that a split names, and those that can't be used: their number and hash."""

    num_keys: int
    num_problems: int
    problems_sha256: str


NO_PICTURES = SplitPictures(0, 0, hashlib.sha256(b"[]").hexdigest())


def run_notes(unit: NotesUnit) -> Notes:
    """Write the notes of a range of keys."""
    problems = read_index(unit.problems)
    lines = _lines(problems)
    shards: list[pa.Table] = []
    keys: dict[str, list[pa.Table]] = {}
    for number, entry in enumerate(unit.keys):
        shard_keys = cut(read_arrow(entry.path), unit.part)
        keys.setdefault(entry.split, []).append(shard_keys)
        rows = match(shard_keys, problems)
        shard_problems = taken(problems, rows[rows >= 0]).replace_schema_metadata()
        column = pa.repeat(pa.scalar(number, pa.int32()), shard_problems.num_rows)
        if shard_problems.num_rows:
            shards.append(shard_problems.add_column(0, NOTE_SCHEMA.field("shard"), column))
    table = pa.concat_tables([NOTE_SCHEMA.empty_table(), *shards])
    splits = {name: _share(tables, problems, lines) for name, tables in keys.items()}
    path = write_work(unit.staging / f"notes-{unit.number:03}.arrow", table)
    return Notes(path, table.num_rows, splits)


def read_notes(paths: Sequence[Path], shard: int) -> pa.Table:
    """Read the problems of one shard of records out of all ranges, sorted by key."""
    pieces = [NOTE_SCHEMA.empty_table()]
    for path in paths:
        table = read_arrow(path)
        start, stop = np.searchsorted(numbers(table["shard"]), [shard, shard + 1])
        pieces.append(table.slice(int(start), int(stop - start)))
    return pa.concat_tables(pieces).select(PROBLEM_SCHEMA.names)


def sum_up(notes: Sequence[Notes]) -> dict[str, SplitPictures]:
    """Add up the shares of each split over all ranges."""
    names = dict.fromkeys(name for note in notes for name in note.splits)
    shares = {name: [note.splits[name] for note in notes if name in note.splits] for name in names}
    return {
        name: SplitPictures(
            num_keys=sum(share.num_keys for share in split_shares),
            num_problems=sum(share.num_problems for share in split_shares),
            problems_sha256=_digest_of(split_shares),
        )
        for name, split_shares in shares.items()
    }


def _share(keys: Sequence[pa.Table], problems: pa.Table, lines: pa.Array) -> SplitShare:
    table = keys[0] if len(keys) == 1 else sorted_by_hash(pa.concat_tables(keys))
    distinct = taken(table, np.flatnonzero(first_of_each(table))).cast(KEY_SCHEMA)
    bad = match(distinct, problems)
    bad = bad[bad >= 0]
    ranges = hashes_of(problems)[bad] >> _DIGEST_SHIFT
    edges = np.flatnonzero(ranges[1:] != ranges[:-1]) + 1
    ends, text = _text_of(lines.take(pa.array(bad)))
    digests = []
    for start, stop in itertools.pairwise([0, *edges.tolist(), len(bad)] if len(bad) else []):
        digest = hashlib.sha256(text[ends[start] : ends[stop]]).hexdigest()
        digests.append((int(ranges[start]), digest))
    return SplitShare(distinct.num_rows, len(bad), tuple(digests))


def _lines(problems: pa.Table) -> pa.Array:
    columns = [one_array(problems[name]) for name in ("key", "reason", "detail")]
    return pc.binary_join_element_wise(*columns, "\n", "\t").cast(pa.large_string())


def _text_of(lines: pa.Array) -> tuple[NDArray[np.int64], memoryview]:
    """Return where each line begins and ends in the bytes of all of them."""
    if not len(lines):
        return np.zeros(1, np.int64), memoryview(b"")
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(offsets, np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return ends, memoryview(data or b"")


def _digest_of(shares: Sequence[SplitShare]) -> str:
    """Hash the problems of a split from the shares of all ranges, however the ranges were cut."""
    digests = sorted(digest for share in shares for digest in share.digests)
    return hashlib.sha256(repr(digests).encode()).hexdigest()
