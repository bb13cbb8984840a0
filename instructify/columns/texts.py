"""Render many template texts over one table: each row by its own program, in the order of the rows.

Programs of literals and plain fields are not even grouped: their literals are gathered per row and
joined with the fields at once. Others are rendered group by group. Rows in doubt, and all rows of
programs that are not columnar, are rendered by Jinja one by one.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import nodes
from numpy.typing import NDArray

from instructify.columns import kernels
from instructify.columns.compiler import evaluate, is_columnar
from instructify.columns.kernels import Column, Mask
from instructify.templating import (
    FIELDS,
    MAX_TEXT_BYTES,
    Kind,
    NullPrintedError,
    Program,
    RenderError,
)

Rows = NDArray[np.int64]


class Texts(NamedTuple):
    """Rendered texts; null where a null was printed or the row is among `failures`."""

    texts: pa.StringArray
    nulls: dict[int, str]
    failures: dict[int, str]


class _Plain(NamedTuple):
    """A program that alternates literals and fields: literal, field, literal, ..., literal."""

    literals: tuple[str, ...]
    fields: tuple[str, ...]


class _Shape(NamedTuple):
    """The properties of a program that decide how it is evaluated."""

    plain: _Plain | None
    is_columnar: bool


class _Part(NamedTuple):
    """The texts of some rows; None: of all rows in order."""

    rows: Rows | None
    texts: Column
    doubts: Mask | None


def render_texts(
    programs: Sequence[Program],
    which: Rows,
    columns: Mapping[str, Column],
    *,
    explain_nulls: bool,
    by_row: bool = False,
) -> Texts:
    """Render row i by `programs[which[i]]`; `explain_nulls`: also say why each null is.

    `by_row`: render all rows by Jinja, for texts whose columns would grow too large.
    """
    if by_row:
        texts, doubts = pa.repeat("", len(which)), np.ones(len(which), np.bool_)
    else:
        texts, doubts = _render_groups(programs, which, columns)
    doubts |= _too_long(texts)
    if explain_nulls and texts.null_count:
        doubts |= texts.is_null().to_numpy(zero_copy_only=False)
    if not doubts.any():
        return Texts(texts, {}, {})
    return _settle(texts, np.flatnonzero(doubts), programs, which, columns)


@lru_cache(maxsize=4096)
def always_has_text(program: Program) -> bool:
    """Return whether a program prints more than white space for every record."""
    return any(
        isinstance(child, nodes.TemplateData) and child.data.strip()
        for node in program.tree.body
        if isinstance(node, nodes.Output)
        for child in node.nodes
    )


def _render_groups(
    programs: Sequence[Program], which: Rows, columns: Mapping[str, Column]
) -> tuple[pa.StringArray, Mask]:
    plain: dict[tuple[str, ...], dict[int, _Plain]] = {}
    parts: list[_Part] = []
    for index, program in enumerate(programs):
        shape = _shape(program)
        if shape.plain is not None:
            plain.setdefault(shape.plain.fields, {})[index] = shape.plain
        elif shape.is_columnar:
            parts.extend(_columnar_part(index, program, which, columns))
        else:
            parts.extend(_doubtful_part(index, which))
    for forms in plain.values():
        parts.extend(_plain_part(forms, len(programs), which, columns))
    return _assembled(parts, len(which))


@lru_cache(maxsize=4096)
def _shape(program: Program) -> _Shape:
    return _Shape(_plain(program), is_columnar(program.tree))


def _plain(program: Program) -> _Plain | None:
    literals, fields = [""], []
    for node in program.tree.body:
        if not isinstance(node, nodes.Output):
            return None
        for child in node.nodes:
            match child:
                case nodes.TemplateData():
                    literals[-1] += child.data
                case nodes.Name() if FIELDS.get(child.name, Kind.TEXT) is Kind.TEXT:
                    fields.append(child.name)
                    literals.append("")
                case _:
                    return None
    return _Plain(tuple(literals), tuple(fields))


def _plain_part(
    forms: Mapping[int, _Plain], num_programs: int, which: Rows, columns: Mapping[str, Column]
) -> list[_Part]:
    rows = None
    if len(forms) < num_programs:
        member = np.zeros(num_programs, np.bool_)
        member[list(forms)] = True
        rows = np.flatnonzero(member[which])
        if len(rows) == 0:
            return []
        which = which[rows]
    fields = next(iter(forms.values())).fields
    place_of = np.zeros(num_programs, np.int64)
    place_of[list(forms)] = np.arange(len(forms))
    choice = pa.array(place_of[which]) if len(forms) > 1 else None
    pieces: list[Column] = []
    for place in range(len(fields) + 1):
        literals = [form.literals[place] for form in forms.values()]
        if any(literals):
            pieces.append(_gathered(literals, choice))
        if place < len(fields):
            pieces.append(_taken(columns[fields[place]], rows))
    if not pieces:
        pieces.append(pa.scalar("", pa.string()))
    kernels.refuse_overflow(sum(_size_bytes(piece, len(which)) for piece in pieces))
    texts = pieces[0] if len(pieces) == 1 else pc.binary_join_element_wise(*pieces, "")
    return [_Part(rows, _as_array(texts, len(which)), None)]


def _size_bytes(piece: Column, num_rows: int) -> int:
    if isinstance(piece, pa.Scalar):
        return len((piece.as_py() or "").encode()) * num_rows
    return int(piece.nbytes)


def _gathered(literals: list[str], choice: pa.Array | None) -> Column:
    if choice is None or len(set(literals)) == 1:
        return pa.scalar(literals[0], pa.string())
    return pa.array(literals, pa.string()).take(choice)


def _columnar_part(
    index: int, program: Program, which: Rows, columns: Mapping[str, Column]
) -> list[_Part]:
    rows = _rows_of(index, which)
    num_rows = len(which) if rows is None else len(rows)
    if num_rows == 0:
        return []
    used = {name: _taken(columns[name], rows) for name in program.names}
    texts, doubts = evaluate(program.tree, used, num_rows)
    return [_Part(rows, _as_array(texts, num_rows), doubts)]


def _doubtful_part(index: int, which: Rows) -> list[_Part]:
    rows = _rows_of(index, which)
    num_rows = len(which) if rows is None else len(rows)
    if num_rows == 0:
        return []
    return [_Part(rows, pa.repeat("", num_rows), np.ones(num_rows, np.bool_))]


def _rows_of(index: int, which: Rows) -> Rows | None:
    rows = np.flatnonzero(which == index)
    return None if len(rows) == len(which) else rows


def _taken(column: Column, rows: Rows | None) -> Column:
    if rows is None or isinstance(column, pa.Scalar):
        return column
    return column.take(pa.array(rows))


def _as_array(texts: Column, num_rows: int) -> pa.StringArray:
    return kernels.repeated(texts, num_rows) if isinstance(texts, pa.Scalar) else texts


def _assembled(parts: list[_Part], num_rows: int) -> tuple[pa.StringArray, Mask]:
    """Put the parts' rows back in order."""
    doubts = np.zeros(num_rows, np.bool_)
    for part in parts:
        if part.doubts is not None:
            doubts[slice(None) if part.rows is None else part.rows] = part.doubts
    if not parts:
        return pa.array([], pa.string()), doubts
    if len(parts) == 1:
        return parts[0].texts, doubts
    order = np.concatenate([part.rows for part in parts if part.rows is not None])
    place = np.empty(num_rows, np.int64)
    place[order] = np.arange(num_rows)
    return pa.concat_arrays([part.texts for part in parts]).take(pa.array(place)), doubts


def _too_long(texts: pa.StringArray) -> Mask:
    size = pc.binary_length(texts)
    longest = pc.max(size).as_py()
    if longest is None or longest <= MAX_TEXT_BYTES:
        return np.zeros(len(texts), np.bool_)
    mask = pc.fill_null(pc.greater(size, MAX_TEXT_BYTES), False)
    return np.asarray(mask.to_numpy(zero_copy_only=False))


def _settle(
    texts: pa.StringArray,
    doubtful: Rows,
    programs: Sequence[Program],
    which: Rows,
    columns: Mapping[str, Column],
) -> Texts:
    """Render the doubtful rows by Jinja and insert the results."""
    nulls: dict[int, str] = {}
    failures: dict[int, str] = {}
    settled: list[str | None] = [None] * len(doubtful)
    for index in np.unique(which[doubtful]):
        program = programs[index]
        places = np.flatnonzero(which[doubtful] == index)
        rows = doubtful[places]
        for place, row, values in zip(
            places.tolist(), rows.tolist(), _values(program, rows, columns), strict=True
        ):
            try:
                settled[place] = program.render(values)
            except NullPrintedError as error:
                nulls[row] = str(error)
            except RenderError as error:
                failures[row] = str(error)
    mask = np.zeros(len(texts), np.bool_)
    mask[doubtful] = True
    replaced = pc.replace_with_mask(texts, pa.array(mask), pa.array(settled, pa.string()))
    return Texts(replaced, nulls, failures)


def _values(program: Program, rows: Rows, columns: Mapping[str, Column]) -> list[dict[str, object]]:
    names = sorted(program.names)
    if not names:
        return [{} for _ in rows]
    lists = [_as_list(columns[name], rows) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]


def _as_list(column: Column, rows: Rows) -> list[object]:
    if isinstance(column, pa.Scalar):
        return [column.as_py()] * len(rows)
    values: list[object] = column.take(pa.array(rows)).to_pylist()
    return values
