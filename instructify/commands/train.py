"""`train`: from a build to a fine-tuned model, or on from where a run stopped."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.terminal import paragraph
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify.templating import TemplateFolders


def run_train(
    build: Path,
    recipe: str | None,
    out: Path,
    settings: Sequence[str],
    *,
    steps: int | None,
    resume: bool,
    accept_changes: bool = False,
    from_scratch: bool = False,
    take_over: bool = False,
    templates: TemplateFolders | None = None,
    catalog_file: Path | None = None,
    as_json: bool = False,
) -> int:
    """Train, and say how it went; returns the exit code."""
    if from_scratch and not resume:
        raise UserError("--from-scratch is for --resume; a new run starts at step 0 anyway")
    # Tokenizers must not start threads of their own, since loader processes are forked.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from instructify_train.distributed import join, leave
    from instructify_train.model import device_of
    from instructify_train.recipe import load_recipe
    from instructify_train.run_folder import RECIPE, run_recipe

    if steps is not None:
        settings = [*settings, f"run.steps={steps}"]
    if recipe is None:
        if not resume or not (out / RECIPE).exists():
            raise UserError("name a recipe: `--recipe tiny`, another of ours, or a YAML file")
        config = run_recipe(out, settings)
    else:
        config = load_recipe(recipe, settings)
    catalog = load_catalog(extra=catalog_file)
    if templates not in (None, TemplateFolders.of()) and not config.run.best_by:
        print(
            "--templates and --add-templates have no effect: samples are rendered already, and no "
            "protocol is asked without 'run.best_by'",
            file=sys.stderr,
        )
    opened = Build.open(build)
    ranks = join(device_of(config.run.device))
    from instructify_train.run import StartOptions, launch

    start_as = StartOptions(
        resume=resume,
        accept_changes=accept_changes,
        from_scratch=from_scratch,
        take_over=take_over,
        templates=templates or TemplateFolders.of(),
    )
    # After an exception the other processes are not waited for: they may never come.
    result, facts = launch(opened, config, catalog, out, ranks, start_as)
    leave()
    if ranks.is_first:
        print(json.dumps(facts, indent=1) if as_json else _told(facts, out))
    if result.stopped_by is not None:
        print(
            f"instructify: stopped after step {result.step:,}, which is saved; the same command "
            "with --resume goes on from there",
            file=sys.stderr,
        )
        return 128 + result.stopped_by
    return 0


def _told(facts: dict[str, object], out: Path) -> str:
    best = facts["best"]
    loss = "no step was left to do"
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
