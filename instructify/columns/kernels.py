"""The filters and comparisons of templates as column operations; nulls behave as in the Python
filters.

A column is an Arrow array or, for a value that all rows share, an Arrow scalar. Where Arrow's
result may differ from Python's (case of non-ASCII text, items outside a list), the operation also
returns the rows in doubt; their values are arbitrary, and the caller renders them one by one.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify.templating import MAX_TEXT_BYTES, SENTENCE_END, grows_too_long, letter

Column: TypeAlias = Any  # pa.Array or pa.Scalar; pyarrow has no types that a checker can use
Mask = NDArray[np.bool_]

_MAX_LETTERS = 10_000
# A column holds 2 GB; so much less keeps a hostile template within the memory of a laptop.
_MAX_COLUMN_BYTES = 2**28


class Doubtful(NamedTuple):
    """A column and the rows for which Arrow's result may differ; None: no rows.

    A doubt without dimension is about all rows, which share a scalar.
    """

    column: Column
    doubt: Mask | None


def truth(column: Column) -> pa.BooleanArray | bool:
    """Return which rows are true in Python; a null is false."""
    if isinstance(column, pa.Scalar):
        return bool(column.as_py())
    kind = column.type
    if pa.types.is_boolean(kind):
        return pc.fill_null(column, False)
    if pa.types.is_struct(kind):
        return column.is_valid()
    if pa.types.is_integer(kind):
        return pc.fill_null(pc.not_equal(column, 0), False)
    return pc.greater(length(column), 0)


def invert(mask: pa.BooleanArray | bool) -> pa.BooleanArray | bool:
    """Negate a truth."""
    return not mask if isinstance(mask, bool) else pc.invert(mask)


def both(left: pa.BooleanArray | bool, right: pa.BooleanArray | bool) -> pa.BooleanArray | bool:
    """Combine two truths by `and`."""
    if isinstance(left, bool):
        return right if left else False
    if isinstance(right, bool):
        return left if right else False
    return pc.and_(left, right)


def either(left: pa.BooleanArray | bool, right: pa.BooleanArray | bool) -> pa.BooleanArray | bool:
    """Combine two truths by `or`."""
    return invert(both(invert(left), invert(right)))


def choose(mask: pa.BooleanArray | bool, then: Column, otherwise: Column) -> Column:
    """Take each row from one of two columns."""
    if isinstance(mask, bool):
        return then if mask else otherwise
    return pc.if_else(mask, then, otherwise)


def is_null(column: Column) -> pa.BooleanArray | bool:
    """Tell which rows are null."""
    if isinstance(column, pa.Scalar):
        return not column.is_valid
    return column.is_null()


def equal(left: Column, right: Column) -> pa.BooleanArray | bool:
    """Compare like Python: a null equals only a null."""
    same = pc.equal(left, right)
    if isinstance(same, pa.Scalar):
        return bool(same.as_py()) if same.is_valid else left.is_valid is right.is_valid
    if same.null_count == 0:
        return same
    return pc.coalesce(same, _mask_array(both(is_null(left), is_null(right)), len(same)))


def ordered(operator: str, left: Column, right: Column) -> Doubtful:
    """Compare numbers by lt, lteq, gt or gteq; a null beside them is in doubt."""
    function = {
        "lt": pc.less,
        "lteq": pc.less_equal,
        "gt": pc.greater,
        "gteq": pc.greater_equal,
    }[operator]
    result = function(left, right)
    return Doubtful(result, _null_mask(result))


def fold_case(name: str, column: Column) -> Doubtful:
    """Apply lower, upper or capitalize to ASCII rows; the others are in doubt."""
    function = {
        "lower": pc.ascii_lower,
        "upper": pc.ascii_upper,
        "capitalize": pc.ascii_capitalize,
    }[name]
    is_ascii = pc.fill_null(pc.string_is_ascii(column), True)
    if isinstance(is_ascii, pa.Scalar):
        folded = {"lower": str.lower, "upper": str.upper, "capitalize": str.capitalize}[name]
        text = column.as_py()
        return Doubtful(pa.scalar(None if text is None else folded(text), pa.string()), None)
    if is_ascii.false_count == 0:
        return Doubtful(function(column), None)
    return Doubtful(function(column), ~_numpy(is_ascii))


def capfirst(column: Column) -> Column:
    """Capitalise the first character if it is one of a to z."""
    first = pc.ascii_upper(pc.utf8_slice_codeunits(column, 0, 1))
    return pc.binary_join_element_wise(first, pc.utf8_slice_codeunits(column, 1), "")


def trim(column: Column) -> Column:
    """Strip white space at both ends; Arrow and Python agree on every code point."""
    return pc.utf8_trim_whitespace(column)


def replace(column: Column, old: str, new: str) -> Doubtful:
    """Replace each occurrence; a text that would grow beyond the cap is in doubt, and not grown."""
    if isinstance(column, pa.Scalar):
        text = column.as_py()
        if text is not None and grows_too_long(len(text), text.count(old) * (len(new) - len(old))):
            return Doubtful(pa.scalar("", pa.string()), np.array(True))
        return Doubtful(pc.replace_substring(column, pattern=old, replacement=new), None)
    doubt = None
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if len(new) > len(old) and longest * len(new) > MAX_TEXT_BYTES * len(old):
        lengths = _numpy(pc.fill_null(pc.utf8_length(column), 0)).astype(np.int64)
        counts = _numpy(pc.fill_null(pc.count_substring(column, pattern=old), 0)).astype(np.int64)
        column, doubt = _without_grown(column, lengths, counts * (len(new) - len(old)))
    refuse_overflow(column.nbytes * max(1, len(new.encode()) // len(old.encode())))
    return Doubtful(pc.replace_substring(column, pattern=old, replacement=new), doubt)


def _without_grown(
    column: pa.Array, lengths: NDArray[np.int64], growth: NDArray[np.int64]
) -> tuple[pa.Array, Mask | None]:
    """Replace rows that a filter would grow beyond the cap by null, and return which they are."""
    doubt = lengths + growth > np.maximum(MAX_TEXT_BYTES, lengths)
    if not doubt.any():
        return column, None
    return column.take(pa.array(np.arange(len(column)), mask=doubt)), doubt


def sentence(column: Column, mark: str) -> Column:
    """End each text with a mark unless it is empty or has one; outer white space is stripped."""
    text = pc.utf8_rtrim_whitespace(column)
    if isinstance(text, pa.Array):
        refuse_overflow(text.nbytes + len(text) * len(mark.encode()))
    ended = pc.match_substring_regex(text, pattern=SENTENCE_END)
    done = pc.or_(ended, pc.equal(pc.binary_length(text), 0))
    return pc.if_else(done, text, pc.binary_join_element_wise(text, mark, ""))


def repeated(text: pa.Scalar, num_rows: int) -> pa.StringArray:
    """Repeat one text for all rows."""
    refuse_overflow(len((text.as_py() or "").encode()) * num_rows)
    return pa.repeat(text, num_rows)


def refuse_overflow(size_bytes: int) -> None:
    """Raise ArrowCapacityError before an operation that takes too much memory or overflows."""
    if size_bytes > _MAX_COLUMN_BYTES:
        raise pa.ArrowCapacityError(f"a text column of {size_bytes} bytes")


def join(column: pa.ListArray, separator: str) -> Doubtful:
    """Join the texts of each list; null if the list or one of its texts is null.

    A text that its separators would grow beyond the cap is in doubt.
    """
    doubt = None
    items = column.flatten()
    if separator and len(items) * len(separator) + items.nbytes > MAX_TEXT_BYTES:
        ends = np.cumsum(_numpy(pc.fill_null(pc.utf8_length(items), 0)).astype(np.int64))
        offsets = _offsets_of(column)
        totals = np.concatenate([np.zeros(1, np.int64), ends])[offsets]
        counts = lengths_of(column)
        growth = np.maximum(0, counts - 1) * len(separator)
        column, doubt = _without_grown(column, np.diff(totals), growth)
        items = column.flatten()
    refuse_overflow(items.nbytes + len(items) * len(separator.encode()))
    return Doubtful(pc.binary_join(column, separator), doubt)


def length(column: Column) -> Column:
    """Count code points or items; a null has none."""
    is_text = pa.types.is_string(column.type)
    count = pc.utf8_length(column) if is_text else pc.list_value_length(column)
    return pc.fill_null(count, 0)


def printed(column: Column) -> Column:
    """Turn numbers into their decimal text."""
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())


def item(column: pa.ListArray, index: Column) -> Doubtful:
    """Take an item of each list by its index; null for a null, in doubt outside the list."""
    if isinstance(index, pa.Scalar):
        index = pa.repeat(index, len(column))
    known = _numpy(pc.and_(column.is_valid(), index.is_valid()))
    places = _numpy(pc.fill_null(index, 0)).astype(np.int64)
    inside = known & (places >= 0) & (places < lengths_of(column))
    outside = known & ~inside
    taken = _take_items(column, places, inside)
    return Doubtful(taken, outside if outside.any() else None)


def end(column: pa.ListArray, *, last: bool) -> pa.Array:
    """Take the first or last item of each list; null where there is none."""
    counts = lengths_of(column)
    places = counts - 1 if last else np.zeros(len(column), np.int64)
    return _take_items(column, places, counts > 0)


def letter_of(index: Column) -> Doubtful:
    """Turn indices into letters; negative and very large ones are in doubt."""
    if isinstance(index, pa.Scalar):
        return Doubtful(pa.scalar(letter(index.as_py()), pa.string()), None)
    places = _numpy(pc.fill_null(index, 0)).astype(np.int64)
    wrong = (places < 0) | (places >= _MAX_LETTERS)
    places[wrong] = 0
    taken = _letters(places).take(pa.array(places, mask=~_numpy(index.is_valid())))
    return Doubtful(taken, wrong if wrong.any() else None)


def lettered(column: pa.ListArray) -> pa.StringArray:
    """Write each list as `(a) red (b) blue`; null if the list or one of its texts is null."""
    places = places_of(column)
    labels = pc.binary_join_element_wise("(", _letters(places), ") ", "")
    options = pc.binary_join_element_wise(labels.take(pa.array(places)), column.flatten(), "")
    refuse_overflow(options.nbytes)
    return pc.binary_join(relist(column, options), " ")


def lengths_of(column: pa.ListArray) -> NDArray[np.int64]:
    """Count the items of each list; a null has none."""
    return _numpy(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)


def places_of(column: pa.ListArray) -> NDArray[np.int64]:
    """Number the items of the flattened column within their lists, from 0."""
    counts = lengths_of(column)
    starts = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(starts, counts)


def relist(column: pa.ListArray, items: pa.Array) -> pa.ListArray:
    """Give the flattened items back their lists; a null list stays null."""
    mask = column.is_null() if column.null_count else None
    return pa.ListArray.from_arrays(pa.array(_offsets_of(column)), items, mask=mask)


def concatenated(column: pa.ListArray, texts: pa.StringArray) -> pa.StringArray:
    """Concatenate the texts for the items of each list; a null list has none."""
    offsets = _offsets_of(column)
    if texts.null_count:
        lists = pa.ListArray.from_arrays(pa.array(offsets), texts)
        return pc.binary_join(lists, "")
    # The bytes lie in a row already: only the bounds change.
    _, starts, data = texts.buffers()
    if starts is None or len(texts) == 0:
        return pa.repeat("", len(column))
    bounds = np.frombuffer(starts, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return pa.StringArray.from_buffers(len(column), pa.py_buffer(bounds[offsets]), data)


def _take_items(column: pa.ListArray, places: NDArray[np.int64], known: Mask) -> pa.Array:
    counts = lengths_of(column)
    starts = np.cumsum(counts) - counts
    indices = pa.array(np.where(known, starts + places, 0), mask=~known)
    return column.flatten().take(indices)


def _letters(places: NDArray[np.int64]) -> pa.StringArray:
    count = int(places.max(initial=0)) + 1
    return pa.array([letter(index) for index in range(count)], pa.string())


def _offsets_of(column: pa.ListArray) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths_of(column))]).astype(np.int32)


def _mask_array(mask: pa.BooleanArray | bool, num_rows: int) -> pa.BooleanArray:
    return pa.repeat(mask, num_rows) if isinstance(mask, bool) else mask


def _null_mask(column: Column) -> Mask | None:
    if isinstance(column, pa.Scalar) or column.null_count == 0:
        return None
    return _numpy(column.is_null())


def _numpy(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.to_numpy(zero_copy_only=False))
