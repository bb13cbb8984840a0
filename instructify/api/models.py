"""Models: train, evaluate, generate. They import torch when they are called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instructify.api.arguments import AnyPath, Names, folder_of, names_of, path_of, paths_of
from instructify.build import Build
from instructify.commands.eval import EvalRequest, evaluated
from instructify.commands.model import GenerateOptions, answered
from instructify.commands.train import TrainOptions, trained
from instructify.templating import TemplateFolders


def train(
    build: Build | AnyPath,
    out: AnyPath,
    recipe: str | None = None,
    *,
    settings: Sequence[str] = (),
    steps: int | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    templates: AnyPath | None = None,
    add_templates: Sequence[AnyPath] = (),
    catalog: AnyPath | None = None,
) -> dict[str, Any]:
    """Fine-tune InstructBLIP on a build; returns `run`, `step`, `loss` and `best` of the run.

    Args:
        build: A build, or its folder.
        out: The folder of the run.
        recipe: The name of one of ours, or the path of a YAML file; None resumes with the run's.
        settings: Changes of the recipe, as "mixture=all" or "optimizer.lr=1e-4".
        steps: Steps of the run.
        resume: Whether the run goes on where it stopped.
        accept_changes: Whether it goes on though data or recipe changed.
        templates: A folder whose protocols `run.best_by` uses instead of ours.
        add_templates: Folders whose protocols join them.
        catalog: A file of your own datasets, beside ours.

    Raises:
        UserError: Recipe, build and folder do not fit each other.
        KeyboardInterrupt: A signal ended the run; the step is saved, and `resume` goes on.
    """
    options = TrainOptions(
        build=folder_of(build),
        out=Path(out),
        recipe=recipe,
        settings=settings,
        steps=steps,
        resume=resume,
        accept_changes=accept_changes,
        templates=TemplateFolders.of(path_of(templates), paths_of(add_templates)),
        catalog_file=path_of(catalog),
    )
    done = trained(options)
    if done.stopped_by is not None:
        raise KeyboardInterrupt(f"stopped after step {done.step:,}, which is saved")
    return done.facts


def evaluate(
    model: AnyPath,
    build: Build | AnyPath,
    names: Names = (),
    *,
    out: AnyPath,
    suite: str | None = None,
    checkpoint: str = "best",
    settings: Sequence[str] = (),
    limit: int | None = None,
    batch: int = 16,
    device: str = "auto",
    precision: str = "auto",
    resume: bool = False,
    templates: AnyPath | None = None,
    add_templates: Sequence[AnyPath] = (),
    catalog: AnyPath | None = None,
) -> list[dict[str, Any]]:
    """Evaluate a model by the protocols of datasets; returns each result as `result.json` has it.

    Args:
        model: A run, a folder of a model, or a name of the Hub.
        build: A build, or its folder.
        names: Protocols: a dataset's name takes its usual one.
        out: The folder of predictions and results.
        suite: A suite, such as "held-out", instead of names.
        checkpoint: "best", "last" or a step, of a run.
        settings: Changes of the protocols, as "decode.beams=1".
        limit: At most so many questions of each.
        batch: Questions at once; changes no result.
        device: "auto", "cpu" or "cuda".
        precision: "auto", "fp32" or "bf16".
        resume: Whether an evaluation goes on where it stopped.
        templates: A folder of templates and protocols instead of ours.
        add_templates: Folders that join them.
        catalog: A file of your own datasets, beside ours.

    Raises:
        UserError: The build lacks what a protocol asks, or `out` holds another evaluation.
    """
    request = EvalRequest(
        model=str(model),
        build=folder_of(build),
        names=names_of(names),
        suite=suite,
        out=Path(out),
        checkpoint=checkpoint,
        settings=settings,
        limit=limit,
        batch=batch,
        device=device,
        precision=precision,
        resume=resume,
        templates=TemplateFolders.of(path_of(templates), paths_of(add_templates)),
        catalog_file=path_of(catalog),
    )
    return evaluated(request, lambda _: None).results


def generate(
    model: AnyPath,
    image: AnyPath,
    prompt: str,
    *,
    checkpoint: str = "best",
    beams: int = 5,
    max_tokens: int = 64,
    min_tokens: int = 1,
    length_penalty: float = 1.0,
    device: str = "auto",
) -> str:
    """Ask a model about one picture or clip; returns its answer.

    Args:
        model: A run, a folder of a model, or a name of the Hub.
        image: The file of a picture or clip.
        prompt: The instruction.
        checkpoint: "best", "last" or a step, of a run.
        beams: Beams of the search; 1 is greedy.
        max_tokens: At most so many tokens.
        min_tokens: At least so many tokens.
        length_penalty: Above 0 favours long answers.
        device: "auto", "cpu" or "cuda".

    Raises:
        UserError: The model or the picture can't be read.
    """
    options = GenerateOptions(
        model=str(model),
        image=Path(image),
        prompt=prompt,
        checkpoint=checkpoint,
        beams=beams,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        length_penalty=length_penalty,
        device=device,
    )
    return answered(options)
