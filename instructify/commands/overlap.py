"""`overlap`: pictures and texts that datasets share, as text of 80 columns, a page, or JSON."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import get_args

from instructify._util.errors import UserError, did_you_mean
from instructify._util.shards import write_bytes
from instructify.build import (
    Build,
    EngineOptions,
    PartDone,
    Progress,
    carry_out,
    check_writable,
    clear_noted,
    open_noted,
    open_workers,
)
from instructify.catalog import load_catalog
from instructify.commands.convert import report_part
from instructify.commands.overlap_page import overlap_page
from instructify.commands.overlap_text import overlap_text
from instructify.overlap import (
    LeakedPair,
    Overlap,
    Question,
    Scope,
    as_trained,
    find_overlap,
    keep_overlap,
    leaked_pairs,
    waiver_of,
)
from instructify.recipe import load_mixture, load_waivers

_NOTES = "parts"
_REST = "without --part the same command prints the result"


def run_overlap(
    folder: Path,
    against: Path | None,
    *,
    html: Path | None,
    vg: Path | None,
    likeness: str,
    texts: bool,
    recipe: str | None,
    engine: EngineOptions,
    catalog_file: Path | None,
    as_json: bool,
) -> int:
    """Search, save the result in the build, and print it.

    Returns 1 if a training split shares pictures with an evaluated split and no waiver of the
    recipe names the pair, else 0. With a recipe only the splits of the recipe count.
    """
    build = _open(folder, engine)
    question = Question(
        build=build,
        catalog=load_catalog(extra=catalog_file),
        against=None if against is None else Build.open(against),
        vg=vg,
        scope=_scope(likeness),
        texts=texts,
    )
    waivers = () if recipe is None else load_waivers(recipe)
    start = time.monotonic()
    try:
        overlap = _found(question, engine)
    except PartDone as part:
        if html is not None:
            print(f"--html {html} has no effect with --part", file=sys.stderr)
        report_part(part, time.monotonic() - start, as_json=as_json, rest=_REST)
        return 0
    result_file = keep_overlap(folder, overlap)
    clear_noted(build.paths.overlap, build.paths.overlap / _NOTES, "search")
    with suppress(OSError):  # a conversion that did not commit has its work there
        build.paths.staging.rmdir()
    if recipe is not None:  # the saved result holds for all recipes
        overlap = _under(overlap, recipe)
    leaks = leaked(overlap)
    if html is not None:
        page = overlap_page(overlap, leaks, waivers, question.build, question.against, html)
        write_bytes(html, page)
    if as_json:
        sys.stdout.write(overlap.to_bytes().decode())
    else:
        print(overlap_text(overlap, leaks, waivers, str(folder), str(result_file)))
        if html is not None:
            print(f"page: {html}")
    return 1 if any(waiver_of(pair, waivers) is None for pair in leaks) else 0


def _open(folder: Path, engine: EngineOptions) -> Build:
    """Open the build to save a result in it; an unfinished commit is completed."""
    build = Build.open(folder)
    if not os.access(folder, os.W_OK):
        raise UserError(
            f"{folder} can't be written, and overlap saves its result there; make it writable, or "
            "copy it and look at the copy."
        )
    if build.pending is None:
        return build
    if engine.part is not None:
        raise UserError(
            f"{folder} has a commit that was not carried out to its end; run the same command "
            "without --part, which does that."
        )
    carry_out(build.paths)
    return Build.open(folder)


def _found(question: Question, engine: EngineOptions) -> Overlap:
    """Search; as a part, run a share of the units and raise PartDone."""
    results = question.build.paths.overlap
    progress = Progress.for_terminal()
    with ExitStack() as stack:
        workers = stack.enter_context(open_workers(engine))
        if engine.part is not None:
            check_writable(question.build.paths)
            noted = open_noted(engine.part, question.build.paths.root, results / _NOTES, workers)
            workers = stack.enter_context(noted)
        return find_overlap(question, workers, progress, results if results.is_dir() else None)


def _under(overlap: Overlap, recipe: str) -> Overlap:
    """Return the result for a recipe: only the splits of the recipe are trained on."""
    mixture = load_mixture(recipe)
    splits = {member.dataset: member.splits for member in mixture.members}
    return as_trained(overlap, splits, list(splits) if mixture.fine_tune else ())


def leaked(overlap: Overlap) -> Sequence[LeakedPair]:
    """List the leaks into all splits that are or may be trained on."""
    trained: dict[str, list[str]] = {}
    for part in overlap.parts:
        if part.is_trained:
            trained.setdefault(part.dataset, []).append(part.split)
    return leaked_pairs([overlap], trained)


def _scope(likeness: str) -> Scope:
    scopes: tuple[Scope, ...] = get_args(Scope)
    for scope in scopes:
        if scope == likeness:
            return scope
    raise UserError(f"--likeness {likeness} is unknown; {did_you_mean(likeness, scopes)}")
