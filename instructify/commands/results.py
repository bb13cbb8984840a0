"""`results`: evaluations beside the published figures."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify._util.shards import write_bytes
from instructify.build import Build
from instructify.results import (
    Evaluated,
    ItemPictures,
    Table,
    checked_results,
    make_table,
    markdown_lines,
    read_answers,
    read_results,
    result_folders,
    results_page,
    row_names,
    text_lines,
)


def run_results(
    folders: Sequence[Path],
    *,
    html: Path | None,
    build: Path | None,
    markdown: bool,
    as_json: bool,
) -> None:
    """Print the table, and write the page to `html` if that is given.

    Raises:
        UserError: a folder holds no result or a damaged one, or `build` is given without `html`
            (the pictures of the build are for the page).
    """
    if build is not None and html is None:
        raise UserError("--build has no effect without --html: its pictures are for the page")
    names = dict(zip(row_names(folders), folders, strict=True))
    runs = {name: checked_results(read_results(folder), folder) for name, folder in names.items()}
    table = make_table(runs)
    if html is not None:
        evaluated = {name: _evaluated(folder, runs[name]) for name, folder in names.items()}
        pictures = None if build is None else ItemPictures(Build.open(build))
        write_bytes(html, results_page(table, evaluated, html, pictures))
    if as_json:
        print(json.dumps(_value(table), indent=1))
        return
    for line in markdown_lines(table) if markdown else text_lines(table):
        print(line)
    if html is not None:
        print(f"\npage: {html}", file=sys.stderr if markdown else sys.stdout)


def _evaluated(folder: Path, results: Sequence[Mapping[str, Any]]) -> Evaluated:
    folders = result_folders(folder)
    return Evaluated(results, [read_answers(folder) for folder in folders], folders)


def _value(table: Table) -> dict[str, object]:
    rows = [
        {
            "name": row.name,
            "is_ours": row.is_ours,
            "values": {column: cell.value for column, cell in row.cells.items()},
            "partial": [column for column, cell in row.cells.items() if cell.is_partial],
            "fine_tuned": [column for column, cell in row.cells.items() if cell.is_fine_tuned],
            "trained_prompt": [
                column for column, cell in row.cells.items() if cell.is_trained_prompt
            ],
            "departures": {
                column: [departure._asdict() for departure in cell.departures]
                for column, cell in row.cells.items()
                if cell.departures
            },
        }
        for row in table.rows
    ]
    return {
        "source": table.source,
        "columns": table.columns,
        "rows": rows,
        "others": list(table.others),
    }
