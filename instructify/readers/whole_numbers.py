"""Restore whole numbers that pandas wrote as `1.0`, for a column with gaps or of type float.

If every cell of a column has this form, `.0` is removed. A column with any other cell is not
changed, since `1.0` beside `1.5` is a measurement. Answer and choices are decided together, since a
choice is found by its text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from instructify.readers.base import RawFile
from instructify.readers.own_plan import Plan
from instructify.readers.rows import Cells
from instructify.readers.table_rows import read_rows, table_suffix

_TEXT_TABLES = (".csv", ".tsv")
_ANSWERS = ("answer", "references", "choices")
_WITH_POINT = re.compile(r"\s*(-?[0-9]{1,15})\.0+\s*", re.ASCII)


def pointed_columns(files: Sequence[RawFile], plan: Plan) -> frozenset[str]:
    """Find the columns of answers and own fields whose numbers have to lose `.0`.

    The files are read up to the first cell of another form, often in the first row.
    """
    if plan.kind != "table" or not files or any(_is_other(file) for file in files):
        return frozenset()
    answers = [name for field in _ANSWERS for name in _names(plan.columns.get(field))]
    groups = [answers, *(_names(column) for column in plan.fields.values())]
    open_groups = {tuple(dict.fromkeys(group)) for group in groups if group}
    seen: set[str] = set()
    for cells in _rows(files, sorted({name for group in open_groups for name in group})):
        for group in list(open_groups):
            texts = [str(cells[name]) for name in group if cells.get(name)]
            if not all(_WITH_POINT.fullmatch(text) for text in texts):
                open_groups.discard(group)
            seen.update(name for name in group if cells.get(name))
        if not open_groups:
            break
    return frozenset(name for group in open_groups for name in group if name in seen)


def without_point(cells: Cells, columns: frozenset[str]) -> Cells:
    """Remove `.0` from the numbers of some columns."""
    changed = {name: _whole(cells[name]) for name in columns if cells.get(name)}
    return {**cells, **changed} if changed else cells


def _whole(cell: object) -> object:
    match = _WITH_POINT.fullmatch(cell) if isinstance(cell, str) else None
    return cell if match is None else str(int(match[1]))


def _is_other(file: RawFile) -> bool:
    return file.path.is_dir() or table_suffix(file) not in _TEXT_TABLES


def _names(column: object) -> Sequence[str]:
    if isinstance(column, str):
        return (column,)
    return column if type(column) is tuple else ()  # a pattern combines texts


def _rows(files: Sequence[RawFile], columns: Sequence[str]) -> Iterator[Mapping[str, object]]:
    for file in files:
        for batch in read_rows(file, columns) if columns else ():
            yield from (cells for _, cells in batch.rows)
