"""Read the columns of own data that templates use by a name of the user's choice, as texts.

Texts are kept. Numbers and booleans are formatted as text, lists of texts and numbers with commas,
other lists and objects as JSON. A dot in the name of a column descends into an object.
"""

from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal

from instructify.readers.own_plan import Pattern, Plan
from instructify.readers.own_records import BadCell, Row, listed_text
from instructify.readers.printed import looks_printed, read_printed
from instructify.readers.rows import Cells
from instructify.readers.table_cells import Fault, text_of


def own_fields_of(plan: Plan, row: Row) -> list[dict[str, str]] | None:
    """Read the fields of a row, sorted by name; an empty cell gives no field."""
    fields: list[dict[str, str]] = []
    for name, column in plan.fields.items():
        if isinstance(column, Pattern):
            text: str | Fault | None = row.filled(column)
        else:
            text = text_in(cell_at(row.cells, str(column)))
        if isinstance(text, Fault):
            raise BadCell(str(column), text)
        if text is not None:
            fields.append({"name": name, "value": text})
    return fields or None


def cell_at(cells: Cells, column: str) -> object:
    """Return the cell of a column; without such a column, each dot descends into an object.

    A list of {name, value}, as in the exports of this package, counts as an object.
    """
    if column in cells:
        return cells[column]
    head, dot, rest = column.partition(".")
    inner = _as_object(cells.get(head)) if dot else None
    return None if inner is None else cell_at(inner, rest)


def head_of(column: str, present: Sequence[str]) -> str:
    """Return the column of a table that a column of the entry starts with."""
    head = column.partition(".")[0]
    return head if column not in present and head in present else column


def text_in(cell: object) -> str | Fault | None:
    """Format the value of a cell as one text."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str) and looks_printed(cell):
        cell = _printed(cell)
    if isinstance(cell, list | tuple | Mapping):
        return listed_text(cell)
    if isinstance(cell, date | time | timedelta | Decimal):
        return str(cell)
    return text_of(cell)


def _printed(cell: str) -> object:
    """Read a list that Python printed; any other text is returned as it is."""
    try:
        value = read_printed(cell.strip())
    except ValueError:
        return cell
    return value if isinstance(value, list) and None not in value else cell


def _as_object(value: object) -> Cells | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and all(isinstance(pair, dict) and "name" in pair for pair in value):
        return {str(pair["name"]): pair.get("value") for pair in value}
    return None
