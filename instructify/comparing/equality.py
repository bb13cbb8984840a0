"""Compare two Arrow columns row by row: null equals null, and NaN equals NaN.

Arrow does not compare lists and structs. So lists are compared by their lengths and then by their
items, without a Python object per row.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


def equal_rows(left: pa.Array, right: pa.Array) -> Bools:
    """Compare two arrays of the same type and length; returns a bool per row."""
    kind = left.type
    if pa.types.is_dictionary(kind):
        return equal_rows(left.cast(kind.value_type), right.cast(kind.value_type))
    if pa.types.is_list(kind):
        return _equal_lists(left, right)
    here, there = _valid(left), _valid(right)
    if pa.types.is_struct(kind):
        fields: Bools = here == there
        for field in kind:
            fields &= equal_rows(left.field(field.name), right.field(field.name)) | ~here
        return fields
    equal: Bools = _bools(pc.fill_null(pc.equal(left, right), False))
    if pa.types.is_floating(kind):
        both_nan = pc.and_(pc.is_nan(left), pc.is_nan(right))
        equal |= _bools(pc.fill_null(both_nan, False))
    equal |= ~here & ~there
    return equal


def _equal_lists(left: pa.ListArray, right: pa.ListArray) -> Bools:
    here, there = _valid(left), _valid(right)
    equal: Bools = ~here & ~there
    lengths, others = (
        pc.fill_null(pc.list_value_length(array), -1).to_numpy(False) for array in (left, right)
    )
    rows = np.flatnonzero(here & there & (lengths == others))
    equal[rows] = True
    filled = rows[lengths[rows] > 0]
    if len(filled):
        taken = pa.array(filled)
        inside = equal_rows(left.take(taken).flatten(), right.take(taken).flatten())
        sizes = lengths[filled]
        equal[filled] = np.logical_and.reduceat(inside, np.cumsum(sizes) - sizes)
    return equal


def _valid(array: pa.Array) -> Bools:
    return _bools(array.is_valid())


def _bools(array: pa.Array) -> Bools:
    values: Bools = array.to_numpy(zero_copy_only=False).astype(np.bool_)
    return values.copy()
