"""`convert` and `retemplate`: words of the command line into requests, results into lines."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from instructify._util.errors import UserError, did_you_mean
from instructify._util.resources import find
from instructify._util.shards import hash_file
from instructify._util.wording import counted
from instructify.build import (
    Build,
    ConvertRequest,
    PictureMode,
    Progress,
    RawRoots,
    RejectsError,
    SplitEntry,
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
from instructify.templating import Mode, load_templates

MODES: tuple[PictureMode, ...] = get_args(PictureMode)
PROMPTS: tuple[Mode, ...] = get_args(Mode)
BUILT_IN = "built-in"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertOptions:
    """What the command line asks of `convert`; `groups` are held-in, held-out and all."""

    names: Sequence[str] = ()
    groups: tuple[bool, bool, bool] = (False, False, False)
    raw: Path
    out: Path
    images: Sequence[Path] = ()
    split: str | None = None
    draws: int | None = None
    seed: int = 0
    jobs: int = 1
    limit: int | None = None
    pictures: str = "store"
    ocr: Path | None = None
    settings: Sequence[str] = ()
    max_rejects: float | None = None
    allow_empty: bool = False
    every_own: bool = False
    catalog_file: Path | None = None
    templates: Path | None = None
    prompts: str = "instruction"


def run_convert(options: ConvertOptions, *, as_json: bool) -> int:
    """Convert and report; returns the exit code."""
    start = time.monotonic()
    request = _request(options)
    try:
        states = convert(request, Progress.for_terminal())
    except RejectsError as error:
        print(f"instructify: {error}", file=sys.stderr)
        return 1
    report(states, options.out, time.monotonic() - start, as_json=as_json)
    for remark in _remarks(request, states):
        print(remark, file=sys.stderr)
    return 0


def _request(options: ConvertOptions) -> ConvertRequest:
    """Resolve what the command line asks for; UserError where it names what is not there."""
    if options.pictures not in MODES:
        raise UserError(f"--pictures {options.pictures}: {did_you_mean(options.pictures, MODES)}")
    catalog = load_catalog(extra=options.catalog_file)
    names = with_all_own(catalog, options.names, options.catalog_file, options.every_own)
    chosen = chosen_datasets(catalog, names, options.groups)
    folder, folder_name = _template_folder(options.templates)
    return ConvertRequest(
        catalog=catalog,
        catalog_sha256=_catalog_hash(options.catalog_file),
        datasets=tuple(with_settings(catalog, chosen, options.settings)),
        roots=RawRoots(raw=options.raw, images=tuple(options.images)),
        out=options.out,
        templates=load_templates(folder, _mode(options.prompts)),
        templates_folder=folder_name,
        split=options.split,
        draws=options.draws,
        seed=options.seed,
        jobs=options.jobs,
        limit=options.limit,
        pictures=options.pictures,
        ocr=options.ocr,
        settings=tuple(options.settings),
        max_rejects=options.max_rejects,
        allow_empty=options.allow_empty,
        catalog_file=options.catalog_file,
    )


def _mode(prompts: str) -> Mode:
    for mode in PROMPTS:
        if mode == prompts:
            return mode
    raise UserError(f"--prompts {prompts}: {did_you_mean(prompts, PROMPTS)}")


def _catalog_hash(extra: Path | None) -> str:
    """Hash the catalog that a conversion goes by, the user's own included."""
    ours = hash_file(find("catalog.yaml"))
    return ours if extra is None else content_key("catalog", [ours, hash_file(extra)])


def run_retemplate(
    build: Path,
    names: Sequence[str],
    templates: Path | None,
    draws: int | None,
    seed: int | None,
    jobs: int,
    *,
    prompts: str | None,
    as_json: bool,
) -> None:
    """Render the records of a build anew and report."""
    start = time.monotonic()
    standing = _standing(build, names)
    if templates is None:
        _refuse_own_templates(build, standing)
    mode = _mode_before(build, standing) if prompts is None else _mode(prompts)
    folder, folder_name = _template_folder(templates)
    states = retemplate(
        build,
        names,
        load_templates(folder, mode),
        folder_name,
        task_titles={task.name: task.title for task in load_catalog().tasks.values()},
        draws=draws,
        seed=seed,
        jobs=jobs,
        progress=Progress.for_terminal(),
    )
    report(states, build, time.monotonic() - start, as_json=as_json)


def _template_folder(templates: Path | None) -> tuple[Path, str]:
    """Find the templates of a command line, and the name that a manifest has for them."""
    if templates is None or str(templates) == BUILT_IN:
        return find("templates"), BUILT_IN
    return templates, templates.absolute().name


def _standing(folder: Path, names: Sequence[str]) -> dict[str, SplitEntry]:
    """Look at the splits of the named datasets of a build, of all without names."""
    build = Build.open(folder)
    return {
        f"{name}/{split}": of
        for name in names or build.manifest.datasets
        for split, of in build.dataset(name).splits.items()
    }


def _refuse_own_templates(folder: Path, splits: Mapping[str, SplitEntry]) -> None:
    """Refuse to go back to our templates where nobody asked for them."""
    for name, of in splits.items():
        if of.templates_folder != BUILT_IN:
            raise UserError(
                f"{name} in {folder} was rendered with the templates of a folder "
                f"'{of.templates_folder}'; give --templates FOLDER to take that one again, or "
                f"--templates {BUILT_IN} to go back to ours."
            )


def _mode_before(folder: Path, splits: Mapping[str, SplitEntry]) -> Mode:
    """Tell how the prompts were made; UserError where that differs."""
    modes = {of.prompts for of in splits.values()}
    if len(modes) > 1:
        raise UserError(
            f"{folder} has prompts of several kinds ({', '.join(sorted(modes))}); say which all "
            "are to get by --prompts, or name datasets of one kind."
        )
    return modes.pop() if modes else "instruction"


def chosen_datasets(
    catalog: Catalog,
    names: Sequence[str],
    groups: tuple[bool, bool, bool],
    what: str = "convert",
) -> list[Dataset]:
    """Return the datasets that a command line names, in the order of the catalog."""
    held_in, held_out, every = groups
    wanted = {catalog.dataset(name).name for name in names}
    for dataset in catalog.datasets.values():
        in_role = held_in if dataset.role == "held-in" else held_out
        if every or in_role:
            wanted.add(dataset.name)
    if not wanted:
        raise UserError(
            f"nothing to {what}; name datasets, or give --held-in, --held-out or --all "
            "(`instructify catalog` lists them)."
        )
    return [dataset for dataset in catalog.datasets.values() if dataset.name in wanted]


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
    """Say which of the usual splits are not in the build, and which have nothing in them."""
    done = {state.name for state in states}
    for dataset in request.datasets if request.split is None else ():
        left = [split for split in dataset.default_splits if f"{dataset.name}/{split}" not in done]
        if left:
            yield (
                f"{dataset.name}: {' and '.join(left)} left out, its files are not there; "
                f"which, and how to get them: {check_line(request, [dataset.name])}"
            )
    yield from _idle_options(request, states)
    for state in states:
        if not state.records and not state.record_rejects:
            yield f"{state.name}: no record, the files hold nothing of this split"


def _idle_options(request: ConvertRequest, states: Sequence[SplitState]) -> Iterator[str]:
    """Say which options changed nothing, or less than they ask for."""
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
    if request.catalog_file is not None and all(one.name in ours for one in request.datasets):
        yield f"--catalog {request.catalog_file} has no effect: none of its datasets is converted"


def report(states: Sequence[SplitState], out: Path, wall_s: float, *, as_json: bool) -> None:
    """Print what came of each split."""
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
    print(f"{'dataset':<19}{'split':<11}{'records':>11}{'samples':>11}{'pictures':>10}  rejects")
    for state in states:
        rejects = ", ".join(f"{count:,} {reason}" for reason, count in state.rejects.most_common(2))
        more = "" if len(state.rejects) < 3 else ", ..."
        print(
            f"{state.dataset:<19}{state.split:<11}{state.records:>11,}{state.samples:>11,}"
            f"{state.pictures:>10,}  {rejects}{more}"
        )
    for state in states:
        for note in state.notes:
            print(f"{state.name}: {note}", file=sys.stderr)
    samples = sum(state.samples for state in states)
    print(f"{samples:,} samples in {out}, {wall_s:.1f} s; look: instructify inspect {out}")
