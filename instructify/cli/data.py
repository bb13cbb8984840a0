"""Commands from raw releases to a build: catalog, twin, check, convert, retemplate."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructify.cli.options import (
    AddTemplates,
    All,
    AllOwn,
    BuildFolder,
    CatalogFile,
    DatasetSettings,
    Draws,
    Engine,
    HeldIn,
    HeldOut,
    Images,
    Jobs,
    Json,
    Names,
    OneSplit,
    PartOf,
    Prompts,
    RawRoot,
    TemplateFolder,
)
from instructify.cli.output import reader_may_leave
from instructify.cli.start import light_start

if TYPE_CHECKING:
    from instructify.catalog import Catalog


def catalog(
    name: Annotated[
        str | None, typer.Argument(help="A dataset; without it all are listed.")
    ] = None,
    as_json: Json = False,
    catalog_file: CatalogFile = None,
) -> None:
    """List the datasets, or show one dataset: its files, how to get them, its options.

    Example: instructify catalog vqav2
    """
    from instructify.catalog import catalog_lines, load_catalog

    loaded = load_catalog(extra=catalog_file)
    with reader_may_leave():
        if as_json:
            chosen = loaded.datasets.values() if name is None else [loaded.dataset(name)]
            print(json.dumps([dataset.summary() for dataset in chosen], indent=1))
        else:
            print(catalog_lines(loaded) if name is None else _dataset_text(loaded, name))


def _dataset_text(loaded: "Catalog", name: str) -> str:
    from instructify.catalog import dataset_lines
    from instructify.readers import READERS

    reader = READERS.get(loaded.dataset(name).reader)
    helps = {}
    for option, declared in reader.options.items() if reader else ():
        choices = f"{' | '.join(declared.choices)}; " if declared.choices else ""
        helps[option] = f"{choices}{declared.help}"
    return dataset_lines(loaded, name, help_of=helps)


def twin(
    names: Names = None,
    every: All = False,
    out: Annotated[Path, typer.Option(help="Raw root to write.")] = Path("twins"),
    scale: Annotated[float, typer.Option(help="Size; 1 is about 40 training pictures.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed draws another world.")] = 0,
    pictures: Annotated[bool, typer.Option(help="Draw pictures, or only annotations.")] = True,
    as_json: Json = False,
) -> None:
    """Write synthetic releases in the authors' layouts, to try all commands without downloads.

    Example: instructify twin vqav2 visdial --out raw
    """
    light_start()
    from instructify.commands.twin import run_twin

    run_twin(
        names or [],
        every=every,
        out=out,
        scale=scale,
        seed=seed,
        pictures=pictures,
        as_json=as_json,
    )


def check(
    raw: RawRoot,
    names: Names = None,
    held_in: HeldIn = False,
    held_out: HeldOut = False,
    every: All = False,
    every_own: AllOwn = False,
    images: Images = None,
    split: OneSplit = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Decode every picture instead of reading its first and last bytes only."
        ),
    ] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="Fewer records than the release has are a fault.")
    ] = False,
    pictures: Annotated[
        bool, typer.Option(help="Look at the pictures, or only at files and records.")
    ] = True,
    ocr: Annotated[
        Path | None, typer.Option(help="The file of OCR tokens that the conversion will use.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    settings: DatasetSettings = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Show what would go wrong in a conversion, and how to fix it; exit 1 on faults.

    Example: instructify check vqav2 coco_caption --raw raw
    """
    light_start()
    from instructify.commands.check import CheckOptions, run_check

    options = CheckOptions(
        names=names or [],
        groups=(held_in, held_out, every),
        raw=raw,
        images=images or [],
        split=split,
        settings=settings or [],
        deep=deep,
        complete=complete,
        pictures=pictures,
        ocr=ocr,
        jobs=jobs,
        every_own=every_own,
        catalog_file=catalog_file,
    )
    code = 0
    with reader_may_leave():
        code = run_check(options, as_json=as_json)
    raise typer.Exit(code)


def convert(
    raw: RawRoot,
    out: Annotated[Path, typer.Option(help="The build to write or to add to.")],
    names: Names = None,
    held_in: HeldIn = False,
    held_out: HeldOut = False,
    every: All = False,
    every_own: AllOwn = False,
    images: Images = None,
    split: OneSplit = None,
    draws: Draws = None,
    seed: Annotated[int, typer.Option(help="Seed of every choice.")] = 0,
    jobs: Jobs = None,
    engine: Engine = "local",
    part: PartOf = None,
    stage: Annotated[
        str | None, typer.Option(help="records | locate | index | samples: only this.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Records per split.")] = None,
    pictures: Annotated[
        str | None,
        typer.Option(help="store | reference | none; default: web pictures by reference."),
    ] = None,
    ocr: Annotated[
        Path | None, typer.Option(help="OCR tokens by picture key, see docs/catalog.md.")
    ] = None,
    settings: DatasetSettings = None,
    max_rejects: Annotated[
        float | None, typer.Option(min=0, max=100, help="Percent; default: the catalog's.")
    ] = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Keep a build that has no samples.")
    ] = False,
    catalog_file: CatalogFile = None,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    prompts: Prompts = None,
    as_json: Json = False,
) -> None:
    """Turn raw releases into a build of instruction samples.

    Example: instructify convert vqav2 coco_caption --raw raw --out build
    """
    light_start()
    from instructify.build import engine_options
    from instructify.commands.convert import ConvertOptions, run_convert

    options = ConvertOptions(
        names=names or [],
        groups=(held_in, held_out, every),
        raw=raw,
        out=out,
        images=images or [],
        split=split,
        draws=draws,
        seed=seed,
        engine=engine_options(jobs=jobs, engine=engine, part=part, stage=stage),
        limit=limit,
        pictures=pictures,
        ocr=ocr,
        settings=settings or [],
        max_rejects=max_rejects,
        allow_empty=allow_empty,
        every_own=every_own,
        catalog_file=catalog_file,
        templates=templates,
        added_templates=added_templates or [],
        prompts=prompts,
    )
    raise typer.Exit(run_convert(options, as_json=as_json))


def retemplate(
    build: BuildFolder,
    names: Names = None,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    prompts: Annotated[
        str | None,
        typer.Option(help="instruction, plain, or prefix; default: as before."),
    ] = None,
    draws: Draws = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default: as before.")] = None,
    jobs: Jobs = None,
    engine: Engine = "local",
    part: PartOf = None,
    as_json: Json = False,
) -> None:
    """Render the records of a build again: text only, without pictures and raw files.

    Example: instructify retemplate build vqav2 --templates my-templates
    """
    light_start()
    from instructify.build import engine_options
    from instructify.commands.convert import run_retemplate

    options = engine_options(
        jobs=jobs,
        engine=engine,
        part=part,
        stages=("samples",),
    )
    run_retemplate(
        build,
        names or [],
        templates,
        draws,
        seed,
        options,
        added_templates=added_templates or [],
        prompts=prompts,
        as_json=as_json,
    )


def import_data(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Your files or folder.")],
    out: Annotated[Path, typer.Option(help="The catalog file to write or to add to.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the dataset; default: the name of its folder.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The task; default: guessed from the data.")
    ] = None,
) -> None:
    """Look at your own data and write the entry that `convert --catalog` needs.

    Example: instructify import ~/data/birds --out mine.yaml
    """
    light_start()
    from instructify.commands.import_data import run_import

    run_import(paths, name=name, task=task, out=out)


def import_templates(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One template per line.")],
    out: Annotated[Path, typer.Option(help="A folder for --templates.")],
    task: Annotated[str | None, typer.Option(help="The task of the templates.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="The protocol of the prompt, instead; such as vsr.paper.")
    ] = None,
    catalog_file: CatalogFile = None,
) -> None:
    """Turn plain text with slots such as {Question} into templates.

    Example: instructify import-templates vqa.txt --task image_qa --out mine
    """
    from instructify.commands.import_templates import run_import_templates

    run_import_templates(file, out, task=task, protocol=protocol, catalog_file=catalog_file)
