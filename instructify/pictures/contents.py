"""Fifth step of the passes: list each distinct content once, sorted by hash, and mark the new ones.

The first unit of the step writes the pictures of a range of keys in the order of their content's
hash. A second unit then takes a range of contents out of all these files. Pictures that are only
referred to count among the contents, but are never stored.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.keyed import Hashes
from instructify._util.shards import read_arrow
from instructify.pictures.key_order import KeyRange, numbers, one_array, taken
from instructify.pictures.known import KnownFiles, read_known
from instructify.pictures.tables import write_named, write_work

SPILL_SCHEMA = pa.schema(
    [
        ("order", pa.uint64()),  # the first 64 bits of the sha256
        ("sha256", pa.string()),
        ("key", pa.string()),
        ("is_wanted", pa.bool_()),  # of a family that is stored
        ("is_named", pa.bool_()),  # by the index as it will be
        ("size_bytes", pa.int64()),
        ("kind", pa.string()),
        ("root", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("shard", pa.string()),  # where the build has it already
        ("row", pa.int32()),
    ]
)
NEW_SCHEMA = pa.schema(
    [SPILL_SCHEMA.field(n) for n in SPILL_SCHEMA.names if n not in ("is_wanted", "is_named")]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpillUnit:
    """Write the contents of a range of keys, sorted by hash."""

    number: int
    part: KeyRange
    found: Path
    known: KnownFiles
    stored_families: frozenset[str]
    staging: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class ContentsUnit:
    """Merge a range of contents."""

    number: int
    part: KeyRange
    spills: tuple[Path, ...]
    staging: Path


class Contents(NamedTuple):
    """New contents of a range, and those that the build already stores, sorted by sha256."""

    part: KeyRange
    new: Path
    stored: Path
    num_new: int
    new_bytes: int
    num_distinct: int  # of all pictures, stored or not
    distinct_bytes: int


def run_spill(unit: SpillUnit) -> Path:
    """Write the contents of a range of keys, and what the build stores of them."""
    pictures = read_arrow(unit.found)
    known = read_known(unit.known, unit.part).index
    known = known.filter(pc.is_valid(known["shard"]))
    wanted = np.zeros(pictures.num_rows, np.bool_)
    for family in unit.stored_families:
        wanted |= np.asarray(pc.starts_with(one_array(pictures["key"]), f"{family}/"))
    parts = [_spilled(pictures, wanted), _spilled(known, None)]
    table = pa.concat_tables(parts)
    order = np.argsort(numbers(table["order"]), kind="stable")
    return write_work(unit.staging / f"contents-of-{unit.number:03}.arrow", taken(table, order))


def run_contents(unit: ContentsUnit) -> Contents:
    """Merge a range of contents; where several keys have one content, the first key counts."""
    pieces = [_cut(read_arrow(path), unit.part) for path in unit.spills]
    table = pa.concat_tables([SPILL_SCHEMA.empty_table(), *pieces])
    by = [(name, "ascending") for name in ("sha256", "key")]
    table = table.sort_by(by).combine_chunks()
    stored = table.filter(pc.is_valid(table["shard"]))
    named = _first(table.filter(table["is_named"]))
    fresh = table.filter(pc.and_(table["is_wanted"], pc.is_null(table["shard"])))
    fresh = fresh.filter(pc.invert(pc.is_in(fresh["sha256"], value_set=stored["sha256"])))
    new = _first(fresh).select(NEW_SCHEMA.names)
    already_stored = _first(stored).select(NEW_SCHEMA.names)
    return Contents(
        part=unit.part,
        new=write_named(unit.staging, f"new-{unit.number:03}", new),
        stored=write_work(unit.staging / f"stored-{unit.number:03}.arrow", already_stored),
        num_new=new.num_rows,
        new_bytes=pc.sum(new["size_bytes"]).as_py() or 0,
        num_distinct=named.num_rows,
        distinct_bytes=pc.sum(named["size_bytes"]).as_py() or 0,
    )


def order_of(sha256: pa.Array | pa.ChunkedArray) -> Hashes:
    """Return the first 64 bits of hashes written in hexadecimal."""
    values = one_array(sha256).to_pylist()
    return np.fromiter((int(text[:16], 16) for text in values), np.uint64, len(values))


def _spilled(table: pa.Table, wanted: np.ndarray | None) -> pa.Table:
    rows = table.num_rows
    columns = {name: table[name] for name in table.column_names if name in SPILL_SCHEMA.names}
    columns["order"] = pa.array(order_of(table["sha256"]), pa.uint64())
    if wanted is None:  # what is stored already, whether a key still names it or not
        columns["is_wanted"] = columns["is_named"] = pa.repeat(pa.scalar(False), rows)
    else:
        columns["is_wanted"] = pa.array(wanted, pa.bool_())
        columns["is_named"] = pa.repeat(pa.scalar(True), rows)
        columns["shard"], columns["row"] = pa.nulls(rows, pa.string()), pa.nulls(rows, pa.int32())
    arrays = [columns[field.name] for field in SPILL_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SPILL_SCHEMA)


def _cut(table: pa.Table, part: KeyRange) -> pa.Table:
    order = numbers(table["order"])
    start = int(np.searchsorted(order, np.uint64(part.start)))
    stop = len(order)
    if part.stop <= int(np.iinfo(np.uint64).max):
        stop = int(np.searchsorted(order, np.uint64(part.stop)))
    return table.slice(start, stop - start)


def _first(table: pa.Table) -> pa.Table:
    """Keep the first row of each content of a sorted table."""
    hashes = one_array(table["sha256"])
    if len(hashes) < 2:
        return table
    changed = pc.not_equal(hashes.slice(1), hashes.slice(0, len(hashes) - 1))
    return table.filter(pa.concat_arrays([pa.array([True]), changed]))
