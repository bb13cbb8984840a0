"""Which of our figures compare with the published ones, and why others do not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from instructify.protocols import departures
from instructify.results.table import Cell, Row, Table, is_fine_tuned, percent

MOST_REFERENCES = 20  # rows that others can be compared with; the stylesheet has as many rules
_REFERENCE = {"llama": "InstructBLIP Vicuna-7B", "t5": "InstructBLIP FlanT5-XL"}


class ShownCell(NamedTuple):
    """A figure, its marks, and its difference from each published row."""

    text: str
    is_trained_prompt: bool
    is_best: bool
    differences: tuple[tuple[int, float], ...]


class ShownRow(NamedTuple):
    """A row of the table; a cell is None if no comparable figure was measured."""

    name: str
    is_ours: bool
    cells: tuple[ShownCell | None, ...]


class Apart(NamedTuple):
    """A figure of ours that does not compare with a published one, and the reason."""

    run: str
    anchor: str
    name: str
    value: str
    why: str


def is_comparable(cell: Cell) -> bool:
    """Return whether a figure is zero-shot, of a whole official split, with published settings."""
    return not cell.is_partial and not cell.is_fine_tuned and not cell.departures


def comparable_rows(table: Table) -> list[ShownRow]:
    """Return the published rows and our comparable figures; rows without a cell are left out."""
    rows = [row for row in map(_comparable, table.rows) if row.cells or not row.is_ours]
    best = {
        column: max((row.cells[column].value for row in rows if column in row.cells), default=0.0)
        for column in table.columns
    }
    return [
        ShownRow(
            row.name,
            row.is_ours,
            tuple(
                _shown(row, column, best[column], rows) if column in row.cells else None
                for column in table.columns
            ),
        )
        for row in rows
    ]


def chosen_reference(rows: Sequence[ShownRow], results: Mapping[str, Sequence[Any]]) -> int:
    """Return the row to compare with at first: the one with the same language model."""
    models = [result["model"].get("language_model") for each in results.values() for result in each]
    name = next((_REFERENCE[model] for model in models if model in _REFERENCE), None)
    names = [row.name for row in rows]
    return names.index(name) if name in names else max(len(names) - 1, 0)


def figures_apart(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Apart]:
    """Yield all figures of ours that do not compare with published ones."""
    for number, (run, each) in enumerate(results.items()):
        for result in each:
            why = list(_why_apart(result))
            if result["score"] is not None and why:
                value = percent(Cell(100 * result["score"]["value"]))
                text = f"{'; '.join(why)}: not comparable"
                yield Apart(run, anchor_of(number, result), str(result["name"]), value, text)


def anchor_of(number: int, result: Mapping[str, Any]) -> str:
    """Return the anchor of a result on the page; the name of a protocol may hold any character."""
    sign = "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in result["name"]
    )
    return f"run-{number}-{sign}"


def _why_apart(result: Mapping[str, Any]) -> Iterator[str]:
    if result["complete"] is False:
        num_asked, total = result["asked"], result["of_total"]
        if num_asked < total:
            yield f"{num_asked:,} of {total:,} questions"
        else:
            yield f"{num_asked:,} questions, which are not the whole official split"
    if is_fine_tuned(result):
        yield "fine-tuned on this dataset, so not zero-shot"
    yield from map(str, departures(result["protocol"], result["model"].get("language_model")))


def _comparable(row: Row) -> Row:
    cells = {name: cell for name, cell in row.cells.items() if is_comparable(cell)}
    return row._replace(cells=cells)


def _shown(row: Row, column: str, best: float, rows: Sequence[Row]) -> ShownCell:
    value = row.cells[column].value
    differences = tuple(
        (number, value - other.cells[column].value)
        for number, other in enumerate(rows[:MOST_REFERENCES])
        if row.is_ours and other is not row and column in other.cells
    )
    cell = row.cells[column]
    return ShownCell(percent(cell), cell.is_trained_prompt, value >= best, differences)
