"""Functions about models: train, evaluate, generate. They import torch when they are called."""

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
        recipe: The name of a built-in recipe, or the path of a YAML file; None with `resume`
            uses the recipe of the run.
        settings: Changes of the recipe, as "mixture=all" or "optimizer.lr=1e-4".
        steps: Steps of the run.
        resume: Whether to continue the run where it stopped.
        accept_changes: Whether to continue although data or recipe changed.
        templates: A folder with the protocols for `run.best_by`, instead of the built-in ones.
        add_templates: Folders with more protocols.
        catalog: A file of your own datasets, besides the built-in ones.

    Raises:
        UserError: Recipe, build and folder do not fit each other.
        KeyboardInterrupt: A signal ended the run; the step is saved, and `resume` continues it.
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
    outcome = trained(options)
    if outcome.stopped_by is not None:
        raise KeyboardInterrupt(f"stopped after step {outcome.step:,}, which is saved")
    return outcome.facts


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
    """Evaluate a model with the protocols of datasets; returns the content of each `result.json`.

    Args:
        model: A run, a folder of a model, or a name of the Hub.
        build: A build, or its folder.
        names: Protocols: a dataset's name takes its usual one.
        out: The folder of predictions and results.
        suite: A suite, such as "held-out", instead of names.
        checkpoint: "best", "last" or a step, of a run.
        settings: Changes of the protocols, as "decode.beams=1".
        limit: The maximum number of questions of each protocol.
        batch: The number of questions in a batch; it does not affect results.
        device: "auto", "cpu" or "cuda".
        precision: "auto", "fp32" or "bf16".
        resume: Whether to continue an evaluation where it stopped.
        templates: A folder of templates and protocols, instead of the built-in ones.
        add_templates: More folders of templates and protocols.
        catalog: A file of your own datasets, besides the built-in ones.

    Raises:
        UserError: The build lacks data of a protocol, or `out` holds another evaluation.
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
        max_tokens: The maximum number of tokens.
        min_tokens: The minimum number of tokens.
        length_penalty: Values above 0 favour long answers.
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
