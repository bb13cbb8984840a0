"""`twin`: write synthetic releases, and print one line about each."""

import json
from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify.catalog import load_catalog
from instructify.twins import WRITERS, make_twin


def run_twin(
    names: Sequence[str],
    *,
    every: bool,
    out: Path,
    scale: float,
    seed: int,
    pictures: bool,
    as_json: bool,
) -> None:
    """Write twins and print a table of them."""
    if not names and not every:
        raise UserError("name releases or datasets to make twins of, or give --all")
    sources = list(WRITERS) if every else names
    summaries = make_twin(sources, out, scale, seed, pictures)
    if as_json:
        print(json.dumps([summary._asdict() for summary in summaries], indent=1))
        return
    rows = [
        [summary.release, f"{len(summary.files):,}", f"{summary.num_pictures:,}"]
        for summary in summaries
    ]
    columns = (TextColumn("release", 15), FigureColumn("files", 5), FigureColumn("pictures", 9))
    print("\n".join(table_lines(columns, rows)))
    releases = {summary.release for summary in summaries}
    datasets = [
        dataset.name for dataset in load_catalog().datasets.values() if dataset.release in releases
    ]
    which = "--all" if every else " ".join(datasets)
    print(f"raw root: {out}; next: instructify convert {which} --raw {out} --out build")
