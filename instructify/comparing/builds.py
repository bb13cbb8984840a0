"""Compare two builds: their sources, settings and content.

Most differences follow from the manifests; shards are read only if their hashes differ. Pictures in
other shards are no difference, since this depends on the order of conversions only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from instructify.build import Build, DatasetEntry, SplitEntry, ledger_lines, rejects_name
from instructify.comparing.tables import (
    TableDifference,
    compare_shards,
    compare_tables,
    count_texts,
)
from instructify.pictures import PICTURE_INDEX_SCHEMA, PROBLEM_SCHEMA, read_indices

# Fields of a split that follow from others, or that the tables compare.
_DERIVED = {
    *("records_key", "samples_key", "problems_sha256", "record_shards", "sample_shards"),
    *("raw", "ocr", "record_rejects", "sample_rejects", "forms", "notes"),
}
_PLACES = ("shard", "row", "root", "file", "offset")
Changes = dict[str, tuple[Any, Any]]  # name => before, after


class TemplateDifference(NamedTuple):
    """Templates that are new, gone or changed, with their numbers of samples."""

    added: dict[str, int]
    removed: dict[str, int]
    rewritten: dict[str, int]  # same key, other text
    counts: dict[str, tuple[int, int]]  # same text, drawn more or less often


class RejectDifference(NamedTuple):
    reasons: dict[str, tuple[int, int]]  # before, after; of reasons whose number changed
    added: int  # lines of the ledger
    removed: int
    added_examples: list[str]
    removed_examples: list[str]


class SplitDifference(NamedTuple):
    """A split that both builds have."""

    name: str
    facts: Changes
    sources: Changes  # raw files: role => hash before, after
    records: TableDifference
    samples: TableDifference
    templates: TemplateDifference | None  # None: the same samples

    @property
    def is_equal(self) -> bool:
        same = self.records.is_equal and self.samples.is_equal
        return same and not self.facts and not self.sources


class PictureDifference(NamedTuple):
    facts: Changes
    contents: TableDifference
    problems: TableDifference
    moved: bool  # the same pictures, in other shards or files


class BuildDifference(NamedTuple):
    versions: Changes
    added: list[str]  # datasets and splits, as dataset/split
    removed: list[str]
    datasets: dict[str, Changes]
    splits: list[SplitDifference]  # those that differ
    rejects: dict[str, RejectDifference]
    pictures: PictureDifference | None  # None: the same index
    equal_splits: int

    @property
    def is_equal(self) -> bool:
        pictures = self.pictures
        same_pictures = pictures is None or (
            not pictures.facts and pictures.contents.is_equal and pictures.problems.is_equal
        )
        lists = (self.versions, self.added, self.removed, self.datasets, self.splits, self.rejects)
        return same_pictures and not any(lists)


def compare_builds(before: Build, after: Build, examples: int) -> BuildDifference:
    """Compare two builds, with some examples of each change."""
    old, new = before.manifest, after.manifest
    splits = {
        f"{name}/{split}": (name, split)
        for name, entry in new.datasets.items()
        for split in entry.splits
        if name in old.datasets and split in old.datasets[name].splits
    }
    compared = [_compare_split(before, after, *both, examples) for both in splits.values()]
    names = sorted(set(old.datasets) & set(new.datasets))
    datasets = {
        name: _facts(_about(old.datasets[name]), _about(new.datasets[name])) for name in names
    }
    ledgers = {name: _compare_rejects(before, after, name, examples) for name in names}
    return BuildDifference(
        versions=_facts(
            {"instructify": old.instructify, "catalog_sha256": old.catalog_sha256},
            {"instructify": new.instructify, "catalog_sha256": new.catalog_sha256},
        ),
        added=_splits_only_in(after, splits),
        removed=_splits_only_in(before, splits),
        datasets={name: changes for name, changes in datasets.items() if changes},
        splits=[split for split in compared if not split.is_equal],
        rejects={name: rejects for name, rejects in ledgers.items() if rejects is not None},
        pictures=_compare_pictures(before, after, examples),
        equal_splits=sum(split.is_equal for split in compared),
    )


def _splits_only_in(build: Build, both: Mapping[str, object]) -> list[str]:
    return sorted(
        f"{name}/{split}"
        for name, entry in build.manifest.datasets.items()
        for split in entry.splits
        if f"{name}/{split}" not in both
    )


def _facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return the values that differ; None where a side lacks a value."""
    names = [*after, *(name for name in before if name not in after)]
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    }


def _about(entry: DatasetEntry) -> dict[str, Any]:
    """Return the facts of a dataset without its splits, with one fact per option."""
    value: dict[str, Any] = msgspec.to_builtins(entry)
    del value["splits"]
    options = value.pop("options")
    return {**value, **{f"option {name}": setting for name, setting in options.items()}}


def _compare_split(
    before: Build, after: Build, name: str, split: str, examples: int
) -> SplitDifference:
    old, new = before.split(name, split), after.split(name, split)
    samples = compare_shards(
        (before, old.sample_shards), (after, new.sample_shards), "sample_id", examples
    )
    return SplitDifference(
        name=f"{name}/{split}",
        facts=_split_changes(old, new),
        sources=_facts(_sources(old), _sources(new)),
        records=compare_shards(
            (before, old.record_shards), (after, new.record_shards), "record_id", examples
        ),
        samples=samples,
        templates=None if samples.is_equal else _compare_templates(before, after, old, new),
    )


def _split_changes(before: SplitEntry, after: SplitEntry) -> Changes:
    """Return the facts that differ, without the template folder if the templates are equal."""
    changes = _facts(_split_facts(before), _split_facts(after))
    if before.templates_sha256 == after.templates_sha256:
        changes.pop("templates_folder", None)
    return changes


def _split_facts(entry: SplitEntry) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(entry)
    return {name: fact for name, fact in value.items() if name not in _DERIVED}


def _sources(entry: SplitEntry) -> dict[str, str]:
    raw = entry.raw if entry.ocr is None else [*entry.raw, entry.ocr]
    return {source.role: f"{source.name} {source.sha256[:16]}" for source in raw}


def _compare_templates(
    before: Build, after: Build, old: SplitEntry, new: SplitEntry
) -> TemplateDifference:
    columns = ("template", "template_sha256")
    old_counts = count_texts(before, old.sample_shards, columns)
    new_counts = count_texts(after, new.sample_shards, columns)
    texts, new_texts = (dict(counts) for counts in (old_counts, new_counts))
    keys, new_keys = ({key for key, _ in counts} for counts in (old_counts, new_counts))
    return TemplateDifference(
        added={key: n for (key, _), n in new_counts.items() if key not in keys},
        removed={key: n for (key, _), n in old_counts.items() if key not in new_keys},
        rewritten={
            key: n
            for (key, text), n in new_counts.items()
            if key in keys and (key, text) not in texts
        },
        counts={
            key: (old_counts[key, text], n)
            for (key, text), n in new_texts.items()
            if (key, text) in texts and old_counts[key, text] != n
        },
    )


def _compare_rejects(
    before: Build, after: Build, name: str, examples: int
) -> RejectDifference | None:
    ledger = rejects_name(name)
    if before.manifest.files[ledger].sha256 == after.manifest.files[ledger].sha256:
        return None
    old, new = (Counter(ledger_lines(build.path(ledger))) for build in (before, after))
    gone, fresh = old - new, new - old
    reasons = [
        sum((Counter(split.rejects) for split in build.dataset(name).splits.values()), Counter())
        for build in (before, after)
    ]
    return RejectDifference(
        reasons=_facts(*reasons),
        added=fresh.total(),
        removed=gone.total(),
        added_examples=_shown_lines(fresh, examples),
        removed_examples=_shown_lines(gone, examples),
    )


def _shown_lines(lines: Counter[bytes], examples: int) -> list[str]:
    return [line.decode("utf-8", "replace").rstrip() for line in sorted(lines)[:examples]]


def _compare_pictures(before: Build, after: Build, examples: int) -> PictureDifference | None:
    old, new = before.manifest.pictures, after.manifest.pictures
    files = before.manifest.files, after.manifest.files
    same = [
        _hashes(files[0], old_names) == _hashes(files[1], new_names)
        for old_names, new_names in ((old.index, new.index), (old.problems, new.problems))
    ]
    if all(same) and old.modes == new.modes:
        return None
    content = [name for name in PICTURE_INDEX_SCHEMA.names if name not in _PLACES]
    index, problems = (
        compare_tables(
            _table(before, names[0], schema),
            _table(after, names[1], schema),
            "key",
            examples,
            fields,
        )
        for names, schema, fields in (
            ((old.index, new.index), PICTURE_INDEX_SCHEMA, content),
            ((old.problems, new.problems), PROBLEM_SCHEMA, PROBLEM_SCHEMA.names),
        )
    )
    return PictureDifference(
        facts=_facts(old.modes, new.modes),
        contents=index,
        problems=problems,
        moved=not same[0] and index.is_equal,
    )


def _hashes(files: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [str(files[name].sha256) for name in names]


def _table(build: Build, names: Sequence[str], schema: pa.Schema) -> pa.Table:
    return read_indices([build.path(name) for name in names], schema)


def difference_value(difference: BuildDifference) -> dict[str, Any]:
    """Return a difference as plain values for JSON."""
    return {"equal": difference.is_equal, **_plain(difference)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(field) for name, field in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
