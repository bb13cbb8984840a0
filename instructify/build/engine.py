"""The road from raw splits to a committed build: records, pictures, samples, one commit.

Each step is cut into units that know by a hash whether they were done before, here or in the
build that stands. Nothing in the build changes until the commit.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from instructify._util.outside import decode_values
from instructify._util.shards import make_folder, write_blocks
from instructify.build.commit import finish_commit
from instructify.build.effect_stage import run_effect_stage
from instructify.build.ledger import ledger_lines, still_true
from instructify.build.lock import write_lock
from instructify.build.manifest import check_shared_files, read_manifest
from instructify.build.paths import BuildPaths, rejects_name
from instructify.build.picture_modes import picture_modes
from instructify.build.picture_stage import run_picture_stage
from instructify.build.progress import Progress
from instructify.build.publish import publish
from instructify.build.record_stage import run_record_stage
from instructify.build.request import ConvertRequest, check_line, find_splits
from instructify.build.sample_stage import Rendering, run_sample_stage
from instructify.build.state import SplitState
from instructify.build.workers import open_workers


class RejectsError(Exception):
    """A dataset has more rejects than it may; nothing was committed."""


def convert(request: ConvertRequest, progress: Progress) -> list[SplitState]:
    """Convert what is asked for into the build at `request.out`, and say what came of each split.

    UserError for the user's mistakes, RejectsError where the rejects pass a dataset's threshold.
    """
    splits = find_splits(request)
    paths = BuildPaths(request.out)
    with open_workers(request.jobs) as pool, write_lock(paths.lock):
        finish_commit(paths)
        make_folder(paths.staging)
        manifest = read_manifest(paths.manifest)
        modes = picture_modes(request, manifest)
        check_shared_files(manifest, paths.root)
        states = run_record_stage(request, splits, paths, manifest, pool, progress)
        run_effect_stage(request, splits, states)
        pictures = run_picture_stage(request, modes, states, paths, manifest, pool, progress)
        run_sample_stage(_rendering(request), states, paths, manifest, pool, progress)
        _check_rejects(request, states, paths)
        publish(states, pictures, paths, manifest, request.catalog_sha256)
        for state in states:
            paths.failed_ledger(state.dataset).unlink(missing_ok=True)
        shutil.rmtree(paths.staging, ignore_errors=True)
    return states


def _rendering(request: ConvertRequest) -> Rendering:
    return Rendering(
        templates=request.templates,
        folder=request.templates_folder,
        task_titles={task.name: task.title for task in request.catalog.tasks.values()},
        draws=request.draws,
        seed=request.seed,
    )


def _check_rejects(
    request: ConvertRequest, states: Sequence[SplitState], paths: BuildPaths
) -> None:
    """Refuse the commit where a dataset lost more items than it may, and show its ledger."""
    for name in sorted({state.dataset for state in states}):
        own = [state for state in states if state.dataset == name]
        _check_whole(request, name, own, paths)
        allowed = request.max_rejects
        if allowed is None:
            allowed = request.catalog.dataset(name).max_rejects_percent
        lost = sum(state.rejects.total() for state in own)
        items = sum(state.records + state.record_rejects.total() for state in own)
        share = min(100, 100 * lost / max(1, items))  # a record may be lost once for every draw
        if share <= allowed:
            continue
        ledger, first = _failed_ledger(name, own, paths)
        reasons = sum((state.rejects for state in own), type(own[0].rejects)()).most_common(3)
        alike = f" (as {first})" if len(reasons) == 1 and lost == items and first else ""
        absent = any(reason == "picture-missing" for reason, _ in reasons)
        advice = f" or run `{check_line(request, [name])}`" if absent else ""
        raise RejectsError(
            f"{name}: {lost:,} of {items:,} items were rejected ({share:.1f} %, allowed are "
            f"{allowed:g} %): {', '.join(f'{reason} {count:,}' for reason, count in reasons)}"
            f"{alike}; see {ledger}{advice}, mend the raw data or allow more with "
            f"--max-rejects {_up(share)}."
        )


def _check_whole(
    request: ConvertRequest, name: str, own: Sequence[SplitState], paths: BuildPaths
) -> None:
    """Refuse a file that ends in the middle: how much is behind its end nobody can count."""
    cut = [state for state in own if state.rejects["cut-off"]]
    if not cut or request.max_rejects is not None:
        return
    ledger, _ = _failed_ledger(name, own, paths)
    raise RejectsError(
        f"{name} {', '.join(state.split for state in cut)}: a raw file ends in the middle (see "
        f"'cut-off' in {ledger}); get it again, or convert what is there with --max-rejects 100."
    )


def _failed_ledger(
    name: str, own: Sequence[SplitState], paths: BuildPaths
) -> tuple[Path, str | None]:
    """Write the ledger of a dataset that lost too much; return it and what its first line says."""
    ledger = paths.failed_ledger(name)
    write_blocks(ledger, (line for state in own for line in _own_lines(state, paths)))
    line = next(ledger_lines(ledger), None)
    first = decode_values(line) if line is not None else {}
    if not first.get("field") or not first.get("detail"):
        return ledger, None
    return ledger, f"{first['field']} of item {first['position']}: {first['detail']}"


def _up(share: float) -> int:
    return min(100, int(share) + 1)


def _own_lines(state: SplitState, paths: BuildPaths) -> Iterator[bytes]:
    """Yield lines that this run wrote, after those of the standing ledger that are still true."""
    for line in ledger_lines(paths.root / rejects_name(state.dataset)):
        if still_true(line, state):
            yield line
    for path in state.new_ledgers:
        yield from ledger_lines(path)
