"""The road from raw splits to a committed build: records, pictures, samples, one commit.

Each step is cut into units that know by a hash whether they were done before, here or in the
build that stands. Nothing in the build changes until the commit.
"""

from instructify.build.effect_stage import run_effect_stage
from instructify.build.manifest import check_shared_files, read_manifest
from instructify.build.paths import BuildPaths
from instructify.build.picture_modes import picture_modes
from instructify.build.picture_stage import note_machine, run_picture_stage
from instructify.build.progress import Progress
from instructify.build.publish import publish
from instructify.build.record_stage import run_record_stage
from instructify.build.refusal import check_not_empty, check_rejects
from instructify.build.request import ConvertRequest, find_splits
from instructify.build.sample_stage import Rendering, run_sample_stage
from instructify.build.site import clear_staging, open_site
from instructify.build.state import SplitState


def convert(request: ConvertRequest, progress: Progress) -> list[SplitState]:
    """Convert what is asked for into the build at `request.out`, and say what came of each split.

    UserError for the user's mistakes, RejectsError where the rejects pass a dataset's threshold or
    no sample came, PartDone at the end of what `request.engine` makes a part; only what is no part
    commits.
    """
    splits = find_splits(request)
    paths = BuildPaths(request.out)
    with open_site(request.engine, paths) as pool:
        manifest = read_manifest(paths.manifest)
        modes = picture_modes(request, manifest)
        check_shared_files(manifest, paths.root)
        states = run_record_stage(request, splits, paths, manifest, pool, progress)
        run_effect_stage(request, splits, states)
        pictures = run_picture_stage(request, modes, states, paths, manifest, pool, progress)
        rendered = [(_rendering(request), states)]
        run_sample_stage(rendered, paths, manifest, pool, progress)
        check_rejects(request, states, paths)
        check_not_empty(request, states, paths)
        note_machine(pictures, paths)
        publish(states, pictures, paths, manifest, request.catalog_sha256)
        for state in states:
            paths.failed_ledger(state.dataset).unlink(missing_ok=True)
        clear_staging(paths)
    return states


def _rendering(request: ConvertRequest) -> Rendering:
    return Rendering(
        templates=request.templates,
        folder=request.templates_folder,
        task_titles={task.name: task.title for task in request.catalog.tasks.values()},
        draws=request.draws,
        seed=request.seed,
    )
