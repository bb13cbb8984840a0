"""Make Arrow columns of raw values, for releases that are too large for a Python loop over rows.

The text rules equal those of text.py. A vectorised check of the bytes shows that a column needs no
cleaning; only rows that might need it go through Python's str methods.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify.readers.text import clean, clean_caption


def cleaned(texts: Sequence[str]) -> pa.StringArray:
    """Make a column of texts cleaned as by `text.clean`."""
    column = pa.array(texts, pa.string())
    if _edges_are_plain(column):
        return column
    return pa.array([clean(text) for text in texts], pa.string())


def cleaned_captions(texts: Sequence[str]) -> pa.StringArray:
    """Make a column of texts cleaned as by `text.clean_caption`."""
    column = pa.array(texts, pa.string())
    doubtful = _maybe_untidy(column)
    if not len(doubtful):
        return column
    tidy = list(texts)
    for row in doubtful.tolist():
        tidy[row] = clean_caption(tidy[row])
    return pa.array(tidy, pa.string())


def lists_of(values: pa.Array, lengths: Iterable[int]) -> pa.ListArray:
    """Split `values` into consecutive lists of the given lengths."""
    ends = np.cumsum(np.fromiter(lengths, np.int32), dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(np.concatenate(([np.int32(0)], ends))), values)


def whole_numbers(values: Sequence[int]) -> pa.Int64Array:
    """Make a column of whole numbers; those of a range are not gone through one by one."""
    if isinstance(values, range):
        return pa.array(np.arange(values.start, values.stop, values.step, dtype=np.int64))
    return pa.array(np.asarray(values, np.int64))


def singles(values: pa.Array) -> pa.ListArray:
    """Make a list of one item of each value."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), values)


def numbered(prefix: str, numbers: pa.Array, width: int = 0) -> pa.StringArray:
    """Format non-negative numbers in decimal, padded with zeros to `width`, after a prefix."""
    digits = numbers.cast(pa.string())
    if width:
        digits = pc.ascii_lpad(digits, width, padding="0")
    return pc.binary_join_element_wise(prefix, digits, "")


def empty_at(texts: pa.StringArray) -> NDArray[np.int64]:
    """Return the indices of the empty texts of a column without nulls."""
    return np.flatnonzero(np.diff(_offsets(texts)) == 0)


def _offsets(texts: pa.StringArray) -> NDArray[np.int32]:
    if not len(texts):
        return np.zeros(1, np.int32)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)
    return offsets[texts.offset : texts.offset + len(texts) + 1]


def _edges_are_plain(texts: pa.StringArray) -> bool:
    """Whether every text begins and ends with an ASCII character that is no white space."""
    offsets = _offsets(texts)
    if len(offsets) < 2 or not np.diff(offsets).all():
        return False
    data = np.frombuffer(texts.buffers()[2], np.uint8)
    edges = (data[offsets[:-1]], data[offsets[1:] - 1])
    return all(bool(((edge > 0x20) & (edge < 0x80)).all()) for edge in edges)


def _maybe_untidy(texts: pa.StringArray) -> NDArray[np.int64]:
    """Return the rows with outer or double spaces, control characters, or non-ASCII characters."""
    offsets = _offsets(texts)
    if offsets[-1] == offsets[0]:
        return np.zeros(0, np.int64)
    data = np.frombuffer(texts.buffers()[2], np.uint8)[: offsets[-1]]
    blank = data == 0x20
    doubtful = (data < 0x20) | (data >= 0x80)
    doubtful[1:] |= blank[1:] & blank[:-1]
    rows = np.searchsorted(offsets, np.flatnonzero(doubtful), side="right") - 1
    full = np.flatnonzero(np.diff(offsets))
    starts, ends = offsets[:-1][full], offsets[1:][full]
    return np.unique(np.r_[rows, full[blank[starts] | blank[ends - 1]]])
