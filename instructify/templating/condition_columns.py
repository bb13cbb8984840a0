"""The conditions of templates on whole columns, with the results that `conditions` gives for rows.

Templates of one task share most of their conditions, so what is known of a column is computed once.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify.templating.conditions import SPACES, Condition, begins_with
from instructify.templating.own_values import OWN_FIELDS, own_column

Mask = NDArray[np.bool_]

_IS_SPACE = np.zeros(256, np.bool_)
_IS_SPACE[list(SPACES.encode())] = True


class ColumnConditions:
    """Tells which rows of a table fulfil a condition."""

    def __init__(self, table: pa.RecordBatch | pa.Table) -> None:
        self._table = table
        self._forms: dict[tuple[str, ...], Mask] = {}
        self._present: dict[str, Mask] = {}
        self._beginnings: dict[tuple[str, tuple[str, ...]], Mask] = {}
        self._num_words: dict[str, NDArray[np.int32]] = {}

    def fulfilled(self, condition: Condition) -> Mask:
        """Return a mask of the rows that fulfil a condition."""
        mask = self._has_form(condition.forms).copy()
        for name in condition.requires:
            mask &= self._is_present(name)
        for name in condition.excludes:
            mask &= ~self._is_present(name)
        for name, words in condition.begins:
            mask &= self._begins(name, words)
        for name, words in condition.unless_begins:
            mask &= ~self._begins(name, words)
        for name, most in condition.at_most_words:
            mask &= self._words(name) <= most
        return mask

    def _has_form(self, forms: tuple[str, ...]) -> Mask:
        if forms not in self._forms:
            column = self._table.column("form").cast(pa.string())
            is_in = pc.is_in(column, value_set=pa.array(forms, pa.string()))
            self._forms[forms] = _mask(is_in)
        return self._forms[forms]

    def _is_present(self, name: str) -> Mask:
        if name not in self._present:
            self._present[name] = _mask(_is_present(self._table, name))
        return self._present[name]

    def _begins(self, name: str, words: tuple[str, ...]) -> Mask:
        if (name, words) not in self._beginnings:
            self._beginnings[name, words] = _begins(_texts(self._table, name), words)
        return self._beginnings[name, words]

    def _words(self, name: str) -> NDArray[np.int32]:
        if name not in self._num_words:
            self._num_words[name] = _num_words(_texts(self._table, name))
        return self._num_words[name]


def _column(table: pa.RecordBatch | pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    """Return a column, or a field of own data as a column."""
    is_own = name not in table.schema.names and OWN_FIELDS in table.schema.names
    return own_column(table, name) if is_own else table.column(name)


def _texts(table: pa.RecordBatch | pa.Table, name: str) -> pa.StringArray:
    column = _column(table, name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _mask(values: pa.BooleanArray | pa.ChunkedArray) -> Mask:
    if isinstance(values, pa.ChunkedArray):
        return np.asarray(values.to_numpy())
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _begins(texts: pa.StringArray, words: Sequence[str]) -> Mask:
    """Tell which texts begin with any of some words; a null doesn't.

    The bytes that decide are few, and few of them differ: the test runs once for each beginning.
    """
    longest = max(len(word) for word in words)
    heads = pc.binary_slice(texts.cast(pa.binary()), 0, longest + 1).dictionary_encode()
    is_one = begins_with(words)
    answers = np.array([is_one(head) for head in heads.dictionary.to_pylist()] + [False])
    codes = heads.indices.fill_null(len(heads.dictionary))  # the last answer is that of a null
    return np.asarray(answers[codes.to_numpy()])


def _num_words(texts: pa.StringArray) -> NDArray[np.int32]:
    """Count the words of each text; a null has none."""
    _, bounds, data = texts.buffers()
    if bounds is None or data is None or not len(texts):
        return np.zeros(len(texts), np.int32)
    offsets = np.frombuffer(bounds, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    in_word = ~_IS_SPACE[np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]]
    offsets = offsets - offsets[0]
    begins = in_word.copy()
    begins[1:] &= ~in_word[:-1]
    firsts = offsets[:-1][np.diff(offsets) > 0]
    begins[firsts] = in_word[firsts]  # also where the text before ends with a word
    before = np.concatenate(([0], np.cumsum(begins, dtype=np.int32)))
    counts = np.diff(before[offsets])
    if texts.null_count:
        counts[_mask(texts.is_null())] = 0  # a null may have bytes
    return np.asarray(counts, np.int32)


def _is_present(table: pa.RecordBatch | pa.Table, name: str) -> pa.BooleanArray:
    """Return where a field is neither null nor empty; a number is never empty."""
    column = _column(table, name)
    if pa.types.is_integer(column.type):
        return column.is_valid()
    is_list = pa.types.is_list(column.type)
    size = pc.list_value_length(column) if is_list else pc.binary_length(column)
    return pc.fill_null(pc.greater(size, 0), False)
