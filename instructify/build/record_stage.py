"""The first step: read the records of every split, unless all of their inputs are unchanged."""

from collections import Counter
from collections.abc import Sequence

from instructify.build.candidates import candidate_values
from instructify.build.manifest import DatasetEntry, Manifest, SplitEntry
from instructify.build.paths import BuildPaths, hash_notes, unit_folder
from instructify.build.progress import Progress
from instructify.build.range_stage import with_ranges
from instructify.build.raw import RawSplit, option_values, reader_of
from instructify.build.records import RecordsReceipt, run_records
from instructify.build.records_unit import REJECTS, RecordsUnit, records_key, sources_of
from instructify.build.request import ConvertRequest, ocr_file
from instructify.build.source_hashes import Hashing
from instructify.build.state import Shard, SplitState, standing_shards
from instructify.build.workers import Workers
from instructify.catalog import Catalog, Dataset


def run_record_stage(
    request: ConvertRequest,
    splits: Sequence[RawSplit],
    paths: BuildPaths,
    manifest: Manifest | None,
    pool: Workers,
    progress: Progress,
) -> list[SplitState]:
    """Read all splits; the results are in their order."""
    units = _units(request, splits, paths)
    states = [_state(request, unit, manifest) for unit in units]
    standing = [u for s, u in zip(states, units, strict=True) if s.standing is not None]
    notes = hash_notes(paths.staging)
    with Hashing([file for unit in standing for file in unit.raw_files], notes) as hashes:
        todo = [
            (state, unit)
            for state, unit in zip(states, units, strict=True)
            if not _reuse(state, unit, hashes, paths, manifest)
        ]
        ranged = with_ranges([unit for _, unit in todo], request.engine, pool, progress)
        with progress.stage("records", len(todo), "split") as bar:
            receipts = pool.map(
                run_records,
                ranged,
                lambda *_: bar.advance(),
                stage="records",
            )
        for (state, _), receipt in zip(todo, receipts, strict=True):
            _take_over(state, receipt, paths)
    return states


def dataset_entry(catalog: Catalog, dataset: Dataset) -> DatasetEntry:
    """Make the entry of a dataset in the manifest from the catalog."""
    release = catalog.release_of(dataset)
    return DatasetEntry(
        title=dataset.title,
        task=dataset.task,
        role=dataset.role,
        cluster=dataset.cluster,
        release=dataset.release,
        media=dataset.media,
        metric=dataset.metric,
        licence=release.licence,
        home=release.home,
        options=dict(option_values(dataset)),
        weights=dict(dataset.forms),
        own_candidates=dataset.candidates is not None and dataset.candidates.kind == "record",
        splits={},
    )


def _units(
    request: ConvertRequest, splits: Sequence[RawSplit], paths: BuildPaths
) -> list[RecordsUnit]:
    ocr = ocr_file(request)
    return [
        RecordsUnit(
            dataset=raw.dataset,
            split=raw.split.name,
            files=raw.files,
            roots=request.roots,
            ocr=ocr,
            seed=request.seed,
            limit=request.limit,
            staging=paths.staging,
        )
        for raw in splits
    ]


def _state(request: ConvertRequest, unit: RecordsUnit, manifest: Manifest | None) -> SplitState:
    dataset = unit.dataset
    entry = manifest.datasets.get(dataset.name) if manifest is not None else None
    values, lack = candidate_values(request.catalog, dataset, request.roots, request.seed)
    return SplitState(
        dataset=dataset.name,
        split=unit.split,
        entry=dataset_entry(request.catalog, dataset),
        candidates=values,
        notes=[] if lack is None else [lack],
        standing=entry.splits.get(unit.split) if entry is not None else None,
        reader=reader_of(dataset).key,
        seed=unit.seed,
        limit=unit.limit,
    )


def _reuse(
    state: SplitState,
    unit: RecordsUnit,
    hashes: Hashing,
    paths: BuildPaths,
    manifest: Manifest | None,
) -> bool:
    """Use the records of the existing build, if they are complete and from the same inputs."""
    standing = state.standing
    if standing is None or manifest is None:
        return False
    sources = sources_of(unit, hashes)
    state.records_key = records_key(unit, sources)
    if standing.records_key != state.records_key:
        return False
    shards = standing_shards(manifest, paths, state.dataset, standing.record_shards)
    if shards is None:
        return False
    state.raw, state.ocr = sources
    take_standing_records(state, standing, shards)
    return True


def take_standing_records(state: SplitState, standing: SplitEntry, shards: list[Shard]) -> None:
    """Fill in the records of the existing build."""
    state.records = standing.records
    state.forms = standing.forms
    state.pictures = standing.pictures
    state.record_shards = shards
    state.record_rejects = Counter(standing.record_rejects)
    state.coverage = standing.coverage
    state.record_ledger = None


def _take_over(state: SplitState, receipt: RecordsReceipt, paths: BuildPaths) -> None:
    folder = unit_folder(paths.staging, receipt.key)
    state.raw = receipt.raw
    state.ocr = receipt.ocr
    state.records_key = receipt.key
    state.records = receipt.records
    state.forms = receipt.forms
    state.pictures = receipt.pictures
    state.record_shards = [
        Shard(folder / name, facts) for name, facts in sorted(receipt.shards.items())
    ]
    state.record_rejects = Counter(receipt.rejects)
    state.coverage = receipt.coverage
    state.record_ledger = folder / REJECTS
    state.pack = folder if receipt.pack else None
