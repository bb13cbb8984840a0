"""The folder of a run: its resolved recipe, its inputs, and whether the run may be resumed.

RUN/recipe.yaml        all settings, as the run uses them
RUN/run.json           versions, build, model, sizes
RUN/metrics.jsonl      a line every few steps
RUN/checkpoints/       see checkpoint.py
RUN/tensorboard/       the same numbers for TensorBoard
RUN/report.html        the curves
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.file_names import require_text
from instructify._util.outside import (
    NotReadableError,
    check_links,
    decode_values,
    read_regular,
)
from instructify._util.shards import sweep, write_json
from instructify.build import write_lock
from instructify.overlap import read_overlaps, unwaived
from instructify.recipe import MixedBuild, Waiver
from instructify_train.checkpoint import Checkpoint, load, load_last, remove_staged, steps_of
from instructify_train.config import TrainConfig
from instructify_train.model import (
    TrainedOn,
    as_trained_on,
    located_names,
    noted_sources,
    read_trained_on,
)
from instructify_train.recipe import changed_settings, load_recipe, recipe_value, save_recipe

RUN_FORMAT = 1
RECIPE = "recipe.yaml"
_FACTS = "run.json"
# Folders that a run writes to or removes from, those of its trackers included. Single files are
# written by renames, which replace a link.
_WRITTEN = ("checkpoints", "tensorboard", "wandb")
# Settings that may change within a run without changing its result.
_FREE = (
    *("data.workers", "data.feature_cache", "run.device_batch", "run.device_tokens"),
    *("run.pass_cost", "run.save_every", "run.keep", "run.log_every"),
    *("run.tensorboard", "run.compile", "run.parallel", "run.trackers"),
)


@contextmanager
def claimed(run: Path, *, resume: bool, take_over: bool, is_first: bool) -> Iterator[None]:
    """Lock the folder of a run for one writer; refuse a folder with another run or other files.

    A run that is refused before its start leaves no files, not even its folder.

    `take_over`: lock it even if a process of another host may still hold the lock.
    """
    if not resume and (steps_of(run) or (run / RECIPE).exists()):
        raise UserError(
            f"{run} holds a run already; go on with it by `--resume`, or choose another --out"
        )
    require_text(run)
    if not (run / RECIPE).exists() and run.is_dir() and any(_others(run)):
        raise UserError(f"{run} is not empty and holds no run; choose another --out")
    if not is_first:
        yield
        return
    check_links(run, _WRITTEN)
    with write_lock(run / ".lock", take_over=take_over):
        sweep(run)
        remove_staged(run)
        yield


def starting_point(
    run: Path, config: TrainConfig, *, accept: bool, from_scratch: bool
) -> tuple[Checkpoint | None, list[str]]:
    """Find the checkpoint to resume from, and messages about it; UserError if the recipe changed.

    None means step 0: there is no checkpoint yet or, with `from_scratch`, no complete one.
    """
    said: list[str] = []
    if (run / RECIPE).exists():
        kept = run_recipe(run, must_be_there=False)
        before, now = recipe_value(kept), recipe_value(config)
        changes = changed_settings(before, now)
        serious = [change for change in changes if change.split(" ")[0] not in _free(config)]
        if serious and not accept:
            raise UserError(
                f"the recipe is not what {run} was started with: {'; '.join(serious[:4])}. Go back "
                "to it, start a new run, or add --accept-changes."
            )
        said += [f"note: {change}" for change in changes]
    start, passed = load_last(run)
    if start is None and passed and not from_scratch:
        raise UserError(
            f"no checkpoint of {run} is whole: {'; '.join(passed)}. Put one back from a copy, or "
            "add --from-scratch to remove them and start at step 0."
        )
    if from_scratch and start is not None:
        said.append(
            f"--from-scratch has no effect: the checkpoint of step {start.state.step} is whole"
        )
    if start is None and passed:
        return None, [*said, *(f"removed: {name}" for name in passed)]
    return start, [*said, *(f"passed over: {name}" for name in passed)]


def _free(config: TrainConfig) -> tuple[str, ...]:
    """List settings that may change; the number of steps only if the rate does not depend on it."""
    return (*_FREE, "run.steps") if config.optimizer.schedule == "constant" else _FREE


def last_step(run: Path) -> int | None:
    """Return the step that a run can be resumed from, without reading its tensors."""
    return max(steps_of(run), default=None)


def check_data(start: Checkpoint | None, mixed: MixedBuild, *, accept: bool) -> list[str]:
    """Refuse a build or mixture other than the run's; with `--accept-changes` describe it."""
    if start is None:
        return []
    changes = start.state.mixture.check(mixed.mixture, mixed.hashes(), accept_changes=accept)
    return [f"accepted: {change}" for change in changes]


def check_overlap(mixed: MixedBuild, waivers: Sequence[Waiver]) -> list[str]:
    """Refuse held-out pictures in the mixture without a waiver; returns what is unchecked."""
    build = mixed.build
    kept = read_overlaps(build)
    splits = {part.dataset: part.splits for part in mixed.parts}
    tuned = list(splits) if mixed.recipe.fine_tune else []
    pairs = unwaived(kept, splits, waivers, tuned)
    if pairs:
        more = f"; and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
        raise UserError(
            f"the mixture holds held-out pictures: {'; '.join(pair.sentence for pair in pairs[:3])}"
            f"{more}. Leave these datasets out, or name them below 'waivers' in the recipe with a "
            "reason (docs/overlap.md)."
        )
    if kept:
        return []
    return [
        "unchecked whether held-out pictures are in the mixture; "
        f"`instructify overlap {build.paths.root}` looks"
    ]


def write_run(run: Path, config: TrainConfig, mixed: MixedBuild, facts: Mapping[str, Any]) -> None:
    """Write the inputs of a run; `facts` are those of `setup.facts_of`."""
    save_recipe(config, run / RECIPE)
    value = {
        "format": RUN_FORMAT,
        "instructify": __version__,
        "versions": versions(("torch", "transformers", "tokenizers", "peft")),
        "build": str(mixed.build.paths.root),
        "samples": mixed.hashes(),
        "trained_on": msgspec.to_builtins(_trained_on(config, mixed)),
        **facts,
        "model_sources": noted_sources(config.model, run),
    }
    write_json(run / _FACTS, value)


def _trained_on(config: TrainConfig, mixed: MixedBuild) -> TrainedOn:
    """Record what the model of a run is trained on, before the run and in it."""
    datasets = tuple(sorted(part.dataset for part in mixed.parts))
    trained = TrainedOn(
        datasets=tuple(dict.fromkeys(datasets)),
        fine_tuned_on=tuple(sorted(set(datasets))) if config.mixture.fine_tune else (),
        evaluation_prompts=tuple(mixed.evaluation_prompts()),
    )
    return trained.after(read_trained_on(config.model.name))


def trained_on(run: Path) -> TrainedOn:
    """Read what the model of a run was trained on; raises UserError if that is damaged."""
    facts = read_run(run)
    if "trained_on" not in facts:  # a run of an earlier version
        recipe = run_recipe(run, must_be_there=False)
        names = sorted({member.dataset for member in recipe.mixture.members})
        value: dict[str, Any] = {
            "datasets": names,
            "fine_tuned_on": names if recipe.mixture.fine_tune else [],
            "evaluation_prompts": facts.get("evaluation_prompts", []),
        }
    else:
        value = facts["trained_on"]
    try:
        return as_trained_on(value)
    except msgspec.ValidationError as error:
        raise UserError(
            f"{run / _FACTS} is damaged (trained_on: {error}); give a folder written by "
            "`instructify train`"
        ) from error


def read_run(run: Path) -> Mapping[str, Any]:
    """Read the inputs of a run; raises UserError if there is no run."""
    try:
        facts = decode_values(read_regular(run / _FACTS), has_paths=True)
    except (OSError, NotReadableError) as error:
        raise UserError(
            f"{run} holds no run ({_FACTS} is missing or damaged); give a folder written by "
            "`instructify train`"
        ) from error
    if facts.get("format") != RUN_FORMAT:
        raise UserError(
            f"{run / _FACTS} has format {facts.get('format')} and this version of instructify "
            f"reads {RUN_FORMAT}; train anew, or use the version that wrote it"
        )
    return facts


def run_recipe(
    run: Path, settings: Sequence[str] = (), *, must_be_there: bool = True
) -> TrainConfig:
    """Read the recipe of a run, with the folders of its models where they are now.

    Raises:
        UserError: The recipe is damaged, or a folder is not there and has to be.
    """
    config = load_recipe(str(run / RECIPE), settings)
    model = located_names(config.model, run, _sources(run), must_be_there=must_be_there)
    return replace(config, model=model)


def _sources(run: Path) -> dict[str, dict[str, str]]:
    """Read the sources of a run's models; empty if they are missing or of another form."""
    try:
        facts = decode_values(read_regular(run / _FACTS), has_paths=True)
        return msgspec.convert(facts.get("model_sources", {}), dict[str, dict[str, str]])
    except (OSError, NotReadableError, msgspec.ValidationError):
        return {}


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, and not a model."""
    return (folder / RECIPE).is_file()


def chosen_checkpoint(run: Path, which: str) -> Checkpoint:
    """Read the weights of the `best` checkpoint of a run, the `last`, or that of a step."""
    last, _ = load_last(run, with_optimizer=False)
    if last is None:
        raise UserError(f"{run} has no checkpoint yet; train some steps first")
    best = last.state.best or last.state
    wanted = {"last": last.state.step, "best": best.step}.get(which)
    if wanted is None and which.isdigit() and int(which) in steps_of(run):
        wanted = int(which)
    if wanted is not None:
        if wanted == last.state.step:
            return last
        return load(run, wanted, with_optimizer=False)
    have = ", ".join(map(str, steps_of(run)))
    raise UserError(f"{run} has no checkpoint '{which}'; it has best, last, and steps {have}")


def _others(run: Path) -> Iterator[Path]:
    """List what is in a folder besides the lock, the checkpoints and temporary files."""
    return (
        path
        for path in run.iterdir()
        if path.name not in (".lock", "checkpoints") and path.suffix != ".tmp"
    )


def versions(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of the installed libraries."""
    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed
