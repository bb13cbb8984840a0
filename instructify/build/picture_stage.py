"""The second step: find, check and index the pictures of the records, and store each once.

Keys without a usable picture go to the list of problems of the split, from which the sample step
makes rejects. `--pictures none` skips this step. This process holds no keys: units read and write
them.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.file_names import real_path
from instructify.build.manifest import (
    FamilyEntry,
    Manifest,
    PictureMode,
    PicturesEntry,
    file_entry,
)
from instructify.build.paths import BuildPaths
from instructify.build.problems import ShardProblems
from instructify.build.progress import Progress
from instructify.build.request import ConvertRequest
from instructify.build.state import Shard, SplitState
from instructify.build.workers import Workers
from instructify.catalog import Family
from instructify.pictures import (
    NO_PICTURES,
    FoundPictures,
    KnownFiles,
    Notes,
    PicturesWanted,
    RecordShard,
    Roots,
    StoredPictures,
    StorePlan,
    check_roots,
    check_space,
    find_pictures,
    idle_folders,
    keep_notes,
    list_keys,
    needed_bytes,
    note_problems,
    pack_scan,
    plan_storing,
    save_roots,
    staged_bytes,
    store_pictures,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureOutcome:
    """The entries of the manifest about pictures, and the files to be moved into the build."""

    entry: PicturesEntry
    staged: Mapping[str, Shard] = field(default_factory=dict)
    roots: Roots | None = None  # None: without pictures
    seen: Sequence[Path] = ()


def run_picture_stage(
    request: ConvertRequest,
    modes: Mapping[str, PictureMode],
    states: Sequence[SplitState],
    paths: BuildPaths,
    manifest: Manifest | None,
    pool: Workers,
    progress: Progress,
) -> PictureOutcome:
    """Process every picture that the splits name, and write a new store and index."""
    all_modes = {**({} if manifest is None else manifest.pictures.modes), **modes}
    if request.pictures == "none":
        for images in request.roots.images:
            print(f"--images {images} has no effect with --pictures none", file=sys.stderr)
        families = {name: FamilyEntry(mode=mode) for name, mode in sorted(all_modes.items())}
        return PictureOutcome(entry=PicturesEntry(families=families))
    roots = Roots.resolve(request.roots.raw, request.roots.images)
    if "reference" in all_modes.values():
        check_roots(paths.root, roots)
    searched = _with_packs(request, states, roots, paths)
    wanted = _wanted(request, states, searched, paths, manifest)
    pictures = find_pictures(wanted, pool, progress.stage)
    for problem in pictures.container_problems:
        print(problem, file=sys.stderr)
    for images in idle_folders(roots, pictures.used_roots) if pictures.num_keys else ():
        print(f"--images {images} has no effect: no picture comes from it", file=sys.stderr)
    _tell_states(states, pictures.notes)
    for state in states:
        of = pictures.splits.get(state.name, NO_PICTURES)
        state.pictures = of.num_keys - of.num_problems
        state.problems_sha256 = of.problems_sha256
    stored = frozenset(name for name, mode in all_modes.items() if mode == "store")
    plan = plan_storing(pictures, wanted, stored, pool)
    _tell_store(plan, wanted.staging, paths)
    before = [] if manifest is None else manifest.pictures.stores
    names = [Path(name).name for name in before]
    done = store_pictures(plan, pictures, wanted, names, pool, progress.stage)
    outcome = _outcome(wanted.staging, all_modes, pictures, done, before)
    seen = tuple(receipt.found for receipt in pictures.joined)
    return dataclasses.replace(outcome, roots=roots, seen=seen)


def note_machine(outcome: PictureOutcome, paths: BuildPaths) -> None:
    """Write the places of pictures on this machine, and the times they were seen, into the build.

    Only a process that commits may do so: units use these notes to save work.
    """
    if outcome.roots is not None:
        save_roots(paths.root, outcome.roots)
        keep_notes(paths.root, outcome.seen)


def _with_packs(
    request: ConvertRequest, states: Sequence[SplitState], roots: Roots, paths: BuildPaths
) -> Roots:
    """Return the roots to search, with the staging folder for pictures embedded in raw files.

    Raises UserError for embedded pictures in a build that only refers to pictures.
    """
    packed = [state for state in states if state.pack is not None]
    if not packed:
        return roots
    if request.pictures == "reference":
        raise UserError(
            f"the pictures of {packed[0].name} stand in {packed[0].raw[0].name} itself, and "
            "--pictures reference only refers to files; convert with --pictures store."
        )
    return dataclasses.replace(roots, images=(*roots.images, real_path(paths.staging)))


def note_standing_problems(
    states: Sequence[SplitState], manifest: Manifest, paths: BuildPaths, pool: Workers
) -> None:
    """Restore the unusable pictures of existing splits from the build's table of problems."""
    names = manifest.pictures.problems
    if not sum(manifest.files[name].rows for name in names):
        return
    looked_at = [state for state in states if state.problems_sha256 is not None]
    staging = _staging(paths)
    keys = list_keys(_record_shards(looked_at), staging, pool)
    notes = note_problems(keys, [paths.root / name for name in names], staging, pool)
    _tell_states(looked_at, notes)


def _wanted(
    request: ConvertRequest,
    states: Sequence[SplitState],
    roots: Roots,
    paths: BuildPaths,
    manifest: Manifest | None,
) -> PicturesWanted:
    standing = PicturesEntry() if manifest is None else manifest.pictures
    label = [root.label for root in roots][-1]
    packs = [state.pack for state in states if state.pack is not None]
    return PicturesWanted(
        shards=_record_shards(states),
        families=request.catalog.families,
        contained=_contained_families(request, states),
        packs=[pack_scan(pack, label, paths.staging) for pack in packs],
        roots=roots,
        known=KnownFiles.of(
            paths.root,
            [paths.root / name for name in standing.index],
            [paths.root / name for name in standing.problems],
        ),
        staging=_staging(paths),
    )


def _staging(paths: BuildPaths) -> Path:
    folder = paths.staging / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


def _record_shards(states: Sequence[SplitState]) -> list[RecordShard]:
    return [
        RecordShard(shard.path, shard.facts.sha256, state.entry.release, state.name)
        for state in states
        for shard in state.record_shards
    ]


def _contained_families(request: ConvertRequest, states: Sequence[SplitState]) -> dict[str, Family]:
    """Return the families whose pictures may be in tars or in raw files."""
    return {
        family.name: family
        for state in states
        for family in request.catalog.families_of(request.catalog.dataset(state.dataset))
        if family.tars or family.embedded
    }


def _tell_states(states: Sequence[SplitState], notes: Sequence[Notes]) -> None:
    """Record the file of problems of each shard of records, in the order of all shards."""
    with_rows = tuple(note.path for note in notes if note.num_rows)
    number = 0
    for state in states:
        count = len(state.record_shards)
        if with_rows:
            state.problems = [ShardProblems(with_rows, number + at) for at in range(count)]
        number += count


def _tell_store(plan: StorePlan, staging: Path, paths: BuildPaths) -> None:
    """Report the size of the store; raises UserError if the disk is too small."""
    needed = needed_bytes(plan.num_new, plan.new_bytes) - staged_bytes(staging)
    check_space(paths.root, needed)
    if plan.num_new:
        print(
            f"storing {plan.num_new:,} pictures, {plan.new_bytes / 1e6:,.1f} MB",
            file=sys.stderr,
        )


def _outcome(
    staging: Path,
    modes: Mapping[str, PictureMode],
    pictures: FoundPictures,
    done: StoredPictures,
    before: Sequence[str],
) -> PictureOutcome:
    parts = [*done.parts, *pictures.problems]
    staged = {
        f"pictures/{facts.name}": Shard(staging / facts.name, file_entry(facts)) for facts in parts
    }
    for name, shard in done.shards:
        staged[f"pictures/{name}"] = Shard(shard.path, file_entry(shard.facts))
    families = {
        name: FamilyEntry(mode=mode, keys=pictures.families.get(name, 0))
        for name, mode in sorted(modes.items())
    }
    entry = PicturesEntry(
        families=families,
        keys=sum(pictures.families.values()),
        distinct=done.num_distinct,
        size_bytes=done.distinct_bytes,
        index=[f"pictures/{facts.name}" for facts in done.parts],
        problems=[f"pictures/{facts.name}" for facts in pictures.problems],
        stores=sorted({*before, *(f"pictures/{name}" for name, _ in done.shards)}),
    )
    return PictureOutcome(entry=entry, staged=staged)
