"""The parts that are compared, each a split of a dataset, and the picture keys that they name.

A part is *trained* on if it has samples and is neither part of a held-out dataset nor an evaluation
split. It is *evaluated* on if it belongs to a held-out dataset and is not a training split. All
other parts (validation splits of held-in datasets, training splits of held-out ones) are compared
too, but do not affect a result.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.keyed import Hashes, hash_texts
from instructify.build import Build
from instructify.overlap.masks import Counts
from instructify.recipe import batches_of, valid_batches
from instructify.schema import RECORD_SCHEMA

_EVALUATION = ("val", "dev", "test")


class Part(NamedTuple):
    """A split of a dataset in a build; `build` is 0, or 1 for the second build compared."""

    build: int
    dataset: str
    split: str
    role: str
    media: str
    has_samples: bool

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.split}"

    @property
    def is_trained(self) -> bool:
        return self.has_samples and self.role != "held-out" and not is_evaluation(self.split)

    @property
    def is_evaluated(self) -> bool:
        return self.role == "held-out" and not self.split.startswith("train")


class PartKeys(NamedTuple):
    """The picture keys that the records of a part name, and their number for each record."""

    keys: Hashes
    per_record: Counts
    ends: Counts  # number of pictures up to the end of each batch


def parts_of(build: Build, number: int) -> list[Part]:
    """List the parts of a build, those to train on first."""
    parts = [
        Part(number, name, split, entry.role, entry.media, of.samples > 0)
        for name, entry in build.manifest.datasets.items()
        for split, of in entry.splits.items()
    ]
    return sorted(parts, key=lambda part: (not part.is_trained, part.role, part.name))


def part_batches(build: Build, part: Part, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Iterate over some columns of a part's records, each checked before use."""
    for shard in record_shards(build, part):
        yield from valid_batches(shard, columns, RECORD_SCHEMA)


def read_part(build: Build, part: Part) -> PartKeys:
    """Read the picture keys of all records, as 64-bit hashes (8 bytes a picture)."""
    keys: list[Hashes] = [np.empty(0, np.uint64)]
    lengths: list[Counts] = [np.empty(0, np.int64)]
    ends: list[int] = []
    total = 0
    for batch in part_batches(build, part, ("pictures",)):
        pictures = batch.column("pictures")
        keys.append(hash_texts(pictures.flatten()))
        lengths.append(pc.list_value_length(pictures).to_numpy(False).astype(np.int64))
        total += len(keys[-1])
        ends.append(total)
    return PartKeys(np.concatenate(keys), np.concatenate(lengths), np.array(ends, np.int64))


def record_shards(build: Build, part: Part) -> Iterator[Path]:
    """List the shards of records of a part."""
    for name in build.split(part.dataset, part.split).record_shards:
        yield build.path(name)


def key_at(build: Build, part: Part, ends: Counts, place: int) -> str:
    """Return the picture key at a position among all keys that a part's records name."""
    number = int(np.searchsorted(ends, place, side="right"))
    inside = place - (int(ends[number - 1]) if number else 0)
    batches = (
        batch for shard in record_shards(build, part) for batch in batches_of(shard, RECORD_SCHEMA)
    )
    batch = next(itertools.islice(batches, number, None))
    return str(batch.column("pictures").flatten()[inside].as_py())


def is_evaluation(split: str) -> bool:
    """Return whether a split is for evaluation, judged by its name."""
    return split.removeprefix("mini").startswith(_EVALUATION)
