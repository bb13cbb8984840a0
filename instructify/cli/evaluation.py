"""Commands that score: score."""

from pathlib import Path
from typing import Annotated

import typer

from instructify.cli.options import CatalogFile, Json
from instructify.cli.output import reader_may_leave


def score(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset of the catalog.")],
    predictions: Annotated[Path, typer.Option(help="JSON or JSONL: id and prediction.")],
    references: Annotated[
        Path | None, typer.Option(help="JSON or JSONL: id and references.")
    ] = None,
    build: Annotated[Path | None, typer.Option(help="A build, instead of --references.")] = None,
    variant: Annotated[str | None, typer.Option(help="Whose rules: official, lavis ...")] = None,
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
