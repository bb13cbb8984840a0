"""`twin`: synthetic releases, and one line about each."""

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
    """Write twins and report."""
    if not names and not every:
        raise UserError("name releases or datasets to make twins of, or give --all")
    wanted = list(WRITERS) if every else names
    summaries = make_twin(wanted, out, scale, seed, pictures)
    if as_json:
        print(json.dumps([summary._asdict() for summary in summaries], indent=1))
        return
    rows = [[one.release, f"{len(one.files):,}", f"{one.num_pictures:,}"] for one in summaries]
    columns = (TextColumn("release", 15), FigureColumn("files", 5), FigureColumn("pictures", 9))
    print("\n".join(table_lines(columns, rows)))
    made = {summary.release for summary in summaries}
    datasets = [
        dataset.name for dataset in load_catalog().datasets.values() if dataset.release in made
    ]
    which = "--all" if every else " ".join(datasets)
    print(f"raw root: {out}; next: instructify convert {which} --raw {out} --out build")
