"""Open a build for reading: its manifest, samples, records and pictures.

    build = Build.open("my-build")
    sample = build.sample("vqav2/train/458752000#0")

Shards are memory-mapped; rows are read by shard, batch and offset.
"""

import bisect
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import pyarrow as pa

from instructify._util.errors import UserError, did_you_mean
from instructify._util.shards import map_batches
from instructify.build.candidate_table import read_candidates
from instructify.build.checked import check_file
from instructify.build.commit import Pending, read_pending
from instructify.build.manifest import DatasetEntry, Manifest, SplitEntry, read_manifest
from instructify.build.paths import CANDIDATES, BuildPaths
from instructify.pictures import PictureStore
from instructify.schema import PROVENANCE, RECORD_SCHEMA, SAMPLE_SCHEMA

_LOOKS = 3  # for a file, which a commit may be moving to its place


class ShardedTable:
    """The rows of several Arrow files with one schema, as a sequence of dicts.

    A batch is validated at first use, since Arrow does not check offsets and a damaged offset can
    crash the process. Raises UserError with the name of a damaged file.
    """

    def __init__(self, paths: Sequence[Path], schema: pa.Schema) -> None:
        self._schema = schema
        self._paths = tuple(paths)
        self._batches: list[pa.RecordBatch] = []
        self._files: list[Path] = []
        self._ends: list[int] = []
        self._untouched: set[int] = set()
        rows = 0
        for path in paths:
            for batch in _batches(path, schema):
                rows += batch.num_rows
                self._untouched.add(len(self._batches))
                self._batches.append(batch)
                self._files.append(path)
                self._ends.append(rows)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self._row(at) for at in range(*index.indices(len(self)))]
        at = operator.index(index)
        return self._row(at + len(self) if at < 0 else at)

    def _row(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        number = bisect.bisect_right(self._ends, index)
        batch = self._batch(number)
        start = self._ends[number] - batch.num_rows
        row: dict[str, Any] = batch.slice(index - start, 1).to_pylist()[0]
        return row

    def __reduce__(self) -> tuple[type["ShardedTable"], tuple[tuple[Path, ...], pa.Schema]]:
        """Pickle the paths of the files, which the other process maps again."""
        return type(self), (self._paths, self._schema)

    def __repr__(self) -> str:
        return f"ShardedTable({len(self):,} rows: {', '.join(self._schema.names)})"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches():
            yield from batch.to_pylist()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Iterate over the batches of the mapped files."""
        for number in range(len(self._batches)):
            yield self._batch(number)

    def select(self, columns: Sequence[str]) -> pa.Table:
        """Return some columns of all rows as Arrow data."""
        batches = [self._batch(number).select(columns) for number in range(len(self._batches))]
        fields = [self._schema.field(name) for name in columns]
        return pa.Table.from_batches(batches, pa.schema(fields))

    def find(self, column: str, value: str) -> int | None:
        """Return the first row with a value, or None; reads one column."""
        start = 0
        for number in range(len(self._batches)):
            batch = self._batch(number)
            place = batch.column(column).index(value).as_py()
            if place >= 0:
                return start + int(place)
            start += batch.num_rows
        return None

    def _batch(self, number: int) -> pa.RecordBatch:
        batch = self._batches[number]
        if number in self._untouched:
            try:
                batch.validate(full=True)
            except pa.ArrowException as error:
                raise _damaged(self._files[number]) from error
            self._untouched.discard(number)
        return batch


class Build:
    """A committed build: `Build.open(folder)`, then `samples`, `records` and `pictures` of it."""

    def __init__(
        self, paths: BuildPaths, manifest: Manifest, pending: Pending | None = None
    ) -> None:
        self.paths = paths
        self.manifest = manifest
        self.pending = pending

    def __repr__(self) -> str:
        """List the folder, and each dataset with its splits and their numbers of samples."""
        modes = ", ".join(sorted(set(self.manifest.pictures.modes.values()))) or "none"
        lines = [f"Build({str(self.paths.root)!r}, pictures: {modes})"]
        for name, entry in self.manifest.datasets.items():
            splits = ", ".join(f"{split} {of.samples:,}" for split, of in entry.splits.items())
            lines.append(f"  {name} ({entry.role}, {entry.task}): {splits}")
        return "\n".join(lines)

    @classmethod
    def open(cls, folder: Path | str) -> "Build":
        """Open a build for reading, without changing anything in it.

        The files of an interrupted commit are read from the staging folder.
        """
        paths = BuildPaths(Path(folder))
        pending = read_pending(paths)
        manifest = None if pending is not None else read_manifest(paths.manifest)
        if pending is None:  # another command may have begun to commit meanwhile
            pending = read_pending(paths)
        if pending is not None:
            return cls(paths, pending.manifest, pending)
        if manifest is None:
            raise UserError(
                f"{folder} is not a build: it has no manifest.json; "
                "make one with `instructify convert NAME --raw DIR --out BUILD`."
            )
        return cls(paths, manifest)

    def path(self, name: str) -> Path:
        """Return the path of a file of the build, by its name in the manifest.

        Raises UserError if it is a link out of the build, not a regular file, or of another length
        than in the manifest. A missing file is not checked here.

        Another command may commit while the build is read: a file that looks damaged is checked
        again, and the error names the commit.
        """
        for _ in range(_LOOKS):
            path = self.place(name)
            try:
                check_file(path, self.paths.root, self.manifest.files.get(name))
            except UserError:
                self.check_current()
                raise
            if path.exists():
                return path
        self.check_current()
        return path

    def check_current(self) -> None:
        """Raise UserError if another command has written this build anew since it was opened."""
        try:
            now = Build.open(self.paths.root).manifest
        except UserError:  # whoever asks has a sentence of the damage
            return
        if now != self.manifest:
            raise UserError(
                f"{self.paths.root} was written anew by another command while it was read; "
                "run this command again."
            )

    def place(self, name: str) -> Path:
        """Return the path of a file of the build, without checking it."""
        if self.pending is not None:
            return self.pending.path(name, self.paths)
        return self.paths.root / name

    def dataset(self, name: str) -> DatasetEntry:
        """Return the entry of a dataset in the manifest."""
        if name not in self.manifest.datasets:
            hint = did_you_mean(name, self.manifest.datasets)
            raise UserError(f"{self.paths.root} has no dataset '{name}'; {hint}")
        return self.manifest.datasets[name]

    def split(self, name: str, split: str) -> SplitEntry:
        """Return the entry of a split in the manifest."""
        splits = self.dataset(name).splits
        if split not in splits:
            raise UserError(
                f"{name} has no split '{split}' in {self.paths.root}; {did_you_mean(split, splits)}"
            )
        return splits[split]

    def samples(self, name: str, split: str) -> ShardedTable:
        """Open the samples of a split."""
        of = self.split(name, split)
        return self._table(
            f"samples of {name}/{split}", of.sample_shards, of.samples, SAMPLE_SCHEMA
        )

    def records(self, name: str, split: str) -> ShardedTable:
        """Open the records of a split."""
        of = self.split(name, split)
        return self._table(
            f"records of {name}/{split}", of.record_shards, of.records, RECORD_SCHEMA
        )

    def _table(
        self, what: str, shards: Sequence[str], rows: int, schema: pa.Schema
    ) -> ShardedTable:
        """Open shards and check their counts, which differ in a damaged or replaced build."""
        table = ShardedTable([self.path(shard) for shard in shards], schema)
        if len(table) != rows:
            self.check_current()
            raise UserError(
                f"the {what} in {self.paths.root} are {len(table):,} and should be {rows:,}; "
                f"if nobody is writing there, see `instructify verify {self.paths.root}`."
            )
        return table

    def sample(self, sample_id: str) -> dict[str, Any]:
        """Return a sample by its id, `<dataset>/<split>/<raw id>#<draw>`."""
        parts = sample_id.split("/", 2)
        if len(parts) < 3:
            raise UserError(f"'{sample_id}' is no sample id; it looks like dataset/split/id#draw")
        table = self.samples(parts[0], parts[1])
        wanted = sample_id if "#" in parts[2] else f"{sample_id}#0"
        row = table.find("sample_id", wanted)
        if row is None:
            raise UserError(
                f"{self.paths.root} has no sample '{wanted}'; list some with "
                f"`instructify inspect {self.paths.root} {parts[0]} --split {parts[1]}`"
            )
        return table[row]

    def pictures(self) -> PictureStore | None:
        """Open the pictures; None if the build was made without them."""
        if not self.manifest.pictures.looked_at:
            return None
        return PictureStore.open(self.paths.root, index=self.index_parts(), shard=self.store_shard)

    def index_parts(self) -> list[Path]:
        """Return the paths of the parts of the picture index; empty if there is none."""
        return [self.path(name) for name in self.manifest.pictures.index]

    def problem_parts(self) -> list[Path]:
        """Return the paths of the parts of the table of unusable pictures."""
        return [self.path(name) for name in self.manifest.pictures.problems]

    def store_shard(self, name: str) -> Path:
        """Return the path of a shard of the picture store by its name in the picture index."""
        whole = f"pictures/{name}"
        if whole not in self.manifest.pictures.stores:
            raise UserError(
                f"the picture index of {self.paths.root} names {name!r}, which is no shard of its "
                f"store; see `instructify verify {self.paths.root}`."
            )
        return self.path(whole)

    def candidate_sets(self) -> dict[str, tuple[str, ...]]:
        """Read the shared answer sets."""
        if CANDIDATES not in self.manifest.files:
            return {}
        return read_candidates(self.path(CANDIDATES))


def public_sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a sample row for printing and JSON: provenance becomes an object."""
    shown = {k: value for k, value in sample.items() if k == "template" or k not in PROVENANCE}
    return {**shown, "provenance": {name: sample[name] for name in PROVENANCE}}


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        yield from map_batches(path, schema)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is missing or damaged; `instructify verify` says what else is.")
