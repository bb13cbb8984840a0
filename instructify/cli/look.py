"""Commands that look at a build: inspect, verify."""

from typing import Annotated

import typer

from instructify.cli.options import BuildFolder, Json
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


def verify(build: BuildFolder, as_json: Json = False) -> None:
    """Check every file of a build against its manifest; exit 1 if something is wrong.

    Example: instructify verify build
    """
    from instructify.commands.verify import run_verify

    raise typer.Exit(run_verify(build, as_json=as_json))
