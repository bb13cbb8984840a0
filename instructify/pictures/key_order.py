"""Tables sorted by the hash of a picture key, from which any range of keys can be cut.

Every table that the passes over the pictures hand to each other, and the index itself, has the
columns `key_hash` and `key` and is sorted by them. A range of hashes is then a slice of each file,
located by bisection, and work is divided by ranges. Two keys may share a hash: code that compares
hashes compares the keys too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.keyed import Hashes, hash_texts
from instructify._util.shards import read_arrow

Rows = NDArray[np.int64]

PART_ROWS = 1 << 16  # of a part of the index, on average
MOST_PARTS = 256
_ALL = 1 << 64


class KeyRange(NamedTuple):
    """The keys whose hashes lie in [start, stop)."""

    start: int
    stop: int

    def meets(self, other: "KeyRange") -> bool:
        return self.start < other.stop and other.start < self.stop


EVERY_KEY = KeyRange(0, _ALL)


def parts_for(num_rows: int) -> int:
    """Return the number of parts, a power of two, that a table of so many rows is cut into."""
    parts = 1
    while parts < MOST_PARTS and num_rows > parts * PART_ROWS:
        parts *= 2
    return parts


def key_ranges(parts: int) -> list[KeyRange]:
    """Cut all hashes into ranges of equal size; `parts` is a power of two."""
    size = _ALL // parts
    return [KeyRange(at * size, (at + 1) * size) for at in range(parts)]


def numbers(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a column of numbers without nulls as an array; that of one chunk is not copied."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    arrays = [np.asarray(chunk) for chunk in chunks]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate([np.empty(0, column.type.to_pandas_dtype()), *arrays])


def hashes_of(table: pa.Table | pa.RecordBatch) -> Hashes:
    return numbers(table["key_hash"]).astype(np.uint64, copy=False)


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as a single array, from which rows are taken quickly."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def taken(table: pa.Table, rows: NDArray[np.integer]) -> pa.Table:
    """Take rows of a table whose columns may have several chunks; neighbours are not copied."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all()):
        return table.combine_chunks().slice(int(rows[0]), len(rows))
    at = pa.array(rows, pa.int64())
    columns = [one_array(column).take(at) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def with_hashes(keys: pa.Array) -> pa.Table:
    """Put keys and their hashes into one table, sorted."""
    table = pa.table({"key_hash": pa.array(hash_texts(keys), pa.uint64()), "key": keys})
    return sorted_by_hash(table)


def sorted_by_hash(table: pa.Table) -> pa.Table:
    """Sort by hash and key; rows of one key stay in their order."""
    hashes = hashes_of(table)
    if bool((hashes[1:] > hashes[:-1]).all()):
        return table
    return taken(table, hash_order(hashes, table["key"]))


def hash_order(hashes: Hashes, keys: pa.Array | pa.ChunkedArray) -> Rows:
    """Return the order of rows by hash and key; rows of one key stay in their order."""
    order = np.argsort(hashes, kind="stable")
    equal = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]) + 1
    if len(equal) and not _same(one_array(keys), order[equal], order[equal - 1]).all():
        by = [("hash", "ascending"), ("key", "ascending"), ("row", "ascending")]
        rows = pa.array(np.arange(len(hashes)), pa.int64())
        table = pa.table({"hash": hashes, "key": one_array(keys), "row": rows})
        order = numbers(pc.sort_indices(table, sort_keys=by)).astype(np.int64)
    return order.astype(np.int64, copy=False)


def first_of_each(table: pa.Table) -> NDArray[np.bool_]:
    """Mark the first row of every key of a sorted table."""
    hashes = hashes_of(table)
    first = np.ones(len(hashes), np.bool_)
    equal = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    if len(equal):
        first[equal] = ~_same(one_array(table["key"]), equal, equal - 1)
    return first


def match(wanted: pa.Table, others: pa.Table, on: tuple[str, str] = ("key_hash", "key")) -> Rows:
    """Return for each row of a table the row of a second, sorted table with the same key; -1: none.

    `on` names the columns of hashes and of keys. Where the second table has a key several times,
    the first row counts.
    """
    if not others.num_rows:
        return np.full(wanted.num_rows, -1, np.int64)
    hashes, there = numbers(wanted[on[0]]), numbers(others[on[0]])
    at = np.searchsorted(there, hashes).astype(np.int64)
    at[at == len(there)] = len(there) - 1
    rows = np.flatnonzero(there[at] == hashes)
    keys, other_keys = one_array(wanted[on[1]]), one_array(others[on[1]])
    same = _equal(keys.take(pa.array(rows)), other_keys.take(pa.array(at[rows])))
    result = np.full(len(hashes), -1, np.int64)
    result[rows[same]] = at[rows[same]]
    for row in rows[~same].tolist():  # another key has this hash too
        place = int(at[row]) + 1
        while place < len(there) and there[place] == hashes[row]:
            if other_keys[place].as_py() == keys[row].as_py():
                result[row] = place
                break
            place += 1
    return result


def cut(table: pa.Table, keys: KeyRange) -> pa.Table:
    """Cut a range of keys out of a sorted table."""
    hashes = hashes_of(table)
    start = int(np.searchsorted(hashes, np.uint64(keys.start)))
    stop = len(hashes)
    if keys.stop < _ALL:
        stop = int(np.searchsorted(hashes, np.uint64(keys.stop)))
    return table.slice(start, stop - start)


def read_range(paths: Sequence[Path], keys: KeyRange, schema: pa.Schema) -> pa.Table:
    """Read a range of keys out of files of one schema; sorted only within each of them."""
    return pa.concat_tables([schema.empty_table(), *read_slices(paths, keys)])


def read_slices(paths: Sequence[Path], keys: KeyRange) -> Iterator[pa.Table]:
    """Read a range of keys out of files, one after the other."""
    for path in paths:
        table = cut(read_arrow(path), keys)
        if table.num_rows:
            yield table.replace_schema_metadata()


def _same(keys: pa.Array, left: Rows, right: Rows) -> NDArray[np.bool_]:
    return _equal(keys.take(pa.array(left)), keys.take(pa.array(right)))


def _equal(left: pa.Array, right: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.equal(left, right)).astype(np.bool_)
