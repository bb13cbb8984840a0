"""The last step: write manifest, card, ledgers and answer sets of the new build, and commit."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from instructify import __version__
from instructify._util.shards import hash_file, write_blocks
from instructify.build.candidate_table import read_candidates, write_candidates
from instructify.build.candidates import set_id
from instructify.build.card import render_card
from instructify.build.commit import commit
from instructify.build.ledger import ledger_lines, split_of, still_true
from instructify.build.ledger_merge import merged
from instructify.build.manifest import (
    FORMAT,
    DatasetEntry,
    FileEntry,
    Manifest,
    file_entry,
)
from instructify.build.paths import CANDIDATES, BuildPaths, rejects_name, shard_name
from instructify.build.picture_stage import PictureOutcome
from instructify.build.state import SplitState


class _Plan:
    """The files of the new build: files that stay, and files to be moved in."""

    def __init__(self, manifest: Manifest | None, root: Path) -> None:
        self._root = root
        self.before = dict(manifest.files) if manifest is not None else {}
        self.files: dict[str, FileEntry] = {}
        self.moves: dict[str, Path] = {}

    def keep(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self.before:
                self.files[name] = self.before[name]

    def put(self, name: str, path: Path, facts: FileEntry) -> None:
        """Add a file that is staged, or already in its place."""
        self.files[name] = facts
        place = self._root / name
        if path != place and not (self.before.get(name) == facts and _holds(place, facts)):
            self.moves[name] = path


def _holds(path: Path, facts: FileEntry) -> bool:
    """Whether a file of the build is complete."""
    return path.is_file() and hash_file(path) == facts.sha256


def publish(
    states: Sequence[SplitState],
    pictures: PictureOutcome,
    paths: BuildPaths,
    manifest: Manifest | None,
    catalog_sha256: str,
) -> None:
    """Commit the splits of a run beside the others of the build, unless nothing would change."""
    plan = _Plan(manifest, paths.root)
    datasets = _datasets(states, manifest)
    touched = {state.dataset for state in states}
    _place_shards(plan, states)
    anew = {(state.dataset, state.split) for state in states}
    for name, entry in datasets.items():
        for split, of in entry.splits.items():
            if (name, split) not in anew:
                plan.keep([*of.record_shards, *of.sample_shards])
        if name in touched:
            states_of_dataset = [state for state in states if state.dataset == name]
            _place_ledger(plan, name, set(entry.splits), states_of_dataset, paths)
        else:
            plan.keep([rejects_name(name)])
    candidate_sizes = _place_candidates(plan, states, datasets, paths)
    _place_pictures(plan, pictures)
    new = Manifest(
        format=FORMAT,
        instructify=__version__,
        catalog_sha256=catalog_sha256,
        pictures=pictures.entry,
        datasets=dict(sorted(datasets.items())),
        candidate_sets=candidate_sizes,
        files=dict(sorted(plan.files.items())),
    )
    data = new.to_bytes()
    if manifest is not None and manifest.to_bytes() == data and not plan.moves:
        return
    removes = [name for name in plan.before if name not in plan.files]
    commit(paths, moves=plan.moves, removes=removes, manifest=data, card=render_card(new))


def _datasets(states: Sequence[SplitState], manifest: Manifest | None) -> dict[str, DatasetEntry]:
    datasets = dict(manifest.datasets) if manifest is not None else {}
    for state in states:
        standing = datasets.get(state.dataset)
        splits = dict(standing.splits) if standing is not None else {}
        if standing is not None and standing.options != state.entry.options:
            # Other options make another dataset: splits made with the old options are removed.
            splits = {
                name: entry
                for name, entry in splits.items()
                if any(s.dataset == state.dataset and s.split == name for s in states)
            }
        splits[state.split] = state.split_entry()
        datasets[state.dataset] = msgspec.structs.replace(
            state.entry, splits=dict(sorted(splits.items()))
        )
    return datasets


def _place_shards(plan: _Plan, states: Sequence[SplitState]) -> None:
    for state in states:
        for kind, shards in (("records", state.record_shards), ("samples", state.sample_shards)):
            for number, shard in enumerate(shards):
                name = shard_name(kind, state.dataset, state.split, number)
                plan.put(name, shard.path, shard.facts)


def _place_ledger(
    plan: _Plan,
    dataset: str,
    splits: set[str],
    states: Sequence[SplitState],
    paths: BuildPaths,
) -> None:
    """Write a dataset's ledger: lines of the splits of this run, and of those that stay."""
    anew = {state.split: state for state in states}

    def stays(line: bytes) -> bool:
        split = split_of(line)
        return split in splits and (split not in anew or still_true(line, anew[split]))

    standing = filter(stays, ledger_lines(paths.root / rejects_name(dataset)))
    ledgers = [path for state in states for path in state.new_ledgers]
    staged = paths.staging / f"{dataset}.jsonl"
    facts = file_entry(write_blocks(staged, merged(standing, ledgers)))
    plan.put(rejects_name(dataset), staged, facts)


def _place_candidates(
    plan: _Plan,
    states: Sequence[SplitState],
    datasets: Mapping[str, DatasetEntry],
    paths: BuildPaths,
) -> dict[str, int]:
    sets = read_candidates(paths.candidates)
    sets |= {set_id(state.candidates): state.candidates for state in states if state.candidates}
    used = {of.candidate_set for entry in datasets.values() for of in entry.splits.values()}
    kept = {identifier: values for identifier, values in sets.items() if identifier in used}
    if kept:
        staged = paths.staging / CANDIDATES
        plan.put(CANDIDATES, staged, file_entry(write_candidates(staged, kept)))
    return {identifier: len(values) for identifier, values in sorted(kept.items())}


def _place_pictures(plan: _Plan, pictures: PictureOutcome) -> None:
    entry = pictures.entry
    plan.keep([*entry.index, *entry.problems, *entry.stores])
    for name, (path, facts) in pictures.staged.items():
        plan.put(name, path, facts)
