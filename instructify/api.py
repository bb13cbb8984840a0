"""What `import instructify` offers: each command as a function, typed, that prints no result.

Each is a thin layer over its command and does what that does, with the same words for the same
things; a mistake raises `UserError`, whose text is one sentence. Functions that need torch import
it when they are called. See docs/python.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify.build import Build, EngineOptions, Progress
from instructify.build import convert as convert_build
from instructify.catalog import load_catalog
from instructify.checking import Report
from instructify.commands.check import CheckOptions, check_request, checked
from instructify.commands.convert import ConvertOptions, convert_request
from instructify.commands.eval import EvalRequest, evaluated
from instructify.commands.export import exported
from instructify.commands.model import answered
from instructify.commands.plan import planned
from instructify.commands.score import ScoreRequest, scored
from instructify.commands.train import TrainOptions, trained
from instructify.exporting import PictureFolders, Receipt, read_options
from instructify.metrics import Answer, Prediction, Result
from instructify.recipe import Plan
from instructify.templating import TemplateFolders

AnyPath = str | Path
Names = str | Sequence[str]


def convert(
    names: Names = (),
    *,
    raw: AnyPath,
    out: AnyPath,
    images: Sequence[AnyPath] = (),
    split: str | None = None,
    draws: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    limit: int | None = None,
    pictures: str | None = None,
    ocr: AnyPath | None = None,
    settings: Sequence[str] = (),
    max_rejects: float | None = None,
    allow_empty: bool = False,
    all_own: bool = False,
    catalog: AnyPath | None = None,
    templates: AnyPath | None = None,
    add_templates: Sequence[AnyPath] = (),
    prompts: str | None = None,
) -> Build:
    """Turn raw releases into a build, or add datasets to one.

    Args:
        names: A dataset of the catalog, or several.
        raw: The raw root, with one folder per release.
        out: The folder of the build.
        images: More folders of pictures.
        split: One split instead of the usual ones.
        draws: Samples per record; None takes as many as the rule gives.
        seed: Seed of every choice.
        jobs: Processes.
        limit: At most so many records per split.
        pictures: "store", "reference" or "none"; None decides by family, as the catalog says.
        ocr: A file of OCR tokens by picture key.
        settings: Options of datasets, as "dataset.option=value".
        max_rejects: Rejects that are allowed, in per cent; None takes the catalog's.
        allow_empty: Whether a build without any sample is committed.
        all_own: Whether all datasets of `catalog` are converted too.
        catalog: A file of your own datasets, beside ours.
        templates: A folder of templates instead of ours.
        add_templates: Folders of templates that join them.
        prompts: "instruction", "plain" or "prefix"; None keeps what the build has.

    Raises:
        UserError: The request names something that is not there.
        RejectsError: More items were rejected than is allowed; `out` is as it was.
    """
    options = ConvertOptions(
        names=_names(names),
        raw=Path(raw),
        out=Path(out),
        images=_paths(images),
        split=split,
        draws=draws,
        seed=seed,
        engine=EngineOptions(jobs=jobs),
        limit=limit,
        pictures=pictures,
        ocr=_path(ocr),
        settings=settings,
        max_rejects=max_rejects,
        allow_empty=allow_empty,
        every_own=all_own,
        catalog_file=_path(catalog),
        templates=_path(templates),
        added_templates=_paths(add_templates),
        prompts=prompts,
    )
    convert_build(convert_request(options), Progress.for_terminal())
    return Build.open(out)


def check(
    names: Names = (),
    *,
    raw: AnyPath,
    images: Sequence[AnyPath] = (),
    split: str | None = None,
    deep: bool = False,
    complete: bool = False,
    pictures: bool = True,
    ocr: AnyPath | None = None,
    jobs: int = 1,
    settings: Sequence[str] = (),
    all_own: bool = False,
    catalog: AnyPath | None = None,
) -> Report:
    """Examine a raw root: `report.of("fault")` and `report.of("note")` list what was found.

    Args:
        names: A dataset of the catalog, or several.
        raw: The raw root.
        images: More folders of pictures.
        split: One split instead of the usual ones.
        deep: Whether every picture is decoded.
        complete: Whether fewer records than the release has are a fault.
        pictures: Whether pictures are looked at.
        ocr: The file of OCR tokens that a conversion will be given.
        jobs: Processes.
        settings: Options of datasets, as "dataset.option=value".
        all_own: Whether all datasets of `catalog` are examined too.
        catalog: A file of your own datasets, beside ours.

    Raises:
        UserError: The request names something that is not there.
    """
    options = CheckOptions(
        names=_names(names),
        raw=Path(raw),
        images=_paths(images),
        split=split,
        deep=deep,
        complete=complete,
        pictures=pictures,
        ocr=_path(ocr),
        jobs=jobs,
        settings=settings,
        every_own=all_own,
        catalog_file=_path(catalog),
    )
    return checked(check_request(options), jobs)


def plan(
    build: Build | AnyPath,
    recipe: str = "paper",
    *,
    settings: Sequence[str] = (),
    steps: int | None = None,
    batch: int | None = None,
    catalog: AnyPath | None = None,
) -> Plan:
    """Work out what a recipe draws from a build: a row for each member of its mixture.

    Args:
        build: A build, or its folder.
        recipe: The name of one of ours, or the path of a YAML file.
        settings: Changes of the recipe, as "mixture=all".
        steps: Steps of the run; None takes the recipe's.
        batch: Samples of a step; None takes the recipe's.
        catalog: A file of your own datasets, beside ours.

    Raises:
        UserError: The recipe or a setting is wrong, or the build lacks a member.
    """
    loaded = load_catalog(extra=_path(catalog))
    return planned(_folder(build), recipe, settings, loaded, steps=steps, batch=batch)


def export(
    build: Build | AnyPath,
    out: AnyPath,
    to: str,
    *,
    names: Names = (),
    splits: Names = (),
    draws: str = "all",
    limit: int | None = None,
    pictures: bool = True,
    shard_mb: int = 500,
    redistribute: Names = (),
    overwrite: bool = False,
) -> Receipt:
    """Write a build in the shape of another trainer.

    Args:
        build: A build, or its folder.
        out: The folder to write.
        to: "llava", "chat", "webdataset", "parquet" or "hub".
        names: Datasets; none takes all of the build.
        splits: Splits; none takes all.
        draws: "all" renderings of a record, or the "first" alone.
        limit: At most so many samples of a split.
        pictures: Whether pictures are written too.
        shard_mb: Megabytes of a tar or Parquet file.
        redistribute: Datasets that you may share.
        overwrite: Whether an earlier export in `out` is replaced.

    Raises:
        UserError: The request names something that is not there, or `out` holds something else.
    """
    options = read_options(
        to=to,
        names=_names(names),
        splits=_names(splits),
        held_in=False,
        held_out=False,
        draws=draws,
        limit=limit,
        pictures=pictures,
        shard_mb=shard_mb,
        only_licences=(),
        redistribute=_names(redistribute),
    )
    opened = build if isinstance(build, Build) else Build.open(build)
    return exported(opened, Path(out), options, PictureFolders(), overwrite=overwrite)[0]


def score(
    name: str,
    predictions: AnyPath | Mapping[str, Answer],
    *,
    references: AnyPath | None = None,
    build: Build | AnyPath | None = None,
    split: str | None = None,
    form: str | None = None,
    variant: str | None = None,
    allow_missing: bool = False,
    catalog: AnyPath | None = None,
) -> Result:
    """Score predictions of any model by a dataset's metric; `value` is a fraction, 1 at best.

    Args:
        name: A dataset of the catalog.
        predictions: A JSON or JSONL file, or the answers by id.
        references: A file of references, or else
        build: a build, or its folder, whose golds are taken.
        split: A split of the build; None takes the one that the ids name.
        form: A form of record, where the split has several.
        variant: Whose rules are followed; None takes the dataset's usual one.
        allow_missing: Whether a missing prediction counts as wrong.
        catalog: A file of your own datasets, beside ours.

    Raises:
        UserError: Predictions and golds do not fit each other.
    """
    given: Path | list[Prediction]
    if isinstance(predictions, Mapping):
        given = [Prediction(str(key), answer) for key, answer in predictions.items()]
    else:
        given = Path(predictions)
    request = ScoreRequest(
        name=name,
        predictions=given,
        references=_path(references),
        build=None if build is None else _folder(build),
        split=split,
        form=form,
        variant=variant,
        allow_missing=allow_missing,
        catalog_file=_path(catalog),
    )
    return scored(request)


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
        build=_folder(build),
        out=Path(out),
        recipe=recipe,
        settings=settings,
        steps=steps,
        resume=resume,
        accept_changes=accept_changes,
        templates=TemplateFolders.of(_path(templates), _paths(add_templates)),
        catalog_file=_path(catalog),
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
        build=_folder(build),
        names=_names(names),
        suite=suite,
        out=Path(out),
        checkpoint=checkpoint,
        settings=settings,
        limit=limit,
        batch=batch,
        device=device,
        precision=precision,
        resume=resume,
        templates=TemplateFolders.of(_path(templates), _paths(add_templates)),
        catalog_file=_path(catalog),
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
    return answered(
        str(model),
        Path(image),
        prompt,
        which=checkpoint,
        beams=beams,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        length_penalty=length_penalty,
        device=device,
    )


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def _paths(paths: Sequence[AnyPath]) -> tuple[Path, ...]:
    if isinstance(paths, str | Path):
        raise UserError(f"{paths} is one path where a list of them is needed; write [path]")
    return tuple(Path(path) for path in paths)


def _folder(build: Build | AnyPath) -> Path:
    return build.paths.root if isinstance(build, Build) else Path(build)
