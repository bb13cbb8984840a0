"""Fields of own data in a record: a list of names with their texts, read by rows or by columns.

A field that a record lacks is null.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

OWN_FIELDS = "fields"  # the column of a record that holds them


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """Return a field of a record: a common field, or a field of own data."""
    if name in row:
        return row[name]
    for field in row.get(OWN_FIELDS) or ():
        if field["name"] == name:
            return field["value"]
    return None


def own_column(table: pa.RecordBatch | pa.Table, name: str) -> pa.StringArray:
    """Return a field of own data as a column of a table of records; null if a record lacks it."""
    if OWN_FIELDS not in table.schema.names:
        return pa.nulls(table.num_rows, pa.string())
    column = table.column(OWN_FIELDS)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count == len(column):
        return pa.nulls(table.num_rows, pa.string())
    pairs = column.flatten()
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(column)), lengths)
    names, values = (pc.struct_field(pairs, part) for part in ("name", "value"))
    is_it = pc.fill_null(pc.equal(names, name), False).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(is_it)[::-1]  # the first of a record is written last
    at = np.full(len(column), -1)
    at[owners[places]] = places
    return values.take(pa.array(at, mask=at < 0))
