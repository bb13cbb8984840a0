"""The road from raw splits to a committed build: records, pictures, samples, one commit.

Each step is cut into units that know by a hash whether they were done before, here or in the
build that stands. Nothing in the build changes until the commit.
"""

import shutil

from instructify._util.errors import UserError
from instructify._util.shards import make_folder
from instructify.build.commit import finish_commit
from instructify.build.effect_stage import run_effect_stage
from instructify.build.lock import write_lock
from instructify.build.manifest import Manifest, check_shared_files, read_manifest
from instructify.build.paths import BuildPaths
from instructify.build.picture_stage import run_picture_stage
from instructify.build.progress import Progress
from instructify.build.publish import publish
from instructify.build.record_stage import run_record_stage
from instructify.build.refusal import check_not_empty, check_rejects
from instructify.build.request import ConvertRequest, find_splits
from instructify.build.sample_stage import Rendering, run_sample_stage
from instructify.build.state import SplitState
from instructify.build.workers import open_workers


def convert(request: ConvertRequest, progress: Progress) -> list[SplitState]:
    """Convert what is asked for into the build at `request.out`, and say what came of each split.

    UserError for the user's mistakes, RejectsError where the rejects pass a dataset's threshold or
    no sample came.
    """
    splits = find_splits(request)
    paths = BuildPaths(request.out)
    with open_workers(request.jobs) as pool, write_lock(paths.lock):
        finish_commit(paths)
        make_folder(paths.staging)
        manifest = read_manifest(paths.manifest)
        _check_mode(manifest, request)
        check_shared_files(manifest, paths.root)
        states = run_record_stage(request, splits, paths, manifest, pool, progress)
        run_effect_stage(request, splits, states)
        pictures = run_picture_stage(request, states, paths, manifest, pool, progress)
        run_sample_stage(_rendering(request), states, paths, manifest, pool, progress)
        check_rejects(request, states, paths)
        check_not_empty(request, states, paths)
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


def _check_mode(manifest: Manifest | None, request: ConvertRequest) -> None:
    if manifest is None or not manifest.datasets or manifest.pictures.mode == request.pictures:
        return
    raise UserError(
        f"{request.out} was built with --pictures {manifest.pictures.mode}; "
        f"convert with that, or into another folder for --pictures {request.pictures}."
    )
