"""The table of results for a terminal (80 columns) and as Markdown."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from instructify._util.terminal import WIDTH
from instructify.results.table import (
    SHORT,
    Row,
    Table,
    is_fine_tuned,
    percent,
    remarks_on,
    why_unscored,
)

_CELL = 6


def text_lines(table: Table) -> Iterator[str]:
    """Return the table in 80 columns; the name of a model has a separate line."""
    yield "".join(f"{SHORT.get(column, column)[:5]:>{_CELL}}" for column in table.columns)
    was_ours = False
    for row in table.rows:
        if row.is_ours and not was_ours:
            yield "-" * _CELL * len(table.columns)
        was_ours = row.is_ours
        yield row.name[:WIDTH]
        yield "".join(f"{percent(row.cells.get(column)):>{_CELL}}" for column in table.columns)
        if any(cell.marks for cell in row.cells.values()):
            yield "".join(f"{_marks(row, column):>{_CELL}}" for column in table.columns).rstrip()
    yield ""
    for line in [f"Published: {table.source}, zero-shot.", *remarks_on(table)]:
        yield from textwrap.wrap(
            line,
            WIDTH,
            initial_indent=line[: len(line) - len(line.lstrip())],
            subsequent_indent="    ",
        )
    if table.others:
        yield ""
        for other in table.others:
            yield _other(other)


def markdown_lines(table: Table) -> Iterator[str]:
    """Return the table as Markdown."""
    yield "| model | " + " | ".join(table.columns) + " |"
    yield "|---|" + "---:|" * len(table.columns)
    for row in table.rows:
        name = f"**{_cell(row.name)}**" if row.is_ours else _cell(row.name)
        yield f"| {name} | " + " | ".join(_figures(row, table)) + " |"
    yield ""
    for line in [f"Published: {table.source}, zero-shot.", *remarks_on(table)]:
        yield f"{line}  "
    for other in table.others:
        yield f"{_other(other)}  "


def _figures(row: Row, table: Table) -> Iterator[str]:
    for column in table.columns:
        marks = _marks(row, column)
        yield percent(row.cells.get(column)).replace("*", "\\*") + (f" ({marks})" if marks else "")


def _marks(row: Row, column: str) -> str:
    cell = row.cells.get(column)
    return "" if cell is None else cell.marks[: _CELL - 1]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _other(result: Mapping[str, Any]) -> str:
    split = result["protocol"]["split"]
    if result["score"] is None:
        return f"{result['name']}/{split}: {result['asked']:,} predictions, {why_unscored(result)}"
    score = result["score"]
    star = "*" if result["complete"] is False else ""
    return (
        f"{result['name']}/{split}: {100 * score['value']:.1f}{star} {score['metric']} "
        f"({score['variant']}, {score['count']:,} items)"
        + (", fine-tuned on it" if is_fine_tuned(result) else "")
    )
