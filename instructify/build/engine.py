"""Convert raw splits to a committed build: records, pictures, samples, and one commit.

Each step consists of units. A hash tells whether a unit was done before, in the staging folder or
in the existing build. Nothing in the build changes before the commit.
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
    """Convert the requested splits into the build at `request.out`; returns the result of each.

    Raises UserError for mistakes of the user, RejectsError if a dataset has too many rejects or
    there is no sample at all, and PartDone at the end of a part (`request.engine`), which does not
    commit.
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
