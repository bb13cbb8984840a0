"""Commands that look at a build or at templates: inspect, overlap, explain, diff, lint, verify."""

from pathlib import Path
from typing import Annotated

import typer

from instructify._util.errors import UserError
from instructify.cli.options import (
    AddTemplates,
    BuildFolder,
    CatalogFile,
    Engine,
    Jobs,
    Json,
    PartOf,
    TemplateFolder,
)
from instructify.cli.output import reader_may_leave
from instructify.cli.start import light_start


def inspect(
    build: BuildFolder,
    name: Annotated[str | None, typer.Argument(help="A dataset; default: all.")] = None,
    number: Annotated[
        int | None,
        typer.Option("-n", min=1, help="Samples per split; default: 1, on a page 2,000 in all."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="One split.")] = None,
    sample_id: Annotated[str | None, typer.Option("--id", help="One sample.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page instead: one file.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Page: tokenizers of a preset, run, folder, hub name.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Page: another seed shows other samples.")] = 0,
    raw: Annotated[
        Path | None, typer.Option(help="Page: raw root; default: that of the conversion.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Page: the mixture to plot.")] = "paper",
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Show samples: the instruction, the response, and where they come from.

    Example: instructify inspect build vqav2 -n 3
    """
    light_start()
    from instructify.commands.inspect import run_inspect

    if html is not None:
        if sample_id is not None:
            raise UserError("--id shows one sample in the terminal; leave it out with --html.")
        from instructify.commands.inspect_page import run_inspect_page
        from instructify.templating import TemplateFolders

        run_inspect_page(
            build,
            name,
            split,
            html,
            number=number,
            seed=seed,
            model=model,
            raw=raw,
            recipe=recipe,
            templates=TemplateFolders.of(templates, added_templates or []),
            catalog_file=catalog_file,
            as_json=as_json,
        )
        return
    of_page = (model, raw, templates, added_templates, catalog_file)
    if any(option is not None for option in of_page) or seed:
        raise UserError(
            "--model, --raw, --templates, --add-templates, --catalog and --seed need --html FILE."
        )
    with reader_may_leave():
        run_inspect(build, name, number or 1, split, sample_id, as_json=as_json)


def overlap(
    build: BuildFolder,
    against: Annotated[
        Path | None, typer.Option(help="Another build, to compare the two with each other.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page too.")] = None,
    vg: Annotated[
        Path | None, typer.Option(help="Visual Genome's image_data.json, which maps to COCO.")
    ] = None,
    likeness: Annotated[
        str, typer.Option(help="trained | all | none: which are compared visually.")
    ] = "trained",
    texts: Annotated[bool, typer.Option(help="Compare questions and answers too.")] = True,
    recipe: Annotated[
        str | None, typer.Option(help="Its splits and waivers count: paper, or a YAML file.")
    ] = None,
    jobs: Jobs = None,
    engine: Engine = "local",
    part: PartOf = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Find pictures that datasets share; exit 1 if training has evaluated pictures.

    Example: instructify overlap build --recipe paper --html overlap.html
    """
    light_start()
    from instructify.build import engine_options
    from instructify.commands.overlap import run_overlap

    code = 0  # where the reader leaves early
    with reader_may_leave():
        code = run_overlap(
            build,
            against,
            html=html,
            vg=vg,
            likeness=likeness,
            texts=texts,
            recipe=recipe,
            engine=engine_options(jobs=jobs, engine=engine, part=part, stages=("overlap",)),
            catalog_file=catalog_file,
            as_json=as_json,
        )
    raise typer.Exit(code)


def explain(
    build: BuildFolder,
    sample_id: Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="dataset/split/id#draw")],
    raw: Annotated[
        Path | None, typer.Option(help="Raw root; default: where the conversion found it.")
    ] = None,
    ocr: Annotated[Path | None, typer.Option(help="The OCR file of the conversion.")] = None,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Trace a sample back to its raw file and make it again; exit 1 if it differs.

    Example: instructify explain build vqav2/train/458752000#0 --raw raw
    """
    light_start()
    from instructify.commands.explain import run_explain
    from instructify.templating import TemplateFolders

    code = 0  # where the reader leaves early
    with reader_may_leave():
        code = run_explain(
            build,
            sample_id,
            raw=raw,
            ocr=ocr,
            templates=TemplateFolders.of(templates, added_templates or []),
            catalog_file=catalog_file,
            as_json=as_json,
        )
    raise typer.Exit(code)


def diff(
    before: Annotated[Path, typer.Argument(metavar="BUILD1", help="A build.")],
    after: Annotated[Path, typer.Argument(metavar="BUILD2", help="The build to compare with it.")],
    number: Annotated[int, typer.Option("-n", min=0, help="Examples of each change.")] = 2,
    as_json: Json = False,
) -> None:
    """Show what changed from one build to another; exit 1 on a difference.

    Example: instructify diff build-before build-after
    """
    light_start()
    from instructify.commands.diff import run_diff

    code = 0  # where the reader leaves early
    with reader_may_leave():
        code = run_diff(before, after, number, as_json=as_json)
    raise typer.Exit(code)


def lint(
    build: Annotated[
        Path | None, typer.Argument(metavar="[BUILD]", help="Also lint the samples of this build.")
    ] = None,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """List all that is wrong with templates; exit 1 on errors.

    Example: instructify lint build --templates my-templates
    """
    light_start()
    from instructify.commands.lint import run_lint
    from instructify.templating import TemplateFolders

    code = 0
    with reader_may_leave():
        code = run_lint(
            build,
            TemplateFolders.of(templates, added_templates or []),
            catalog_file,
            as_json=as_json,
        )
    raise typer.Exit(code)


def verify(build: BuildFolder, as_json: Json = False) -> None:
    """Check every file of a build against its manifest; exit 1 if something is wrong.

    Example: instructify verify build
    """
    light_start()
    from instructify.commands.verify import run_verify

    raise typer.Exit(run_verify(build, as_json=as_json))
