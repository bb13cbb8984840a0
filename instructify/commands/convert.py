"""`convert` and `retemplate`: turn options into requests, and results into lines of output."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from instructify._util.errors import UserError, did_you_mean
from instructify._util.resources import find
from instructify._util.shards import hash_file
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify._util.wording import counted
from instructify.build import (
    Build,
    ConvertRequest,
    EngineOptions,
    PartDone,
    PictureMode,
    Progress,
    RawRoots,
    RejectsError,
    SplitState,
    check_line,
    content_key,
    convert,
    find_splits,
    idle_settings,
    retemplate,
    unprinted_tokens,
    with_settings,
)
from instructify.catalog import Catalog, Dataset, load_catalog
from instructify.commands.standing import (
    mode_before,
    mode_of,
    refuse_own_templates,
    splits_of,
    standing_splits,
)
from instructify.templating import Mode, TemplateFolders, unknown_pools

MODES: tuple[PictureMode, ...] = get_args(PictureMode)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertOptions:
    """The options of `convert`; `groups` holds the flags --held-in, --held-out and --all."""

    names: Sequence[str] = ()
    groups: tuple[bool, bool, bool] = (False, False, False)
    raw: Path
    out: Path
    images: Sequence[Path] = ()
    split: str | None = None
    draws: int | None = None
    seed: int = 0
    engine: EngineOptions = field(default_factory=EngineOptions)
    limit: int | None = None
    pictures: str | None = None  # None: the mode that the catalog sets for each picture family
    ocr: Path | None = None
    settings: Sequence[str] = ()
    max_rejects: float | None = None
    allow_empty: bool = False
    every_own: bool = False
    catalog_file: Path | None = None
    templates: Path | None = None
    added_templates: Sequence[Path] = ()
    prompts: str | None = None


def run_convert(options: ConvertOptions, *, as_json: bool) -> int:
    """Convert and print the report; returns the exit code."""
    start = time.monotonic()
    request = convert_request(options)
    try:
        states = convert(request, Progress.for_terminal())
    except RejectsError as error:
        print(f"instructify: {error}", file=sys.stderr)
        return 1
    except PartDone as part:
        report_part(part, time.monotonic() - start, as_json=as_json)
        return 0
    report(states, options.out, time.monotonic() - start, as_json=as_json)
    for remark in _remarks(request, states):
        print(remark, file=sys.stderr)
    return 0


def convert_request(options: ConvertOptions) -> ConvertRequest:
    """Turn options into a request.

    Raises:
        UserError: an option names something that does not exist.
    """
    pictures = next((mode for mode in MODES if mode == options.pictures), None)
    if pictures is None and options.pictures is not None:
        raise UserError(f"--pictures {options.pictures}: {did_you_mean(options.pictures, MODES)}")
    catalog = load_catalog(extra=options.catalog_file)
    names = with_all_own(catalog, options.names, options.catalog_file, options.every_own)
    chosen = chosen_datasets(catalog, names, options.groups)
    folders = TemplateFolders.of(options.templates, options.added_templates)
    return ConvertRequest(
        catalog=catalog,
        catalog_sha256=_catalog_hash(options.catalog_file),
        datasets=tuple(with_settings(catalog, chosen, options.settings)),
        roots=RawRoots(raw=options.raw, images=tuple(options.images)),
        out=options.out,
        templates=folders.load(_mode(options, [dataset.name for dataset in chosen])),
        templates_folder=folders.label,
        split=options.split,
        draws=options.draws,
        seed=options.seed,
        engine=options.engine,
        limit=options.limit,
        pictures=pictures,
        ocr=options.ocr,
        settings=tuple(options.settings),
        max_rejects=options.max_rejects,
        allow_empty=options.allow_empty,
        catalog_file=options.catalog_file,
    )


def _mode(options: ConvertOptions, names: Sequence[str]) -> Mode:
    """Choose the kind of prompts; without --prompts a build keeps the kind that it has."""
    standing = standing_splits(options.out, names)
    if options.templates is None and not options.added_templates:
        refuse_own_templates(options.out, standing)
    if options.prompts is not None:
        return mode_of(options.prompts)
    mode = mode_before(options.out, standing)
    if mode != "instruction":
        print(
            f"the prompts stay {mode} ones, as {options.out} has them; --prompts instruction "
            "makes them instructions",
            file=sys.stderr,
        )
    return mode


def _catalog_hash(extra: Path | None) -> str:
    """Hash the catalog of a conversion, including the user's own catalog."""
    ours = hash_file(find("catalog.yaml"))
    return ours if extra is None else content_key("catalog", [ours, hash_file(extra)])


def run_retemplate(
    build: Path,
    names: Sequence[str],
    templates: Path | None,
    draws: int | None,
    seed: int | None,
    engine: EngineOptions,
    *,
    added_templates: Sequence[Path],
    prompts: str | None,
    as_json: bool,
) -> None:
    """Render the records of a build again and print the report."""
    start = time.monotonic()
    standing = splits_of(Build.open(build), names)
    if templates is None and not added_templates:
        refuse_own_templates(build, standing)
    mode = mode_before(build, standing) if prompts is None else mode_of(prompts)
    folders = TemplateFolders.of(templates, added_templates)
    try:
        states = retemplate(
            build,
            names,
            folders.load(mode),
            folders.label,
            task_titles={task.name: task.title for task in load_catalog().tasks.values()},
            draws=draws,
            seed=seed,
            engine=engine,
            progress=Progress.for_terminal(),
        )
    except PartDone as part:
        report_part(part, time.monotonic() - start, as_json=as_json)
        return
    report(states, build, time.monotonic() - start, as_json=as_json)


def chosen_datasets(
    catalog: Catalog,
    names: Sequence[str],
    groups: tuple[bool, bool, bool],
    what: str = "convert",
) -> list[Dataset]:
    """Return the datasets that the command line names, in the order of the catalog."""
    held_in, held_out, every = groups
    chosen = {catalog.dataset(name).name for name in names}
    for dataset in catalog.datasets.values():
        in_role = held_in if dataset.role == "held-in" else held_out
        if every or in_role:
            chosen.add(dataset.name)
    if not chosen:
        raise UserError(
            f"nothing to {what}; name datasets, or give --held-in, --held-out or --all "
            "(`instructify catalog` lists them)."
        )
    return [dataset for dataset in catalog.datasets.values() if dataset.name in chosen]


def with_all_own(
    catalog: Catalog, names: Sequence[str], catalog_file: Path | None, every_own: bool
) -> Sequence[str]:
    """Add all datasets of the user's own catalog to the named ones."""
    if not every_own:
        return names
    if catalog_file is None:
        raise UserError("--all-own needs --catalog FILE, the file that holds your own datasets.")
    ours = load_catalog().datasets
    return [*names, *(name for name in catalog.datasets if name not in ours)]


def _remarks(request: ConvertRequest, states: Sequence[SplitState]) -> Iterator[str]:
    """List the usual splits that are not in the build, and the splits without records."""
    converted = {state.name for state in states}
    for dataset in request.datasets if request.split is None else ():
        left = [
            split for split in dataset.default_splits if f"{dataset.name}/{split}" not in converted
        ]
        if left:
            yield (
                f"{dataset.name}: {' and '.join(left)} left out, its files are not there; "
                f"which, and how to get them: {check_line(request, [dataset.name])}"
            )
    yield from _idle_options(request, states)
    for name in unknown_pools(request.templates, request.catalog.datasets):
        hint = did_you_mean(name, request.catalog.datasets)
        yield f"{name}.yaml of {request.templates.folder} has no effect: no such dataset; {hint}"
    for state in states:
        if not state.records and not state.record_rejects:
            yield f"{state.name}: no record, the files hold nothing of this split"


def _idle_options(request: ConvertRequest, states: Sequence[SplitState]) -> Iterator[str]:
    """List the options that had no effect, or less effect than requested."""
    idle = idle_settings(request.settings, find_splits(request), ocr=request.ocr is not None)
    for setting, reason in idle:
        yield f"--set {setting} has no effect: {reason}"
    for name, task in unprinted_tokens(request, states):
        yield f"{name}: --ocr is in its records, and no template of {task} prints OCR tokens"
    for state in states:
        if request.draws is not None and state.draws < request.draws:
            fitting = counted(state.draws, "template")
            yield f"{state.name}: --draws {request.draws} gives {state.draws}, since {fitting} fit"
    ours = load_catalog().datasets if request.catalog_file is not None else ()
    if request.catalog_file is not None and all(
        dataset.name in ours for dataset in request.datasets
    ):
        yield f"--catalog {request.catalog_file} has no effect: none of its datasets is converted"


def report_part(
    part: PartDone,
    wall_s: float,
    *,
    as_json: bool,
    rest: str = "without --part and --stage the same command commits",
) -> None:
    """Print the result of one part, and what the command without it does."""
    if as_json:
        print(json.dumps({"part": str(part), "wall_s": round(wall_s, 3)}, indent=1))
    else:
        print(f"{part}, {wall_s:.1f} s; {rest}")


_COLUMNS = (
    TextColumn("dataset", 17),
    TextColumn("split", 9, floor=9),
    FigureColumn("records", 10),
    FigureColumn("samples", 10),
    FigureColumn("pictures", 9),
    TextColumn("rejects", floor=28, wraps=True),
)


def _row(state: SplitState) -> list[str]:
    rejects = ", ".join(f"{count:,} {reason}" for reason, count in state.rejects.most_common(2))
    more = "" if len(state.rejects) < 3 else ", ..."
    counts = (state.records, state.samples, state.pictures)
    return [state.dataset, state.split, *(f"{count:,}" for count in counts), rejects + more]


def report(states: Sequence[SplitState], out: Path, wall_s: float, *, as_json: bool) -> None:
    """Print the counts of each split."""
    if as_json:
        rows = [
            {
                "name": state.dataset,
                "split": state.split,
                "records": state.records,
                "samples": state.samples,
                "pictures": state.pictures,
                "rejects": dict(sorted(state.rejects.items())),
                "notes": state.notes,
            }
            for state in states
        ]
        print(json.dumps({"datasets": rows, "wall_s": round(wall_s, 3)}, indent=1))
        return
    print("\n".join(table_lines(_COLUMNS, [_row(state) for state in states])))
    for state in states:
        for note in state.notes:
            print(f"{state.name}: {note}", file=sys.stderr)
    samples = sum(state.samples for state in states)
    print(f"{samples:,} samples in {out}, {wall_s:.1f} s; look: instructify inspect {out}")
