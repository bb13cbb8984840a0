"""`train`: fine-tune a model on a build, or resume a run."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instructify._util.errors import UserError
from instructify._util.terminal import paragraph
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.templating import TemplateFolders

if TYPE_CHECKING:
    from instructify_train.config import TrainConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """The options of `train`."""

    build: Path
    out: Path
    recipe: str | None = None
    settings: Sequence[str] = ()
    steps: int | None = None
    resume: bool = False
    accept_changes: bool = False
    from_scratch: bool = False
    take_over: bool = False
    templates: TemplateFolders = field(default_factory=TemplateFolders.of)
    catalog_file: Path | None = None


class Trained(NamedTuple):
    """How a run ended: its facts as plain values, the last step, and the signal that ended it."""

    facts: dict[str, Any]
    step: int
    stopped_by: int | None
    is_first: bool  # whether this is the first process of a launcher


def run_train(options: TrainOptions, *, as_json: bool) -> int:
    """Train and print the outcome; returns the exit code."""
    outcome = trained(options)
    if outcome.is_first:
        text = json.dumps(outcome.facts, indent=1) if as_json else summary_of(outcome, options.out)
        print(text)
    if outcome.stopped_by is not None:
        print(
            f"instructify: stopped after step {outcome.step:,}, which is saved; the same command "
            "with --resume goes on from there",
            file=sys.stderr,
        )
        return 128 + outcome.stopped_by
    return 0


def trained(options: TrainOptions) -> Trained:
    """Train with the recipe, in this process or in the processes of a launcher."""
    if options.from_scratch and not options.resume:
        raise UserError("--from-scratch is for --resume; a new run starts at step 0 anyway")
    # Tokenizers must not start threads of their own, since loader processes are forked.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from instructify_train.distributed import join, leave
    from instructify_train.model import device_of
    from instructify_train.run import StartOptions, launch

    config = _config(options)
    catalog = load_catalog(extra=options.catalog_file)
    if options.templates != TemplateFolders.of() and not config.run.best_by:
        print(
            "--templates and --add-templates have no effect: samples are rendered already, and "
            "only 'run.best_by' evaluates protocols",
            file=sys.stderr,
        )
    opened = Build.open(options.build)
    ranks = join(device_of(config.run.device))
    start_as = StartOptions(
        resume=options.resume,
        accept_changes=options.accept_changes,
        from_scratch=options.from_scratch,
        take_over=options.take_over,
        templates=options.templates,
    )
    # After an exception there is no wait for the other processes: they may never get here.
    result, facts = launch(opened, config, catalog, options.out, ranks, start_as)
    leave()
    return Trained(facts, result.step, result.stopped_by, ranks.is_first)


def _config(options: TrainOptions) -> "TrainConfig":
    from instructify_train.recipe import load_recipe
    from instructify_train.run_folder import RECIPE, run_recipe

    settings = list(options.settings)
    if options.steps is not None:
        settings.append(f"run.steps={options.steps}")
    if options.recipe is not None:
        return load_recipe(options.recipe, settings)
    if not options.resume or not (options.out / RECIPE).exists():
        raise UserError("name a recipe: `--recipe tiny`, another of ours, or a YAML file")
    return run_recipe(options.out, settings)


def summary_of(outcome: Trained, out: Path) -> str:
    """Return the text about the end of a run, and the commands to use its model with."""
    facts, best = outcome.facts, outcome.facts["best"]
    loss = "no step was left to do" if outcome.stopped_by is None else "no step was done"
    if facts["loss"] is not None:
        loss = f"loss of the last step {facts['loss']:.4f}"
    chosen = "" if not isinstance(best, dict) else f", best at step {best['step']:,}"
    text = f"{out}: {facts['step']:,} steps, {loss}{chosen}; see {out / 'report.html'}"
    return "\n".join(
        [
            paragraph(text, cut=False),
            "try it:",
            f"  instructify generate {out} --image FILE --prompt TEXT",
            "for plain transformers:",
            f"  instructify merge {out} --out DIR",
        ]
    )
