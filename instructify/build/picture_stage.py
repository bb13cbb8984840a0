"""Second step: the pictures that the records name, found, checked, indexed and stored once each.

What a key's picture lacks becomes the split's list of problems, from which the samples step makes
rejects. With `--pictures none` nobody looks.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.file_names import real_path
from instructify._util.shards import read_arrow, valid_arrow
from instructify.build.manifest import Manifest, PicturesEntry, file_entry
from instructify.build.paths import BuildPaths
from instructify.build.problems import Problem, write_problems
from instructify.build.progress import Progress
from instructify.build.request import ConvertRequest, PictureMode
from instructify.build.state import Shard, SplitState
from instructify.build.workers import Workers
from instructify.catalog import Family
from instructify.pictures import (
    Gathered,
    Known,
    Locator,
    Roots,
    StorePlan,
    WebMap,
    check_roots,
    check_space,
    gather,
    idle_folders,
    load_known,
    merge_web,
    pack_scan,
    plan_probe,
    plan_store,
    plan_web,
    run_probe,
    run_store,
    run_web,
    save_roots,
    save_seen,
    tables,
)
from instructify.schema import RECORD_SCHEMA


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureOutcome:
    """What the manifest will say of the pictures, and the files to be moved in."""

    entry: PicturesEntry
    staged: Mapping[str, Shard] = field(default_factory=dict)


def run_picture_stage(
    request: ConvertRequest,
    states: Sequence[SplitState],
    paths: BuildPaths,
    manifest: Manifest | None,
    pool: Workers,
    progress: Progress,
) -> PictureOutcome:
    """Look at every picture that the splits name and lay out the store and index anew."""
    if request.pictures == "none":
        for images in request.roots.images:
            print(f"--images {images} has no effect with --pictures none", file=sys.stderr)
        return PictureOutcome(entry=PicturesEntry(mode="none"))
    folder = paths.staging / "pictures"
    folder.mkdir(exist_ok=True)
    roots = Roots.resolve(request.roots.raw, request.roots.images)
    if request.pictures == "reference":
        check_roots(paths.root, roots)
    families = request.catalog.families
    searched = _with_packs(request, states, roots, paths)
    known = _known(paths, manifest)
    keys = {state.name: _distinct_keys(state) for state in states}
    locator = Locator(
        families=families, roots=searched, web=_web_map(request, states, searched, folder, pool)
    )
    plan = plan_probe(
        _requests(states, keys, known),
        families=families,
        locator=locator,
        roots=searched,
        staging=folder,
        known=known,
    )
    for images in idle_folders(roots, plan.used_roots) if plan.num_keys else ():
        print(f"--images {images} has no effect: no picture comes from it", file=sys.stderr)
    with progress.stage("pictures", plan.num_keys, "key") as bar:
        bar.advance(plan.num_keys - sum(unit.stop - unit.start for unit in plan.units))
        results = pool.map(
            run_probe, plan.units, lambda unit, _: bar.advance(unit.stop - unit.start)
        )
    gathered = gather(plan, results, known)
    for state in states:
        _note_problems(state, keys[state.name], gathered.problems, folder)
    store = plan_store(
        gathered, mode=request.pictures, folder=folder, roots=searched, staging=folder, known=known
    )
    staged = _store(store, gathered, paths, folder, pool, progress)
    save_roots(paths.root, roots)
    save_seen(paths.root, gathered)
    return PictureOutcome(entry=_entry(request.pictures, store, staged, manifest), staged=staged)


def _with_packs(
    request: ConvertRequest, states: Sequence[SplitState], roots: Roots, paths: BuildPaths
) -> Roots:
    """Return the roots to search: with the staging folder, where pictures were taken out of files.

    UserError where the build shall only refer to pictures.
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


def problems_of(manifest: Manifest, paths: BuildPaths, state: SplitState) -> Path | None:
    """Write out again the problems of a split of the build as it stands."""
    name = manifest.pictures.problems_file
    if name is None:
        return None
    table = tables.read_index(paths.root / name)
    folder = paths.staging / "pictures"
    folder.mkdir(exist_ok=True)
    _note_problems(state, _distinct_keys(state), table, folder)
    return state.problems


def _known(paths: BuildPaths, manifest: Manifest | None) -> Known | None:
    if manifest is None:
        return None
    index, problems = manifest.pictures.index_file, manifest.pictures.problems_file
    return load_known(
        paths.root,
        None if index is None else paths.root / index,
        None if problems is None else paths.root / problems,
    )


def _distinct_keys(state: SplitState) -> pa.Array:
    """Every picture key of a split once; shard by shard, so that memory is that of the result."""
    parts = [
        pc.unique(pc.list_flatten(_pictures_of(shard.path).column("pictures")))
        for shard in state.record_shards
    ]
    return pc.unique(pa.chunked_array(parts, pa.string()))


def _pictures_of(shard: Path) -> pa.Table:
    columns = pa.schema([RECORD_SCHEMA.field("pictures")])
    return valid_arrow(read_arrow(shard).select(["pictures"]), columns, shard)


def _requests(
    states: Sequence[SplitState], keys: Mapping[str, pa.Array], known: Known | None
) -> dict[str, pa.ChunkedArray]:
    by_release: dict[str, list[pa.Array]] = {}
    for state in states:
        wanted = keys[state.name]
        if known is not None and state.record_ledger is None:
            # Its raw files were not read again, and what stands in them has not changed.
            judged = pc.is_in(wanted, value_set=known.problems["key"])
            embedded = pc.match_substring_regex(wanted, "^[^/]+/[0-9a-f]{20}$")
            wanted = wanted.filter(pc.invert(pc.and_(judged, embedded)))
        by_release.setdefault(state.entry.release, []).append(wanted)
    return {release: pa.chunked_array(parts) for release, parts in by_release.items()}


def _web_map(
    request: ConvertRequest,
    states: Sequence[SplitState],
    roots: Roots,
    folder: Path,
    pool: Workers,
) -> WebMap | None:
    """Map urls to places in tars, where a dataset keeps its pictures so."""
    families: dict[str, Family] = {}
    for state in states:
        for family in request.catalog.families_of(request.catalog.dataset(state.dataset)):
            if family.tars:
                families[family.name] = family
    packs = [state.pack for state in states if state.pack is not None]
    if not families and not packs:
        return None
    scans = pool.map(run_web, plan_web(families, roots, folder))
    for scan in scans:
        if scan.problem is not None:
            print(scan.problem, file=sys.stderr)
    label = [root.label for root in roots][-1]
    scans += [pack_scan(pack, label, folder.parent) for pack in packs]
    return merge_web(scans, folder)


def _note_problems(state: SplitState, keys: pa.Array, problems: pa.Table, folder: Path) -> None:
    own = problems.filter(pc.is_in(problems["key"], value_set=keys))
    rows = [
        Problem(key, reason, detail or "")
        for key, reason, detail in zip(
            own["key"].to_pylist(),
            own["reason"].to_pylist(),
            own["detail"].to_pylist(),
            strict=True,
        )
    ]
    path = folder / f"problems-{state.dataset}-{state.split}.arrow"
    facts = write_problems(path, rows)
    state.pictures = len(keys) - len(rows)
    state.problems = path if rows else None
    state.problems_sha256 = facts.sha256


def _store(
    store: StorePlan,
    gathered: Gathered,
    paths: BuildPaths,
    folder: Path,
    pool: Workers,
    progress: Progress,
) -> dict[str, Shard]:
    check_space(paths.root, store.needed_bytes)
    if store.num_contents:
        print(
            f"storing {store.num_contents:,} pictures, {store.content_bytes / 1e6:,.1f} MB",
            file=sys.stderr,
        )
    with progress.stage("store", len(store.units), "shard") as bar:
        written = pool.map(run_store, store.units, lambda *_: bar.advance())
    written.append(tables.write_index(folder, store.index))
    written.append(tables.write_problems(folder, gathered.problems))
    return {
        f"pictures/{facts.name}": Shard(folder / facts.name, file_entry(facts)) for facts in written
    }


def _entry(
    mode: PictureMode, store: StorePlan, staged: Mapping[str, Shard], manifest: Manifest | None
) -> PicturesEntry:
    index = [name for name in staged if name.startswith(("pictures/index-", "pictures/problems-"))]
    before = manifest.pictures.stores if manifest is not None else []
    contents = store.index.group_by("sha256").aggregate([("size_bytes", "max")])
    return PicturesEntry(
        mode=mode,
        keys=store.index.num_rows,
        distinct=contents.num_rows,
        size_bytes=pc.sum(contents["size_bytes_max"]).as_py() or 0,
        index=sorted(index),
        stores=sorted({*before, *(name for name in staged if name not in index)}),
    )
