"""Tables whose bytes depend only on their rows, not on the pieces from which they were made.

Otherwise Arrow keeps traces of earlier steps: a dictionary may have values in the order of earlier
pieces, the index below a null may be any, and the bytes behind the end of a slice belong to other
rows.
"""

import numpy as np
import pyarrow as pa


def canonical(table: pa.Table) -> pa.Table:
    """Copy a table into one piece; dictionaries have only used values, in order of first use."""
    columns = [
        _dictionary(column)
        if pa.types.is_dictionary(column.type)
        else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not column.length():
        return pa.array([], column.type)
    chunks = column.unify_dictionaries().chunks
    values = chunks[0].dictionary
    indices = pa.concat_arrays([chunk.indices for chunk in chunks])
    is_null = np.asarray(indices.is_null())
    numbers = np.asarray(indices.fill_null(0))
    used, first = np.unique(numbers[~is_null], return_index=True)
    order = used[np.argsort(first)]
    places = np.zeros(len(values) + 1, np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    mapped = pa.array(
        np.where(is_null, 0, places[numbers]).astype(np.int32),
        mask=is_null if is_null.any() else None,
    )
    return pa.DictionaryArray.from_arrays(mapped, values.take(pa.array(order)))
