"""Row by row, whether two Arrow columns are equal: nulls equal nulls, NaN equals NaN.

Arrow's own comparison knows neither lists nor structs, so lists are compared by their lengths and
then by what they hold, without a Python object per row.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


def equal_rows(one: pa.Array, other: pa.Array) -> Bools:
    """Compare two arrays of one type and length."""
    kind = one.type
    if pa.types.is_dictionary(kind):
        return equal_rows(one.cast(kind.value_type), other.cast(kind.value_type))
    if pa.types.is_list(kind):
        return _equal_lists(one, other)
    here, there = _valid(one), _valid(other)
    if pa.types.is_struct(kind):
        fields: Bools = here == there
        for field in kind:
            fields &= equal_rows(one.field(field.name), other.field(field.name)) | ~here
        return fields
    equal: Bools = _bools(pc.fill_null(pc.equal(one, other), False))
    if pa.types.is_floating(kind):
        both_nan = pc.and_(pc.is_nan(one), pc.is_nan(other))
        equal |= _bools(pc.fill_null(both_nan, False))
    equal |= ~here & ~there
    return equal


def _equal_lists(one: pa.ListArray, other: pa.ListArray) -> Bools:
    here, there = _valid(one), _valid(other)
    equal: Bools = ~here & ~there
    lengths, others = (
        pc.fill_null(pc.list_value_length(array), -1).to_numpy(False) for array in (one, other)
    )
    rows = np.flatnonzero(here & there & (lengths == others))
    equal[rows] = True
    filled = rows[lengths[rows] > 0]
    if len(filled):
        taken = pa.array(filled)
        inside = equal_rows(one.take(taken).flatten(), other.take(taken).flatten())
        sizes = lengths[filled]
        equal[filled] = np.logical_and.reduceat(inside, np.cumsum(sizes) - sizes)
    return equal


def _valid(array: pa.Array) -> Bools:
    return _bools(array.is_valid())


def _bools(array: pa.Array) -> Bools:
    values: Bools = array.to_numpy(zero_copy_only=False).astype(np.bool_)
    return values.copy()
