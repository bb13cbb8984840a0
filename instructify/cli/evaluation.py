"""Commands that score: eval, results, protocols, score."""

from pathlib import Path
from typing import Annotated

import typer

from instructify.cli.options import AddTemplates, BuildFolder, CatalogFile, Json, TemplateFolder
from instructify.cli.output import reader_may_leave


def score(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset of the catalog.")],
    predictions: Annotated[Path, typer.Option(help="JSON or JSONL: id and prediction.")],
    references: Annotated[
        Path | None, typer.Option(help="JSON or JSONL: id and references.")
    ] = None,
    build: Annotated[Path | None, typer.Option(help="A build, instead of --references.")] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the metric: official, lavis ...")
    ] = None,
    split: Annotated[str | None, typer.Option(help="A split of the build.")] = None,
    form: Annotated[str | None, typer.Option(help="A form: multiple_choice (A-OKVQA).")] = None,
    items: Annotated[bool, typer.Option("--items", help="The score of every item too.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count missing predictions as wrong.")
    ] = False,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Score predictions of any model by a dataset's metric, with a 95 % interval.

    Example: instructify score vqav2 --predictions mine.jsonl --build build
    """
    from instructify.commands.score import ScoreRequest, run_score

    request = ScoreRequest(
        name=name,
        predictions=predictions,
        references=references,
        build=build,
        split=split,
        form=form,
        variant=variant,
        allow_missing=allow_missing,
        catalog_file=catalog_file,
    )
    with reader_may_leave():
        run_score(request, with_items=items, as_json=as_json)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run, folder or name.")],
    build: BuildFolder,
    out: Annotated[Path, typer.Option(help="Folder for predictions and results.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Protocols: gqa, aokvqa.choice.")
    ] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="The 13 of the table.")] = False,
    held_in: Annotated[bool, typer.Option("--held-in", help="Those with a val split.")] = False,
    suite: Annotated[str | None, typer.Option(help="A suite; `protocols` lists them.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, as decode.beams=1.")
    ] = None,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", help="best | last | a step, of a run.")
    ] = "best",
    limit: Annotated[int | None, typer.Option(min=1, help="Questions of each protocol.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Questions at once.")] = 16,
    device: Annotated[str, typer.Option(help="auto | cpu | cuda")] = "auto",
    precision: Annotated[str, typer.Option(help="auto | fp32 | bf16")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Continue where it stopped.")] = False,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Evaluate a model by the datasets' protocols.

    Example: instructify eval run build --held-out --out results
    """
    from instructify._util.errors import UserError
    from instructify.commands.eval import EvalRequest, run_eval
    from instructify.templating import TemplateFolders

    suites = [name for name, on in (("held-out", held_out), ("held-in", held_in)) if on]
    suites += [] if suite is None else [suite]
    if len(suites) > 1:
        raise UserError(
            f"{' and '.join(suites)}: choose one suite, and evaluate the other in a second call"
        )
    request = EvalRequest(
        model=model,
        build=build,
        names=names or [],
        suite=suites[0] if suites else None,
        out=out,
        checkpoint=checkpoint,
        settings=settings or [],
        limit=limit,
        batch=batch,
        device=device,
        precision=precision,
        resume=resume,
        templates=TemplateFolders.of(templates, added_templates or []),
        catalog_file=catalog_file,
    )
    with reader_may_leave():
        run_eval(request, as_json=as_json)


def results(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of eval.")],
    html: Annotated[Path | None, typer.Option(help="Write a page too.")] = None,
    build: Annotated[
        Path | None, typer.Option(help="The evaluated build, whose pictures the page shows.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Show evaluations beside the published figures: 13 held-out datasets, 11 models.

    Example: instructify results results --html results.html --build build
    """
    from instructify.commands.results import run_results

    with reader_may_leave():
        run_results(folders, html=html, build=build, markdown=markdown, as_json=as_json)


def protocols(
    name: Annotated[
        str | None, typer.Argument(help="A protocol; without it all are listed.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, as decode.beams=1.")
    ] = None,
    templates: TemplateFolder = None,
    added_templates: AddTemplates = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """List how each dataset is evaluated, or show all settings of one protocol.

    Example: instructify protocols scienceqa
    """
    from instructify.commands.protocols import run_protocols
    from instructify.templating import TemplateFolders

    with reader_may_leave():
        run_protocols(
            name,
            settings or [],
            templates=TemplateFolders.of(templates, added_templates or []),
            catalog_file=catalog_file,
            as_json=as_json,
        )
