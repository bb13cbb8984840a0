"""Commands about training: plan, train, demo."""

from pathlib import Path
from typing import Annotated

import typer

from instructify.cli.options import BuildFolder, CatalogFile, Json
from instructify.cli.output import reader_may_leave


def plan(
    build: BuildFolder,
    recipe: Annotated[
        str, typer.Option(help="paper, paper-without-capfilt, or a YAML file.")
    ] = "paper",
    steps: Annotated[int, typer.Option(min=1, help="Steps of the run.")] = 60_000,
    batch: Annotated[int, typer.Option(min=1, help="Samples of a step, on all GPUs.")] = 128,
    html: Annotated[Path | None, typer.Option(help="Write a page too.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Another recipe or build, to see the difference.")
    ] = None,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Show what a mixture makes of a build: shares, passes, answer words, disk.

    Example: instructify plan build --recipe paper --steps 60000 --batch 128
    """
    from instructify.commands.plan import run_plan

    with reader_may_leave():
        run_plan(
            build,
            recipe,
            steps=steps,
            batch=batch,
            html=html,
            against=against,
            catalog_file=catalog_file,
            as_json=as_json,
        )


def train(
    build: BuildFolder,
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    recipe: Annotated[
        str | None, typer.Option(help="One of ours (docs/training.md), or a YAML file.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, as optimizer.lr=1e-4.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the run.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on though data or recipe changed.")
    ] = False,
    catalog_file: CatalogFile = None,
    as_json: Json = False,
) -> None:
    """Fine-tune InstructBLIP on a build, or go on with a run.

    Example: instructify train build --recipe tiny --out run
    """
    from instructify.commands.train import run_train

    code = run_train(
        build,
        recipe,
        out,
        settings or [],
        steps=steps,
        resume=resume,
        accept_changes=accept_changes,
        catalog_file=catalog_file,
        as_json=as_json,
    )
    raise typer.Exit(code)


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Make twins of all releases, convert all 26 datasets, and look at some samples.

    Example: instructify demo
    """
    from instructify.commands.demo import run_demo

    run_demo(out, jobs)
