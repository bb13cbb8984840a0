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
    Path | None, typer.Option("--catalog", help="Your own datasets, beside ours.")
]
TemplateFolder = Annotated[
    Path | None, typer.Option("--templates", help="Your templates, instead of ours.")
]
Prompts = Annotated[
    str, typer.Option("--prompts", help="instruction, or a baseline: plain | prefix.")
]
BuildFolder = Annotated[Path, typer.Argument(metavar="BUILD", help="A folder made by convert.")]
