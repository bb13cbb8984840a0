"""The table of the 13 held-out datasets: published rows, and a row for each evaluation of ours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instructify._util.errors import UserError
from instructify._util.yaml_lines import read_yaml

FORMAT = 1
SHORT: Mapping[str, str] = {
    "nocaps": "NoCap", "flickr30k": "Fl30K", "gqa": "GQA", "vsr": "VSR", "iconqa": "IconQ",
    "textvqa": "TextV", "visdial": "VisDl", "hateful_memes": "HM", "vizwiz": "VizWz",
    "scienceqa": "SciQA", "msvd_qa": "MSVD", "msrvtt_qa": "MSRVT", "ivqa": "iVQA",
}  # fmt: skip


class Cell(NamedTuple):
    """A figure in per cent; `is_partial`: not of the whole official split, `changed`: of a protocol
    that was changed, `is_trained_prompt`: the model was trained on the prompt."""

    value: float
    is_partial: bool = False
    changed: tuple[str, ...] = ()
    is_trained_prompt: bool = False


class Row(NamedTuple):
    """A model's figures by column; what is not there was not measured."""

    name: str
    cells: Mapping[str, Cell]
    is_ours: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Columns are protocols by name; `others` are results of ours that no cell has."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    others: tuple[Mapping[str, Any], ...]
    source: str
    remarks: Mapping[str, str]


def make_table(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """Put results of ours, by the name of their row, below the published ones."""
    top = read_yaml(Path(__file__).parent / "published.yaml").fields(
        required=("format", "source", "columns", "rows", "remarks")
    )
    if top["format"].value != FORMAT:
        raise top["format"].error(f"format {FORMAT} is known, not {top['format'].value}")
    columns = top["columns"].texts()
    published = []
    for name, node in top["rows"].entries().items():
        values = [one.scalar() for one in node.items()]
        cells = {
            column: Cell(float(value))
            for column, value in zip(columns, values, strict=True)
            if isinstance(value, int | float)
        }
        published.append(Row(name, cells, is_ours=False))
    ours = [Row(name, _cells(results, columns), is_ours=True) for name, results in runs.items()]
    return Table(
        columns=columns,
        rows=(*published, *ours),
        others=tuple(
            one
            for results in runs.values()
            for one in results
            if one["name"] not in columns or one["score"] is None
        ),
        source=top["source"].text(),
        remarks={name: node.text() for name, node in top["remarks"].entries().items()},
    )


def remarks_on(table: Table) -> list[str]:
    """Say what a reader must know before comparing our rows with the published ones."""
    ours = [row for row in table.rows if row.is_ours]
    shown = {column for row in ours for column in row.cells}
    remarks = [f"{name}: {text}." for name, text in table.remarks.items() if name in shown]
    if any(cell.is_partial for row in ours for cell in row.cells.values()):
        remarks.append("*: not all of the official split, so it compares with no published figure.")
    for row in ours:
        changed = {key for cell in row.cells.values() for key in cell.changed}
        if changed:
            remarks.append(
                f"{row.name}: protocols changed by --set ({', '.join(sorted(changed))})."
            )
        trained = [column for column, cell in row.cells.items() if cell.is_trained_prompt]
        if trained:
            remarks.append(
                f"{row.name}: trained on the evaluation prompt of {', '.join(trained)}, as the "
                "template files say."
            )
    return remarks


def row_names(folders: Sequence[Path]) -> list[str]:
    """Name the rows by their folders, as shortly as keeps them apart."""
    for depth in range(1, 1 + max(len(one.parts) for one in folders)):
        names = ["/".join(one.parts[-depth:]) for one in folders]
        if len(set(names)) == len(names):
            return names
    raise UserError("a folder of results is named twice; name each once")


def percent(cell: Cell | None) -> str:
    """Write a cell in five characters: a star where it is partial, a dash where there is none."""
    if cell is None:
        return "-"
    star = "*" if cell.is_partial else ""
    return f"{cell.value:.{0 if star and cell.value >= 99.95 else 1}f}{star}"


def _is_trained_prompt(result: Mapping[str, Any], changed: Sequence[str]) -> bool:
    """Tell whether a model was trained on the prompt as the protocol has it."""
    trained = result["model"].get("evaluation_prompts", ())
    return "instruction" not in changed and result["dataset"] in trained


def _cells(results: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, Cell]:
    return {
        one["name"]: _cell(one)
        for one in results
        if one["name"] in columns and one["score"] is not None
    }


def _cell(result: Mapping[str, Any]) -> Cell:
    sources = result["protocol"]["sources"]
    changed = tuple(key for key, source in sources.items() if source == "set")
    return Cell(
        value=100 * result["score"]["value"],
        is_partial=result["complete"] is False,
        changed=changed,
        is_trained_prompt=_is_trained_prompt(result, changed),
    )


def why_unscored(result: Mapping[str, Any]) -> str:
    """Say why a result has no score."""
    undefined: str | None = result.get("undefined")
    return undefined or "golds not public"
