"""Compare two tables with an id column: rows added, removed and changed, field by field.

Shards with equal hashes on both sides are not read. The others are compared column by column, one
slice of rows at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from instructify._util.keyed import hash_texts
from instructify._util.shards import read_arrow
from instructify.build import Build
from instructify.comparing.equality import equal_rows
from instructify.schema import RECORD_SCHEMA, SAMPLE_SCHEMA

_SLICE = 65_536


class RowChange(NamedTuple):
    """The id of a row that both sides have, and its fields that differ: before and after."""

    id: str
    fields: dict[str, tuple[Any, Any]]


class TableDifference(NamedTuple):
    """Counts of differences; `compared` counts common rows, `skipped` rows of equal shards."""

    added: int
    removed: int
    changed: int
    compared: int
    skipped: int
    fields: dict[str, int]  # number of rows in which each field differs
    added_examples: list[str]
    removed_examples: list[str]
    examples: list[RowChange]

    @property
    def is_equal(self) -> bool:
        return not (self.added or self.removed or self.changed)


def compare_shards(
    before: tuple[Build, Sequence[str]],
    after: tuple[Build, Sequence[str]],
    id_column: str,
    examples: int,
) -> TableDifference:
    """Compare the shards of a split in two builds."""
    equal, left = _apart(before, after)
    tables = [
        pa.concat_tables([_read(build, name) for name in names]) if names else None
        for (build, _), names in zip((before, after), left, strict=True)
    ]
    if tables[0] is None and tables[1] is None:
        return TableDifference(0, 0, 0, 0, equal, {}, [], [], [])
    schema = next(table.schema for table in tables if table is not None)
    before_table, after_table = (
        schema.empty_table() if table is None else table for table in tables
    )
    return compare_tables(before_table, after_table, id_column, examples)._replace(skipped=equal)


def compare_tables(
    before: pa.Table,
    after: pa.Table,
    id_column: str,
    examples: int,
    fields: Sequence[str] | None = None,
) -> TableDifference:
    """Compare two tables by unique ids; `fields` is None for all columns."""
    old_hashes, new_hashes = hash_texts(before[id_column]), hash_texts(after[id_column])
    _, here, there = np.intersect1d(old_hashes, new_hashes, assume_unique=True, return_indices=True)
    order = np.argsort(there)
    here, there = here[order], there[order]
    gone = np.setdiff1d(np.arange(len(old_hashes)), here)
    new = np.setdiff1d(np.arange(len(new_hashes)), there)
    changed = np.zeros(len(here), np.bool_)
    counts: dict[str, int] = {}
    names = after.column_names if fields is None else list(fields)
    for name in names:
        differs = ~_equal_column(before[name], after[name], here, there)
        if differs.any():
            counts[name] = int(differs.sum())
            changed |= differs
    rows = np.flatnonzero(changed)[:examples]
    return TableDifference(
        added=len(new),
        removed=len(gone),
        changed=int(changed.sum()),
        compared=len(here),
        skipped=0,
        fields=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        added_examples=_ids(after, id_column, new[:examples]),
        removed_examples=_ids(before, id_column, gone[:examples]),
        examples=list(_changes(before, after, id_column, here[rows], there[rows], names)),
    )


def count_texts(build: Build, shards: Sequence[str], columns: Sequence[str]) -> Mapping[Any, int]:
    """Count the combinations of values of some columns over shards."""
    counts: dict[Any, int] = {}
    for shard in shards:
        table = _read(build, shard).select(list(columns))
        plain = pa.table({name: table[name].cast(pa.string()) for name in columns})
        for row in plain.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist():
            key = tuple(row[name] for name in columns)
            counts[key] = counts.get(key, 0) + row["count_all"]
    return counts


def _read(build: Build, name: str) -> pa.Table:
    schema = RECORD_SCHEMA if name.startswith("records/") else SAMPLE_SCHEMA
    return read_arrow(build.path(name), schema)


def _apart(
    before: tuple[Build, Sequence[str]], after: tuple[Build, Sequence[str]]
) -> tuple[int, list[list[str]]]:
    """Return the number of rows in shards that both sides have, and the names of other shards."""
    hashes = [
        {name: build.manifest.files[name].sha256 for name in names}
        for build, names in (before, after)
    ]
    both = set(hashes[0].values()) & set(hashes[1].values())
    files = after[0].manifest.files
    rows = sum(files[name].rows for name, digest in hashes[1].items() if digest in both)
    return rows, [[n for n, digest in side.items() if digest not in both] for side in hashes]


def _equal_column(
    before: pa.ChunkedArray,
    after: pa.ChunkedArray,
    here: NDArray[np.int64],
    there: NDArray[np.int64],
) -> NDArray[np.bool_]:
    old_column, new_column = before.combine_chunks(), after.combine_chunks()
    parts = [np.empty(0, np.bool_)]
    for begin in range(0, len(here), _SLICE):
        rows = slice(begin, begin + _SLICE)
        pair = [
            _flat(column.take(pa.array(where[rows])))
            for column, where in ((old_column, here), (new_column, there))
        ]
        parts.append(equal_rows(*pair))
    return np.concatenate(parts)


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _ids(table: pa.Table, id_column: str, rows: NDArray[np.int64]) -> list[str]:
    return [str(table[id_column][int(row)].as_py()) for row in rows]


def _changes(
    before: pa.Table,
    after: pa.Table,
    id_column: str,
    here: NDArray[np.int64],
    there: NDArray[np.int64],
    names: Sequence[str],
) -> Iterator[RowChange]:
    for old, new in zip(here.tolist(), there.tolist(), strict=True):
        old_row, new_row = before.slice(old, 1).to_pylist()[0], after.slice(new, 1).to_pylist()[0]
        fields = {n: (old_row[n], new_row[n]) for n in names if old_row[n] != new_row[n]}
        yield RowChange(str(old_row[id_column]), fields)
