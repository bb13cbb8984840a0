"""Start or resume a run in one of its processes: folder, checks, header, loop, page."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.templating import TemplateFolders
from instructify_train.checkpoint import remove_all
from instructify_train.config import TrainConfig
from instructify_train.distributed import Ranks
from instructify_train.failures import foreseen
from instructify_train.model import absolute_names
from instructify_train.run.header import header_lines, wrapped
from instructify_train.run.held_in_scores import held_in_scores
from instructify_train.run.run_page import write_page
from instructify_train.run.setup import facts_of, set_up
from instructify_train.run.stop import stop_on_signals
from instructify_train.run.trackers import require_clients
from instructify_train.run.trainer import Result, Trainer
from instructify_train.run_folder import (
    check_data,
    check_overlap,
    claimed,
    last_step,
    starting_point,
    write_run,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartOptions:
    """Options of a start: whether to resume, accepted changes, and the protocols of `best_by`."""

    resume: bool = False
    accept_changes: bool = False
    from_scratch: bool = False
    take_over: bool = False
    templates: TemplateFolders = field(default_factory=TemplateFolders.of)


def launch(
    build: Build,
    config: TrainConfig,
    catalog: Catalog,
    run: Path,
    ranks: Ranks,
    start_as: StartOptions,
) -> tuple[Result, dict[str, Any]]:
    """Run a recipe on a build; returns its result, also as plain values."""
    config = replace(config, model=absolute_names(config.model))
    is_first = ranks.is_first
    if is_first:
        require_clients(config.run.trackers)
    with (
        claimed(run, resume=start_as.resume, take_over=start_as.take_over, is_first=is_first),
        _foreseen_in_words(run),
    ):
        start, said = starting_point(
            run, config, accept=start_as.accept_changes, from_scratch=start_as.from_scratch
        )
        setup = set_up(build, config, catalog, ranks)
        said += check_data(start, setup.mixed, accept=start_as.accept_changes)
        said += check_overlap(setup.mixed, config.waivers)
        held_in = held_in_scores(setup, catalog, start_as.templates)
        if is_first:
            if start is None:
                remove_all(run)
            write_run(run, config, setup.mixed, facts_of(setup))
            notes = [part for line in said for part in wrapped(line)]
            print("\n".join([*header_lines(setup, start), *notes]), file=sys.stderr)
        with stop_on_signals() as stop, _said_and_drawn(run, is_first=is_first):
            trainer = Trainer(
                setup,
                run,
                start=start,
                shows=sys.stderr.isatty(),
                held_in=held_in,
                after_validation=partial(_write_page, run, is_first=is_first),
            )
            result = trainer.run(stop)
    return result, _value(run, result)


@contextmanager
def _foreseen_in_words(run: Path) -> Iterator[None]:
    """Raise expected exceptions as a UserError with one sentence, also before the first step."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        what = foreseen(error)
        if what is None:
            raise
        raise UserError(f"{what}; {_where_it_goes_on(run)}") from error


@contextmanager
def _said_and_drawn(run: Path, *, is_first: bool) -> Iterator[None]:
    """Add the step to resume from to errors that end the loop; write the page in any case."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{str(error).rstrip('.')}; {_where_it_goes_on(run)}") from error
    finally:
        with contextlib.suppress(UserError, OSError):  # the full disk is already reported
            _write_page(run, is_first=is_first)


def _where_it_goes_on(run: Path) -> str:
    step = last_step(run)
    if step is None:
        return "there is no checkpoint yet"
    return f"the last checkpoint is of step {step:,}, and --resume goes on from there"


def _write_page(run: Path, *, is_first: bool) -> None:
    if is_first:
        write_page(run)


def _value(run: Path, result: Result) -> dict[str, Any]:
    best = None if result.best is None else msgspec.to_builtins(result.best)
    return {"run": str(run), "step": result.step, "loss": result.loss, "best": best}
