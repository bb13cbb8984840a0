"""Render templates over tables of records: instructions and responses as columns, failures by row.

The bytes, and the failures, equal those of `templates.render_row` for each row; only the speed
differs. Memory is linear in the table, so pass one batch at a time.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify.columns import kernels
from instructify.columns.kernels import Column
from instructify.columns.texts import Texts, always_has_text, render_texts
from instructify.schema import RECORD_SCHEMA
from instructify.templating import (
    FIELDS,
    PARTS,
    Part,
    Program,
    Template,
    failure_detail,
    own_column,
    program,
    refuses_empty,
)

_NO_CONSTANTS: Mapping[str, str] = MappingProxyType({})


class Failure(NamedTuple):
    """A row that its template can't render; `reason` is a code of `instructify.rejects`."""

    row: int
    reason: str
    detail: str


class RenderedColumns(NamedTuple):
    """The texts of a table's rows; all null in the rows that failed.

    A null response is for inference only, a null qformer_instruction means the same as the
    instruction; None: no template of the table has one.
    """

    instruction: pa.StringArray
    response: pa.StringArray
    qformer_instruction: pa.StringArray | None
    failed: list[Failure]


def render_table(
    table: pa.RecordBatch | pa.Table,
    templates: Sequence[Template],
    which: NDArray[np.integer],
    constants: Mapping[str, str] = _NO_CONSTANTS,
) -> RenderedColumns:
    """Render row i by `templates[which[i]]`; a name in neither table nor constants is null.

    ArrowCapacityError if the texts of a column would exceed 2 GB; pass fewer rows.
    """
    numbers = np.asarray(which, np.int64)
    if len(numbers) != table.num_rows:
        raise ValueError(f"{len(numbers)} template numbers for {table.num_rows} rows")
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(templates):
        raise ValueError(f"template numbers run from {numbers.min()} to {numbers.max()}")
    try:
        return _render(table, templates, numbers, constants)
    except (pa.ArrowCapacityError, pa.ArrowInvalid):
        # A text column holds 2 GB. What does not fit may still end as failures, half by half.
        if table.num_rows <= 1:
            return _render(table, templates, numbers, constants, by_row=True)
    half = table.num_rows // 2
    first = render_table(table.slice(0, half), templates, numbers[:half], constants)
    return _joined(first, render_table(table.slice(half), templates, numbers[half:], constants))


def _names_read(templates: Sequence[Template]) -> frozenset[str]:
    """Return the fields and constants that the templates read, to project a table on them."""
    names: set[str] = set()
    for template in templates:
        for part in PARTS:
            compiled = template.program(part)
            names |= compiled.names if compiled is not None else set()
    return frozenset(names)


def _joined(first: RenderedColumns, second: RenderedColumns) -> RenderedColumns:
    num_rows = len(first.instruction)
    for left, right in zip(first[:3], second[:3], strict=True):
        if left is not None:
            kernels.refuse_overflow(left.nbytes + right.nbytes)
    qformers = (first.qformer_instruction, second.qformer_instruction)
    return RenderedColumns(
        instruction=pa.concat_arrays([first.instruction, second.instruction]),
        response=pa.concat_arrays([first.response, second.response]),
        qformer_instruction=None if None in qformers else pa.concat_arrays(qformers),
        failed=first.failed
        + [failure._replace(row=failure.row + num_rows) for failure in second.failed],
    )


def _render(
    table: pa.RecordBatch | pa.Table,
    templates: Sequence[Template],
    numbers: NDArray[np.int64],
    constants: Mapping[str, str],
    *,
    by_row: bool = False,
) -> RenderedColumns:
    own_fields = frozenset(name for template in templates for name in template.fields)
    columns = _columns(table, _names_read(templates), own_fields, constants)
    failures: dict[int, Failure] = {}
    parts = {
        part: _render_part(part, templates, numbers, columns, failures, by_row=by_row)
        for part in PARTS
    }
    failed = [failures[row] for row in sorted(failures)]
    if failed:
        good = np.ones(len(numbers), np.bool_)
        good[list(failures)] = False
        parts = {part: _only(texts, good) for part, texts in parts.items()}
    return RenderedColumns(
        instruction=parts["instruction"],
        response=parts["response"],
        qformer_instruction=parts["qformer_instruction"],
        failed=failed,
    )


def _columns(
    table: pa.RecordBatch | pa.Table,
    names: frozenset[str],
    own_fields: frozenset[str],
    constants: Mapping[str, str],
) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    present = set(table.schema.names)
    for name in names:
        if name in own_fields and name not in present:
            columns[name] = own_column(table, name)
        elif name in present:
            columns[name] = _array(table.column(name))
        elif name in FIELDS and name not in constants:
            columns[name] = pa.nulls(table.num_rows, RECORD_SCHEMA.field(name).type)
        else:
            columns[name] = pa.scalar(constants.get(name), pa.string())
    return columns


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            raise pa.ArrowCapacityError("a text column of more than 2 GB")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column


def _render_part(
    part: Part,
    templates: Sequence[Template],
    which: NDArray[np.int64],
    columns: Mapping[str, Column],
    failures: dict[int, Failure],
    *,
    by_row: bool,
) -> pa.StringArray | None:
    """Render one of the texts of all rows; a row's first failure is noted."""
    sources, choice = _distinct(part, templates)
    if sources == [None]:
        return None
    programs = [program("") if source is None else program(*source) for source in sources]
    chosen = choice[which]
    texts = render_texts(programs, chosen, columns, explain_nulls=part != "response", by_row=by_row)
    if None in sources:
        absent = chosen == sources.index(None)
        texts = texts._replace(texts=_only(texts.texts, ~absent))
    reports = _failures_of(part, texts, programs, chosen)
    for row, (reason, what) in reports.items():
        template = templates[which[row]]
        if reason != "empty-render" or refuses_empty(template, part):
            failure = Failure(row, reason, failure_detail(template, part, what))
            failures.setdefault(row, failure)
    return texts.texts


def _distinct(
    part: Part, templates: Sequence[Template]
) -> tuple[list[tuple[str, tuple[str, ...]] | None], NDArray[np.int64]]:
    """List the distinct sources of a part with the fields of own data that they may read, and say
    which of them each template has."""
    sources = [
        None if getattr(template, part) is None else (str(getattr(template, part)), template.fields)
        for template in templates
    ]
    distinct = list(dict.fromkeys(sources))
    return distinct, np.array([distinct.index(source) for source in sources], np.int64)


def _failures_of(
    part: Part, texts: Texts, programs: Sequence[Program], chosen: NDArray[np.int64]
) -> dict[int, tuple[str, str]]:
    reports = {row: ("render-failed", what) for row, what in texts.failures.items()}
    if part != "response":
        reports |= {row: ("render-failed", what) for row, what in texts.nulls.items()}
    if not all(always_has_text(program) for program in programs):
        reports |= {row: ("empty-render", "nothing is left") for row in _blank_rows(texts.texts)}
    return reports


def _blank_rows(texts: pa.StringArray) -> list[int]:
    """Find the rows with white space alone; a null is not blank."""
    blank = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    if not pc.any(blank).as_py():
        return []
    rows: list[int] = np.flatnonzero(pc.fill_null(blank, False)).tolist()
    return rows


def _only(texts: pa.StringArray | None, rows: NDArray[np.bool_]) -> pa.StringArray | None:
    """Return a column with all other rows null."""
    if texts is None:
        return None
    return pc.if_else(pa.array(rows), texts, pa.scalar(None, pa.string()))
