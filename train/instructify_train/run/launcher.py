"""Start a run or go on with it, in one of its processes: folder, checks, header, loop, page."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from instructify.build import Build
from instructify.catalog import Catalog
from instructify_train.config import TrainConfig
from instructify_train.distributed import Ranks
from instructify_train.model import absolute_names
from instructify_train.run.header import header_lines, wrapped
from instructify_train.run.held_in_scores import held_in_scores
from instructify_train.run.run_page import write_page
from instructify_train.run.setup import facts_of, set_up
from instructify_train.run.stop import stop_on_signals
from instructify_train.run.trainer import Result, Trainer
from instructify_train.run_folder import (
    check_data,
    check_overlap,
    claimed,
    starting_point,
    write_run,
)


def launch(
    build: Build,
    config: TrainConfig,
    catalog: Catalog,
    run: Path,
    ranks: Ranks,
    *,
    resume: bool,
    accept: bool,
) -> tuple[Result, dict[str, Any]]:
    """Run a recipe on a build; returns how it ended, and that as plain values."""
    config = replace(config, model=absolute_names(config.model))
    with claimed(run, resume=resume, is_first=ranks.is_first):
        start, said = starting_point(run, config, accept=accept)
        setup = set_up(build, config, catalog, ranks)
        said += check_data(start, setup.mixed, accept=accept)
        said += check_overlap(setup.mixed, config.waivers)
        held_in = held_in_scores(setup, catalog)
        if ranks.is_first:
            write_run(run, config, setup.mixed, facts_of(setup))
            notes = [part for line in said for part in wrapped(line)]
            print("\n".join([*header_lines(setup, start), *notes]), file=sys.stderr)
        with stop_on_signals() as stop:
            trainer = Trainer(setup, run, start=start, shows=sys.stderr.isatty(), held_in=held_in)
            result = trainer.run(stop)
        if ranks.is_first:
            write_page(run)
    return result, _value(run, result)


def _value(run: Path, result: Result) -> dict[str, Any]:
    best = None if result.best is None else msgspec.to_builtins(result.best)
    return {"run": str(run), "step": result.step, "loss": result.loss, "best": best}
