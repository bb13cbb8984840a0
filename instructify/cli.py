"""The command line: parse, call, print. Heavy imports stay inside the commands.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 findings or a
threshold passed, 2 a mistake of the user's, 130 and 143 interrupted.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from instructify import __version__
from instructify.errors import UserError

if TYPE_CHECKING:
    from instructify.catalog_model import Catalog

app = typer.Typer(
    name="instructify",
    help="Raw vision-language releases into instruction-tuning data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Datasets.")]
HeldIn = Annotated[bool, typer.Option("--held-in", help="The 13 datasets to train on.")]
HeldOut = Annotated[bool, typer.Option("--held-out", help="The 13 datasets to evaluate on.")]
All = Annotated[bool, typer.Option("--all", help="All datasets of the catalog.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", help="Your own datasets, beside ours.")
]
TemplateFolder = Annotated[
    Path | None, typer.Option("--templates", help="Your templates, instead of ours.")
]
BuildFolder = Annotated[Path, typer.Argument(metavar="BUILD", help="A folder made by convert.")]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit()


@app.command()
def catalog(
    name: Annotated[str | None, typer.Argument(help="One dataset; none lists all.")] = None,
    as_json: Json = False,
    catalog_file: CatalogFile = None,
) -> None:
    """List the datasets, or say everything about one: files, how to get them, options.

    Example: instructify catalog vqav2
    """
    from instructify.catalog import load_catalog
    from instructify.catalog_text import catalog_lines

    loaded = load_catalog(extra=catalog_file)
    with _reader_may_leave():
        if as_json:
            chosen = loaded.datasets.values() if name is None else [loaded.dataset(name)]
            print(json.dumps([dataset.summary() for dataset in chosen], indent=1))
        else:
            print(catalog_lines(loaded) if name is None else _told(loaded, name))


def _told(loaded: "Catalog", name: str) -> str:
    from instructify.catalog_text import dataset_lines
    from instructify.readers import READERS

    reader = READERS.get(loaded.dataset(name).reader)
    helps = {}
    for option, declared in reader.options.items() if reader else ():
        choices = f"{' | '.join(declared.choices)}; " if declared.choices else ""
        helps[option] = f"{choices}{declared.help}"
    return dataset_lines(loaded, name, help_of=helps)


@app.command()
def twin(
    names: Names = None,
    every: All = False,
    out: Annotated[Path, typer.Option(help="Raw root to write.")] = Path("twins"),
    scale: Annotated[float, typer.Option(help="Size; 1 is about 40 training pictures.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed draws another world.")] = 0,
    pictures: Annotated[bool, typer.Option(help="Draw pictures, or only annotations.")] = True,
    as_json: Json = False,
) -> None:
    """Write synthetic releases in the authors' layouts, to try everything without downloads.

    Example: instructify twin vqav2 visdial --out raw
    """
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


@app.command()
def convert(
    raw: Annotated[Path, typer.Option(help="Raw root: one folder per release.")],
    out: Annotated[Path, typer.Option(help="The build to write or to add to.")],
    names: Names = None,
    held_in: HeldIn = False,
    held_out: HeldOut = False,
    every: All = False,
    images: Annotated[list[Path] | None, typer.Option(help="More picture folders.")] = None,
    split: Annotated[str | None, typer.Option(help="One split instead of the usual ones.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Samples per record.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every choice.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Records per split.")] = None,
    pictures: Annotated[str, typer.Option(help="store | reference | none")] = "store",
    ocr: Annotated[
        Path | None, typer.Option(help="OCR tokens by picture key, see docs/catalog.md.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="dataset.option=value, see catalog NAME.")
    ] = None,
    max_rejects: Annotated[
        float | None, typer.Option(min=0, max=100, help="Percent; default: the catalog's.")
    ] = None,
    catalog_file: CatalogFile = None,
    templates: TemplateFolder = None,
    as_json: Json = False,
) -> None:
    """Turn raw releases into a build of instruction samples.

    Example: instructify convert vqav2 coco_caption --raw raw --out build
    """
    from instructify.commands.convert import run_convert

    code = run_convert(
        names=names or [],
        groups=(held_in, held_out, every),
        raw=raw,
        out=out,
        images=images or [],
        split=split,
        draws=draws,
        seed=seed,
        jobs=jobs,
        limit=limit,
        pictures=pictures,
        ocr=ocr,
        settings=settings or [],
        max_rejects=max_rejects,
        catalog_file=catalog_file,
        templates=templates,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command()
def retemplate(
    build: BuildFolder,
    names: Names = None,
    templates: TemplateFolder = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Samples per record.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default: as before.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: Json = False,
) -> None:
    """Render a build's records anew: text only, no picture and no raw file is touched.

    Example: instructify retemplate build vqav2 --templates my-templates
    """
    from instructify.commands.convert import run_retemplate

    run_retemplate(build, names or [], templates, draws, seed, jobs, as_json=as_json)


@app.command()
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

    with _reader_may_leave():
        run_inspect(build, name, number, split, sample_id, as_json=as_json)


@app.command()
def verify(build: BuildFolder, as_json: Json = False) -> None:
    """Check every file of a build against its manifest; exit 1 if something is wrong.

    Example: instructify verify build
    """
    from instructify.commands.verify import run_verify

    raise typer.Exit(run_verify(build, as_json=as_json))


@app.command()
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

    with _reader_may_leave():
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


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Make twins of all releases, convert all 26 datasets, and look at some samples.

    Example: instructify demo
    """
    from instructify.commands.demo import run_demo

    run_demo(out, jobs)


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        _leave(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        _leave("interrupted; the same command goes on where this one stopped", 130)
    except _TerminatedError:
        _leave("terminated; the same command goes on where this one stopped", 143)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _leave(f"{where}{error.strerror or error}; mend that and run the same command again", 2)
    except typer.TyperException as error:
        message = error.format_message()
        if not message:  # no command was given, and the help was shown
            raise SystemExit(2) from None
        _leave(f"{message} Try --help.", 2)
    raise SystemExit(code if isinstance(code, int) else 0)


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """End in silence where the reader of our output has enough, as `head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _TerminatedError(BaseException):
    """SIGTERM came."""


def _terminated(number: int, frame: FrameType | None) -> None:
    raise _TerminatedError


def _leave(message: str, code: int) -> NoReturn:
    print(f"instructify: {message}", file=sys.stderr)
    raise SystemExit(code)
