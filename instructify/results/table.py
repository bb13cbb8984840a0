"""The table of the 13 held-out datasets: published rows, and a row for each evaluation of ours."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Scalar, read_yaml
from instructify._util.yaml_marks import format_is
from instructify._util.yaml_typed import decode
from instructify.protocols import PUBLISHED, Departure, departures

FORMAT = 1
SHORT: Mapping[str, str] = {
    "nocaps": "NoCap", "flickr30k": "Fl30K", "gqa": "GQA", "vsr": "VSR", "iconqa": "IconQ",
    "textvqa": "TextV", "visdial": "VisDl", "hateful_memes": "HM", "vizwiz": "VizWz",
    "scienceqa": "SciQA", "msvd_qa": "MSVD", "msrvtt_qa": "MSRVT", "ivqa": "iVQA",
}  # fmt: skip


MARKS: Mapping[str, str] = {
    "split": "s", "prompt": "p", "fields": "t", "frames": "f",
    "decode": "d", "candidates": "c", "score": "v",
}  # fmt: skip
# Marks for the training, which come before those for the protocol.
FINE_TUNED = "n"
TRAINED_PROMPT = "e"


class Cell(NamedTuple):
    """A figure in per cent, and what it differs in from a published figure.

    `is_partial`: not all of the official split is evaluated. `departures`: where the protocol
    differs from the published one. `is_trained_prompt`: the model was trained on the prompt.
    `is_fine_tuned`: it was fine-tuned on the dataset, so the figure is not zero-shot.
    """

    value: float
    is_partial: bool = False
    departures: tuple[Departure, ...] = ()
    is_trained_prompt: bool = False
    is_fine_tuned: bool = False

    @property
    def marks(self) -> str:
        """A letter for each part of training and protocol that differs."""
        parts = {departure.part for departure in self.departures}
        training = FINE_TUNED * self.is_fine_tuned + TRAINED_PROMPT * self.is_trained_prompt
        return training + "".join(letter for part, letter in MARKS.items() if part in parts)


class Row(NamedTuple):
    """The figures of a model by column; columns that were not measured are missing."""

    name: str
    cells: Mapping[str, Cell]
    is_ours: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The table: columns are names of protocols; `others` are results of ours without a cell."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    others: tuple[Mapping[str, Any], ...]
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Published:
    """The published rows, with a value or null for each column."""

    format: Annotated[int, format_is(FORMAT)]
    source: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[Scalar, ...]]


def make_table(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """Make the table of the published rows and of results of ours, by the name of their row."""
    file = decode(_Published, read_yaml(Path(__file__).parent / "published.yaml"))
    columns = file.columns
    published = []
    for name, values in file.rows.items():
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
            result
            for results in runs.values()
            for result in results
            if result not in _shown(results, columns).values()
        ),
        source=file.source,
    )


def remarks_on(table: Table) -> list[str]:
    """Return the remarks that matter when our rows are compared with the published ones."""
    ours = [row for row in table.rows if row.is_ours]
    remarks = []
    if any(cell.is_partial for row in ours for cell in row.cells.values()):
        remarks.append("*: not all of the official split, so it compares with no published figure.")
    for row in ours:
        lines = list(_departing(row))
        if lines:
            remarks.append(f"{row.name} departs from the published protocols:")
            remarks += lines
        remarks += training_remarks([row])
    return remarks


def training_remarks(rows: Iterable[Row]) -> list[str]:
    """Return remarks about models that were trained on evaluated prompts or datasets."""
    remarks = []
    for row in rows:
        trained = [column for column, cell in row.cells.items() if cell.is_trained_prompt]
        if trained:
            remarks.append(
                f"{row.name}: {TRAINED_PROMPT} trained on the evaluation prompt of "
                f"{', '.join(trained)}, as the template files say."
            )
        tuned = [column for column, cell in row.cells.items() if cell.is_fine_tuned]
        if tuned:
            remarks.append(
                f"{row.name}: {FINE_TUNED} fine-tuned on {', '.join(tuned)}, so not zero-shot: "
                "it compares with the paper's table 3, not with the rows above."
            )
    return remarks


def _departing(row: Row) -> Iterator[str]:
    """Yield each departure of a row once, with all columns that have it."""
    columns: dict[Departure, list[str]] = {}
    for column, cell in row.cells.items():
        for departure in cell.departures:
            columns.setdefault(departure, []).append(column)
    for departure, names in columns.items():
        yield f"  {MARKS[departure.part]} {', '.join(names)}: {departure}"


def row_names(folders: Sequence[Path]) -> list[str]:
    """Name the rows by their folders, as short as possible but distinct."""
    for depth in range(1, 1 + max(len(folder.parts) for folder in folders)):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise UserError("a folder of results is named twice; name each once")


def percent(cell: Cell | None) -> str:
    """Format a cell in five characters, with a star if it is partial; a dash if there is none."""
    if cell is None:
        return "-"
    star = "*" if cell.is_partial else ""
    return f"{cell.value:.{0 if star and cell.value >= 99.95 else 1}f}{star}"


def _is_trained_prompt(result: Mapping[str, Any]) -> bool:
    """Return whether a model was trained on the prompt of the protocol."""
    trained = result["model"].get("evaluation_prompts", ())
    is_changed = result["protocol"]["sources"].get("instruction") == "set"
    return not is_changed and result["dataset"] in trained


def is_fine_tuned(result: Mapping[str, Any]) -> bool:
    """Return whether the model of a result was fine-tuned on its dataset."""
    tuned = result["model"].get("fine_tuned_on", ())
    return result["dataset"] in ([tuned] if isinstance(tuned, str) else tuned)


def _cells(results: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, Cell]:
    return {column: _cell(result) for column, result in _shown(results, columns).items()}


def _cell(result: Mapping[str, Any]) -> Cell:
    return Cell(
        value=100 * result["score"]["value"],
        is_partial=result["complete"] is False,
        departures=departures(result["protocol"], result["model"].get("language_model")),
        is_trained_prompt=_is_trained_prompt(result),
        is_fine_tuned=is_fine_tuned(result),
    )


def _shown(
    results: Iterable[Mapping[str, Any]], columns: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Return the result of each column: that of the `paper` protocol, else of the usual one."""
    shown: dict[str, Mapping[str, Any]] = {}
    for result in results:
        column, _, protocol = str(result["name"]).partition(".")
        if column not in columns or protocol not in ("", PUBLISHED) or result["score"] is None:
            continue
        if protocol or column not in shown:
            shown[column] = result
    return shown


def why_unscored(result: Mapping[str, Any]) -> str:
    """Return the reason why a result has no score."""
    undefined: str | None = result.get("undefined")
    return undefined or "golds not public"
