"""Commands that write data for other programs: export."""

from pathlib import Path
from typing import Annotated

import typer

from instructify.cli.options import (
    BuildFolder,
    Engine,
    HeldIn,
    HeldOut,
    Jobs,
    Json,
    Names,
    PartOf,
)
from instructify.cli.start import light_start


def export(
    build: BuildFolder,
    to: Annotated[str, typer.Option(help="llava | chat | webdataset | parquet | hub")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    names: Names = None,
    split: Annotated[list[str] | None, typer.Option(help="Only these splits.")] = None,
    held_in: HeldIn = False,
    held_out: HeldOut = False,
    draws: Annotated[str, typer.Option(help="all | first, of each record.")] = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="Samples per split.")] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="With pictures, or text alone.")
    ] = True,
    raw: Annotated[
        Path | None, typer.Option(help="Raw root, where pictures by reference have moved.")
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="Picture folders that have moved.")
    ] = None,
    shard_mb: Annotated[int, typer.Option(min=1, help="MB of a tar or Parquet file.")] = 500,
    only_licences: Annotated[
        list[str] | None, typer.Option(help="Only datasets under these, such as 'CC BY 4.0'.")
    ] = None,
    redistribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="You may share this dataset.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(metavar="REPO", help="Upload to the Hub, private.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export.")
    ] = False,
    jobs: Jobs = None,
    engine: Engine = "local",
    part: PartOf = None,
    as_json: Json = False,
) -> None:
    """Export a build for LLaVA, TRL, LLaMA-Factory, ms-swift, WebDataset, Energon or the Hub.

    Example: instructify export build vqav2 --to llava --out vqav2-llava
    """
    light_start()
    from instructify.build import engine_options
    from instructify.commands.export import run_export_command
    from instructify.exporting import PictureFolders, read_options

    options = read_options(
        to=to,
        names=names or [],
        splits=split or [],
        held_in=held_in,
        held_out=held_out,
        draws=draws,
        limit=limit,
        pictures=pictures,
        shard_mb=shard_mb,
        only_licences=only_licences or [],
        redistribute=redistribute or [],
    )
    run_export_command(
        build,
        out,
        options,
        PictureFolders(raw=raw, images=tuple(images or ())),
        overwrite=overwrite,
        push=push,
        public=public,
        engine=engine_options(jobs=jobs, engine=engine, part=part, stages=("export",)),
        as_json=as_json,
    )
