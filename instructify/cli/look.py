"""Commands that look at a build or at templates: inspect, lint, verify."""

from pathlib import Path
from typing import Annotated

import typer

from instructify.cli.options import BuildFolder, CatalogFile, Json, TemplateFolder
from instructify.cli.output import reader_may_leave


def inspect(
    build: BuildFolder,
    name: Annotated[str | None, typer.Argument(help="A dataset; none: all.")] = None,
    number: Annotated[int, typer.Option("-n", min=1, help="Samples per split.")] = 1,
    split: Annotated[str | None, typer.Option(help="One split.")] = None,
    sample_id: Annotated[str | None, typer.Option("--id", help="One sample.")] = None,
    as_json: Json = False,
) -> None:
    """Read samples: what the model is told, what it should answer, where it comes from.

    Example: instructify inspect build vqav2 -n 3
    """
    from instructify.commands.inspect import run_inspect

    with reader_may_leave():
        run_inspect(build, name, number, split, sample_id, as_json=as_json)


def lint(
    build: Annotated[
        Path | None, typer.Argument(metavar="[BUILD]", help="See what a build made of them, too.")
    ] = None,
    templates: TemplateFolder = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with templates, all of it at once; exit 1 on errors.

    Example: instructify lint build --templates my-templates
    """
    from instructify.commands.lint import run_lint

    code = 0
    with reader_may_leave():
        code = run_lint(build, templates, catalog_file, as_json=as_json)
    raise typer.Exit(code)


def verify(build: BuildFolder, as_json: Json = False) -> None:
    """Check every file of a build against its manifest; exit 1 if something is wrong.

    Example: instructify verify build
    """
    from instructify.commands.verify import run_verify

    raise typer.Exit(run_verify(build, as_json=as_json))
