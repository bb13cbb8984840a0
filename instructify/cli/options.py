"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Datasets.")]
HeldIn = Annotated[bool, typer.Option("--held-in", help="The 13 datasets to train on.")]
HeldOut = Annotated[bool, typer.Option("--held-out", help="The 13 datasets to evaluate on.")]
All = Annotated[bool, typer.Option("--all", help="All datasets of the catalog.")]
AllOwn = Annotated[bool, typer.Option("--all-own", help="All datasets of --catalog FILE.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", help="Your own datasets, beside the built-in ones.")
]
TemplateFolder = Annotated[
    Path | None,
    typer.Option("--templates", help="Your templates, instead of the built-in ones."),
]
AddTemplates = Annotated[
    list[Path] | None,
    typer.Option("--add-templates", help="Your templates, beside the built-in ones; repeatable."),
]
Prompts = Annotated[
    str | None,
    typer.Option(
        "--prompts", help="instruction (default), plain or prefix; default: as in the build."
    ),
]
RawRoot = Annotated[Path, typer.Option("--raw", help="Raw root: one folder per release.")]
Images = Annotated[list[Path] | None, typer.Option("--images", help="More picture folders.")]
OneSplit = Annotated[
    str | None, typer.Option("--split", help="One split instead of the usual ones.")
]
Draws = Annotated[int | None, typer.Option("--draws", min=1, help="Samples per record.")]
DatasetSettings = Annotated[
    list[str] | None, typer.Option("--set", help="dataset.option=value, see catalog NAME.")
]
BuildFolder = Annotated[Path, typer.Argument(metavar="BUILD", help="A folder made by convert.")]

Jobs = Annotated[int | None, typer.Option(min=1, help="Processes; default 1.")]
Engine = Annotated[str, typer.Option(help="local | ray | ray:ADDRESS, see docs/scale.md.")]
PartOf = Annotated[str | None, typer.Option("--part", help="i/n: a share of the units; no commit.")]
