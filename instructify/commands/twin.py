"""`twin`: synthetic releases, and one line about each."""

import json
from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError
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
    print(f"{'release':<17}{'files':>6}{'pictures':>10}")
    for summary in summaries:
        print(f"{summary.release:<17}{len(summary.files):>6}{summary.num_pictures:>10,}")
    made = {summary.release for summary in summaries}
    datasets = [one.name for one in load_catalog().datasets.values() if one.release in made]
    which = "--all" if every else " ".join(datasets)
    print(f"raw root: {out}; next: instructify convert {which} --raw {out} --out build")
