"""Render the samples of a build again from its records, without pictures and raw files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from instructify.build.candidate_table import read_candidates
from instructify.build.engine_options import EngineOptions
from instructify.build.manifest import (
    DatasetEntry,
    Manifest,
    SplitEntry,
    check_shared_files,
    read_manifest,
)
from instructify.build.opened import Build
from instructify.build.paths import BuildPaths
from instructify.build.picture_stage import PictureOutcome, note_standing_problems
from instructify.build.progress import Progress
from instructify.build.publish import publish
from instructify.build.record_stage import take_standing_records
from instructify.build.sample_stage import Rendering, run_sample_stage
from instructify.build.site import clear_staging, open_site
from instructify.build.state import Shard, SplitState
from instructify.templating import TemplateSet


def retemplate(
    folder: Path,
    names: Sequence[str],
    templates: TemplateSet,
    templates_folder: str,
    *,
    task_titles: Mapping[str, str],
    draws: int | None,
    seed: int | None,
    engine: EngineOptions,
    progress: Progress,
) -> list[SplitState]:
    """Render the named datasets (by default all) and commit; options are not changed."""
    build = Build.open(folder)
    for name in names:
        build.dataset(name)
    paths = build.paths
    with open_site(engine, paths) as pool:
        manifest = read_manifest(paths.manifest) or build.manifest
        check_shared_files(manifest, paths.root)
        states = [
            _state(manifest, paths, name, split)
            for name, entry in manifest.datasets.items()
            if not names or name in names
            for split in entry.splits
        ]
        note_standing_problems(states, manifest, paths, pool)
        rendered: list[tuple[Rendering, Sequence[SplitState]]] = []
        for group in _groups(states, seed, draws):
            rendering = Rendering(
                templates=templates,
                folder=templates_folder,
                task_titles=task_titles,
                draws=group[0].wanted_draws,
                seed=group[0].seed,
            )
            rendered.append((rendering, group))
        run_sample_stage(rendered, paths, manifest, pool, progress)
        pictures = PictureOutcome(entry=manifest.pictures)
        publish(states, pictures, paths, manifest, manifest.catalog_sha256)
        clear_staging(paths)
    return states


def _groups(
    states: Sequence[SplitState], seed: int | None, draws: int | None
) -> list[list[SplitState]]:
    """Set seed and draws if they are given, and group splits with the same values."""
    groups: dict[tuple[int, int | None], list[SplitState]] = {}
    for state in states:
        if seed is not None:
            state.seed = seed
        if draws is not None:
            state.wanted_draws = draws
        groups.setdefault((state.seed, state.wanted_draws), []).append(state)
    return list(groups.values())


def _state(manifest: Manifest, paths: BuildPaths, name: str, split: str) -> SplitState:
    entry: DatasetEntry = manifest.datasets[name]
    standing: SplitEntry = entry.splits[split]
    sets = read_candidates(paths.candidates)
    state = SplitState(
        dataset=name,
        split=split,
        entry=msgspec.structs.replace(entry, splits={}),
        candidates=sets.get(standing.candidate_set or ""),
        notes=list(standing.notes),
        standing=standing,
        reader=standing.reader,
        raw=standing.raw,
        ocr=standing.ocr,
        seed=standing.seed,
        wanted_draws=standing.wanted_draws,
        limit=standing.limit,
        records_key=standing.records_key,
    )
    shards = [Shard(paths.root / file, manifest.files[file]) for file in standing.record_shards]
    take_standing_records(state, standing, shards)
    state.problems_sha256 = standing.problems_sha256
    return state
