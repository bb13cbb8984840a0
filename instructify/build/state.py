"""The state of a split during a conversion: the results of each step for the next one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from instructify.build.coverage import Coverage
from instructify.build.manifest import (
    DatasetEntry,
    FileEntry,
    Manifest,
    RawSource,
    SplitEntry,
    is_whole,
)
from instructify.build.paths import BuildPaths, rejects_name, shard_name
from instructify.build.problems import ShardProblems
from instructify.templating import Mode


class Shard(NamedTuple):
    """A shard at its present path: staged, or in the build."""

    path: Path
    facts: FileEntry


@dataclass(kw_only=True, slots=True)
class SplitState:
    """The results of all steps; `standing` is the entry of the split in the existing build."""

    dataset: str
    split: str
    entry: DatasetEntry  # the entry of the dataset without splits
    candidates: tuple[str, ...] | None
    notes: list[str]
    standing: SplitEntry | None

    # records
    reader: str = ""
    raw: list[RawSource] = field(default_factory=list)
    ocr: RawSource | None = None
    seed: int = 0
    limit: int | None = None
    records_key: str = ""
    records: int = 0
    forms: Mapping[str, int] = field(default_factory=dict)
    pictures: int = 0
    record_shards: list[Shard] = field(default_factory=list)
    record_rejects: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)
    record_ledger: Path | None = None  # None: those lines of the standing ledger stay

    # pictures
    pack: Path | None = None  # the folder of those embedded in raw files
    problems: list[ShardProblems] | None = None  # for each shard of records, if there are any
    problems_sha256: str | None = None

    # samples
    draws: int = 1
    wanted_draws: int | None = None
    templates_sha256: str = ""
    evaluation_prompts: list[str] = field(default_factory=list)
    templates_folder: str = ""
    prompts: Mode = "instruction"
    candidate_set: str | None = None
    samples_key: str = ""
    samples: int = 0
    sample_shards: list[Shard] = field(default_factory=list)
    sample_rejects: Counter[str] = field(default_factory=Counter)
    sample_ledgers: list[Path] | None = None  # None: those lines of the standing ledger stay

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.split}"

    @property
    def rejects(self) -> Counter[str]:
        return self.record_rejects + self.sample_rejects

    @property
    def new_ledgers(self) -> list[Path]:
        """The ledgers that this run wrote."""
        records = [] if self.record_ledger is None else [self.record_ledger]
        return records + (self.sample_ledgers or [])

    def split_entry(self) -> SplitEntry:
        """The entry of the split in the manifest."""
        return SplitEntry(
            records=self.records,
            samples=self.samples,
            pictures=self.pictures,
            draws=self.draws,
            wanted_draws=self.wanted_draws,
            seed=self.seed,
            limit=self.limit,
            forms=dict(sorted(self.forms.items())),
            record_rejects=dict(sorted(self.record_rejects.items())),
            sample_rejects=dict(sorted(self.sample_rejects.items())),
            reader=self.reader,
            raw=self.raw,
            ocr=self.ocr,
            candidate_set=self.candidate_set,
            templates_sha256=self.templates_sha256,
            templates_folder=self.templates_folder,
            prompts=self.prompts,
            evaluation_prompts=self.evaluation_prompts,
            records_key=self.records_key,
            samples_key=self.samples_key,
            problems_sha256=self.problems_sha256,
            record_shards=self._names("records", self.record_shards),
            sample_shards=self._names("samples", self.sample_shards),
            notes=self.notes,
            coverage=self.coverage,
        )

    def _names(self, kind: str, shards: list[Shard]) -> list[str]:
        return [shard_name(kind, self.dataset, self.split, number) for number in range(len(shards))]


def standing_shards(
    manifest: Manifest, paths: BuildPaths, dataset: str, names: Sequence[str]
) -> list[Shard] | None:
    """Return the shards of the existing build; None if one or the ledger is missing or cut off."""
    shards = [Shard(paths.root / name, manifest.files[name]) for name in names]
    ledger = rejects_name(dataset)
    needed = [*shards, Shard(paths.root / ledger, manifest.files[ledger])]
    return shards if all(is_whole(path, facts) for path, facts in needed) else None
