"""The conditions of a template on a record beside its form, for a row or for whole columns.

`requires` and `excludes` test whether fields are present; `begins` and `unless_begins` test the
first words of a text, ignoring ASCII case; `at_most_words` counts words separated by spaces, tabs
and line ends. Rows and columns give the same results.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from instructify.templating.model import Beginnings, Limits, Template
from instructify.templating.own_values import OWN_FIELDS, own_column, value_of

PICTURES = "pictures"
_ONE_WORD = "[^ \t\n\r]+"  # RE2 and re read it alike


class Condition(NamedTuple):
    """The conditions on a record; most templates of a task have the same ones."""

    forms: tuple[str, ...]
    requires: tuple[str, ...]
    excludes: tuple[str, ...]
    begins: Beginnings
    unless_begins: Beginnings
    at_most_words: Limits


def condition_of(template: Template) -> Condition:
    """Return a template's condition."""
    return Condition(
        template.forms,
        template.requires,
        template.excludes,
        template.begins,
        template.unless_begins,
        template.at_most_words,
    )


def misfit(template: Template, row: Mapping[str, Any]) -> str | None:
    """Return why a record of a fitting form may not draw a template; None if it may.

    A field that `row` lacks is null, except for pictures: these count as whatever the template
    requires.
    """
    has = {name for name, value in row.items() if value not in (None, "", [])}
    has |= {name for name in template.fields if value_of(row, name)}
    known = template.requires if PICTURES in row else set(template.requires) - {PICTURES}
    lacks = [name for name in template.requires if name in known and name not in has]
    if lacks:
        return f"needs {', '.join(lacks)}"
    unwanted = [name for name in template.excludes if name in has]
    if unwanted:
        return f"not with {', '.join(unwanted)}"
    for name, words in template.begins:
        if not _begins(value_of(row, name), words):
            return f"needs a {name} that begins with {_listed(words)}"
    for name, words in template.unless_begins:
        if _begins(value_of(row, name), words):
            return f"not with a {name} that begins with {_listed(words)}"
    for name, most in template.at_most_words:
        if _num_words(value_of(row, name)) > most:
            return f"not with {'an' if name[0] in 'ao' else 'a'} {name} of more than {most} words"
    return None


def fulfils(
    table: pa.RecordBatch | pa.Table,
    condition: Condition,
    seen: dict[tuple[str, tuple[str, ...]], pa.BooleanArray] | None = None,
) -> pa.BooleanArray:
    """Return which rows of a table fulfil a condition.

    `seen` caches which texts of this table begin with which words, for the next condition: words
    that one template requires, another usually excludes.
    """
    seen = {} if seen is None else seen
    forms = table.column("form").cast(pa.string())
    mask = pc.is_in(forms, value_set=pa.array(condition.forms, pa.string()))
    for name in condition.requires:
        mask = pc.and_(mask, _is_present(table, name))
    for name in condition.excludes:
        mask = pc.and_(mask, pc.invert(_is_present(table, name)))
    for name, words in condition.begins:
        mask = pc.and_(mask, _column_begins(table, name, words, seen))
    for name, words in condition.unless_begins:
        mask = pc.and_(mask, pc.invert(_column_begins(table, name, words, seen)))
    for name, most in condition.at_most_words:
        num_words = pc.count_substring_regex(_column(table, name), pattern=_ONE_WORD)
        mask = pc.and_(mask, pc.fill_null(pc.less_equal(num_words, most), True))
    return mask


def _pattern(words: Sequence[str]) -> str:
    """Return a pattern for any of some words at the beginning; RE2 and re read it alike."""
    return f"^(?:{'|'.join(words)})(?:[^a-z0-9]|$)"


def _begins(value: object, words: Sequence[str]) -> bool:
    if not isinstance(value, str):
        return False
    # bytes.lower leaves all but ASCII alone, as Arrow's ascii_lower does.
    text = value.encode("utf-8", "surrogatepass").lower()
    return re.match(_pattern(words).encode(), text) is not None


def _num_words(value: object) -> int:
    """Count the words of a text; a null has none."""
    return len(re.findall(_ONE_WORD, value)) if isinstance(value, str) else 0


def _column_begins(
    table: pa.RecordBatch | pa.Table,
    name: str,
    words: tuple[str, ...],
    seen: dict[tuple[str, tuple[str, ...]], pa.BooleanArray],
) -> pa.BooleanArray:
    if (name, words) not in seen:
        lowered = pc.ascii_lower(_column(table, name))
        begins = pc.match_substring_regex(lowered, pattern=_pattern(words))
        seen[name, words] = pc.fill_null(begins, False)
    return seen[name, words]


def _column(table: pa.RecordBatch | pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    """Return a column, or a field of own data as one."""
    is_own = name not in table.schema.names and OWN_FIELDS in table.schema.names
    return own_column(table, name) if is_own else table.column(name)


def _is_present(table: pa.RecordBatch | pa.Table, name: str) -> pa.BooleanArray:
    """Return where a field is neither null nor empty; a number is never empty."""
    column = _column(table, name)
    if pa.types.is_integer(column.type):
        return column.is_valid()
    is_list = pa.types.is_list(column.type)
    size = pc.list_value_length(column) if is_list else pc.binary_length(column)
    return pc.fill_null(pc.greater(size, 0), False)


def _listed(words: Sequence[str]) -> str:
    shown = ", ".join(words[:3])
    return f"{shown} ..." if len(words) > 3 else shown
