"""`import`: look at the user's own data, write its catalog entry, and try the conversion."""

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError, did_you_mean
from instructify._util.resources import find
from instructify._util.terminal import visible
from instructify._util.wording import counted
from instructify.build import Build, ConvertRequest, Progress, RawRoots, RejectsError, convert
from instructify.catalog import load_catalog
from instructify.importing import add_entry, entry_lines, find_place, guess
from instructify.templating import load_templates

_WHOLE_BYTES = 256 << 20  # smaller data is converted as a whole to see whether it works
_TRIED_RECORDS = 20_000
_SHOWN = 3
_SHOWN_CHARS = 240
_MOST_LOST = 50.0  # percent; with more rejects the rows are probably read wrongly
_HEAD = ("format: 1", "datasets:")
_NAME = re.compile(r"[a-z0-9_]+")


def run_import(paths: Sequence[Path], *, name: str | None, task: str | None, out: Path) -> None:
    """Write the entry and print samples.

    Raises:
        UserError: the entry does not convert the data.
    """
    catalog = load_catalog()
    if task is not None and task not in catalog.tasks:
        raise UserError(f"--task {task}: {did_you_mean(task, catalog.tasks)}")
    place = find_place(paths)
    named = name or re.sub(r"[^a-z0-9]+", "_", place.folder.name.lower()).strip("_") or "mine"
    if not _NAME.fullmatch(named):
        raise UserError(f"--name {named}: use small letters, digits and underscores")
    lines = entry_lines(named, place, guess(place, task, catalog))
    with tempfile.TemporaryDirectory(prefix="instructify-import-") as scratch:
        trial = Path(scratch, "trial.yaml")
        try:
            add_entry(trial, lines, named)
            shown = _try(trial, named, place.folder.parent, Path(scratch, "build"))
        except (RejectsError, UserError) as error:
            raise UserError(_failure(error, trial, lines)) from error
    add_entry(out, lines, named)
    print("\n".join([f"{out}:", *lines, *shown, ""]))
    print(
        f"next: instructify convert {named} --catalog {out} --raw {place.folder.parent} --out BUILD"
    )


def _failure(error: RejectsError | UserError, trial: Path, lines: Sequence[str]) -> str:
    """Say why the entry does not convert the data, and what to do; `import` allows no rejects."""
    what = error.what if isinstance(error, RejectsError) else str(error)
    what = what.replace(str(trial), "the entry").rstrip(".")
    share = error.share if isinstance(error, RejectsError) else 100.0
    lose = (
        f"; to convert without the rejected rows, add max_rejects_percent: {int(share) + 1} to it"
        if share <= _MOST_LOST
        else ""
    )
    return "\n".join(
        [
            f"the entry that this data seems to need does not convert it: {what}.",
            "Nothing was written. The entry was:",
            *_HEAD,
            *lines,
            "Correct the data and import again; or save this entry in a file, correct it, and "
            f"convert with it (docs/own-data.md){lose}.",
        ]
    )


def _try(trial: Path, name: str, raw: Path, build: Path) -> list[str]:
    """Convert into a temporary build, and return lines that show its counts and some samples."""
    catalog = load_catalog(extra=trial)
    limit = _limit(raw / name, catalog.dataset(name).options["raw"], raw)
    request = ConvertRequest(
        catalog=catalog,
        catalog_sha256="0" * 64,
        datasets=(catalog.dataset(name),),
        roots=RawRoots(raw=raw),
        out=build,
        templates=load_templates(find("templates"), "instruction"),
        templates_folder="built-in",
        limit=limit,
        draws=1,
        catalog_file=None,
    )
    states = convert(request, Progress.for_terminal())
    if limit is not None:
        print(
            f"only the first {limit:,} records of each split were tried: the data is large",
            file=sys.stderr,
        )
    shown = [""]
    for state in states:
        rejects = f", {counted(state.rejects.total(), 'reject')}" if state.rejects else ""
        records, pictures = counted(state.records, "record"), counted(state.pictures, "picture")
        shown.append(f"{state.split}: {records}, {pictures}{rejects}")
    return [*shown, *_samples(Build.open(build), name)]


def _limit(folder: Path, raw_folder: object, raw: Path) -> int | None:
    """Return how many records are tried, or None for all of them where the data is small."""
    where = raw / str(raw_folder) if raw_folder else folder
    total = 0
    for path in where.rglob("*"):
        total += path.stat().st_size if path.is_file() else 0
        if total > _WHOLE_BYTES:
            return _TRIED_RECORDS
    return None


def _samples(build: Build, name: str) -> list[str]:
    lines: list[str] = []
    for split, of in build.dataset(name).splits.items():
        if not of.samples:
            continue
        for row in build.samples(name, split):
            if len(lines) >= 4 * _SHOWN:
                return lines
            answer = row["response"] or " | ".join(row["references"] or ())
            lines += [
                "",
                f"{row['sample_id']}  ({counted(len(row['pictures']), 'picture')})",
                f"  asked:    {_short(row['instruction'])}",
                f"  answered: {_short(answer)}",
            ]
    return lines


def _short(text: str) -> str:
    line = visible(text.replace("\n", " / "))
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 3] + "..."
