"""Functions about builds: convert, check, plan, export, score."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from instructify.api.arguments import AnyPath, Names, folder_of, names_of, path_of, paths_of
from instructify.build import Build, EngineOptions, Progress
from instructify.build import convert as convert_build
from instructify.catalog import load_catalog
from instructify.checking import Report
from instructify.commands.check import CheckOptions, check_request, checked
from instructify.commands.convert import ConvertOptions, convert_request
from instructify.commands.export import exported
from instructify.commands.plan import planned
from instructify.commands.score import ScoreRequest, scored
from instructify.exporting import PictureFolders, Receipt, read_options
from instructify.metrics import Answer, Prediction, Result
from instructify.recipe import Plan


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
        draws: Samples per record; None uses the default rule.
        seed: Seed of every choice.
        jobs: Processes.
        limit: The maximum number of records per split.
        pictures: "store", "reference" or "none"; None uses the mode of the catalog.
        ocr: A file of OCR tokens by picture key.
        settings: Options of datasets, as "dataset.option=value".
        max_rejects: Rejects that are allowed, in per cent; None takes the catalog's.
        allow_empty: Whether a build without any sample is committed.
        all_own: Whether all datasets of `catalog` are converted too.
        catalog: A file of your own datasets, besides the built-in ones.
        templates: A folder of templates, instead of the built-in ones.
        add_templates: Folders of templates to add.
        prompts: "instruction", "plain" or "prefix"; None keeps what the build has.

    Raises:
        UserError: The request names something that is not there.
        RejectsError: More items were rejected than is allowed; `out` is unchanged.
    """
    options = ConvertOptions(
        names=names_of(names),
        raw=Path(raw),
        out=Path(out),
        images=paths_of(images),
        split=split,
        draws=draws,
        seed=seed,
        engine=EngineOptions(jobs=jobs),
        limit=limit,
        pictures=pictures,
        ocr=path_of(ocr),
        settings=settings,
        max_rejects=max_rejects,
        allow_empty=allow_empty,
        every_own=all_own,
        catalog_file=path_of(catalog),
        templates=path_of(templates),
        added_templates=paths_of(add_templates),
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
    """Examine a raw root; `report.of("fault")` and `report.of("note")` list the findings.

    Args:
        names: A dataset of the catalog, or several.
        raw: The raw root.
        images: More folders of pictures.
        split: One split instead of the usual ones.
        deep: Whether every picture is decoded.
        complete: Whether fewer records than the release has are a fault.
        pictures: Whether pictures are checked.
        ocr: The file of OCR tokens that the conversion will use.
        jobs: Processes.
        settings: Options of datasets, as "dataset.option=value".
        all_own: Whether all datasets of `catalog` are examined too.
        catalog: A file of your own datasets, besides the built-in ones.

    Raises:
        UserError: The request names something that is not there.
    """
    options = CheckOptions(
        names=names_of(names),
        raw=Path(raw),
        images=paths_of(images),
        split=split,
        deep=deep,
        complete=complete,
        pictures=pictures,
        ocr=path_of(ocr),
        jobs=jobs,
        settings=settings,
        every_own=all_own,
        catalog_file=path_of(catalog),
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
    """Compute what a recipe draws from a build, with a row for each member of its mixture.

    Args:
        build: A build, or its folder.
        recipe: The name of a built-in recipe, or the path of a YAML file.
        settings: Changes of the recipe, as "mixture=all".
        steps: Steps of the run; None takes the recipe's.
        batch: Samples of a step; None takes the recipe's.
        catalog: A file of your own datasets, besides the built-in ones.

    Raises:
        UserError: The recipe or a setting is wrong, or the build lacks a member.
    """
    loaded = load_catalog(extra=path_of(catalog))
    return planned(folder_of(build), recipe, settings, loaded, steps=steps, batch=batch)


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
    """Write a build in the format of another trainer.

    Args:
        build: A build, or its folder.
        out: The folder to write.
        to: "llava", "chat", "webdataset", "parquet" or "hub".
        names: Datasets; none takes all of the build.
        splits: Splits; none takes all.
        draws: "all" renderings of a record, or the "first" alone.
        limit: The maximum number of samples of a split.
        pictures: Whether pictures are written too.
        shard_mb: Megabytes of a tar or Parquet file.
        redistribute: Datasets that you may share.
        overwrite: Whether an earlier export in `out` is replaced.

    Raises:
        UserError: The request names something that is not there, or `out` holds other files.
    """
    options = read_options(
        to=to,
        names=names_of(names),
        splits=names_of(splits),
        held_in=False,
        held_out=False,
        draws=draws,
        limit=limit,
        pictures=pictures,
        shard_mb=shard_mb,
        only_licences=(),
        redistribute=names_of(redistribute),
    )
    opened = build if isinstance(build, Build) else Build.open(build)
    return exported(
        opened, Path(out), options, PictureFolders(), overwrite=overwrite, engine=EngineOptions()
    )[0]


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
    """Score predictions of any model with the metric of a dataset; `value` is a fraction.

    Args:
        name: A dataset of the catalog.
        predictions: A JSON or JSONL file, or the answers by id.
        references: A file of references.
        build: A build, or its folder, with the references; give either this or `references`.
        split: A split of the build; None takes the one that the ids name.
        form: The form of the records, if the split has several.
        variant: The variant of the metric; None uses the usual one of the dataset.
        allow_missing: Whether a missing prediction counts as wrong.
        catalog: A file of your own datasets, besides the built-in ones.

    Raises:
        UserError: Predictions and references do not fit each other.
    """
    answers: Path | list[Prediction]
    if isinstance(predictions, Mapping):
        answers = [Prediction(str(key), answer) for key, answer in predictions.items()]
    else:
        answers = Path(predictions)
    request = ScoreRequest(
        name=name,
        predictions=answers,
        references=path_of(references),
        build=None if build is None else folder_of(build),
        split=split,
        form=form,
        variant=variant,
        allow_missing=allow_missing,
        catalog_file=path_of(catalog),
    )
    return scored(request)
