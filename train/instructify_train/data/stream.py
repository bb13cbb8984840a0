"""Read the samples of a mixture by their positions in its stream.

Rows are read by batch and offset from memory-mapped files, column by column, so reading any
position takes microseconds. Files are opened at first use, so that processes may be forked before.
"""

import bisect
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from instructify._util.errors import UserError
from instructify.recipe import MixedBuild, batches_of, valid_batch


class Sample(NamedTuple):
    """The columns of a sample that training uses; `member` is the number of its dataset."""

    sample_id: str
    instruction: str
    qformer_instruction: str | None
    response: str
    pictures: tuple[str, ...]
    template: str
    member: int


_COLUMNS = (
    "sample_id",
    "instruction",
    "qformer_instruction",
    "response",
    "pictures",
    "template",
)


class Shard:
    """The columns of a sample shard that training reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches = [batch.select(list(_COLUMNS)) for batch in batches_of(path)]
        self._untouched = set(range(len(self._batches)))
        self._ends = [*accumulate(batch.num_rows for batch in self._batches)]

    def sample(self, row: int, member: int) -> Sample:
        """Read one row."""
        number = bisect.bisect_right(self._ends, row)
        batch = self._batches[number]
        if number in self._untouched:  # Arrow does not check the offsets in a file
            valid_batch(batch, self._path)
            self._untouched.discard(number)
        inside = row - (self._ends[number] - batch.num_rows)
        return Sample(
            sample_id=_text(batch, "sample_id", inside),
            instruction=_text(batch, "instruction", inside),
            qformer_instruction=batch.column("qformer_instruction")[inside].as_py(),
            response=_text(batch, "response", inside),
            pictures=tuple(batch.column("pictures")[inside].as_py()),
            template=_text(batch, "template", inside),
            member=member,
        )


class SampleStream:
    """The samples of a mixture over a build, by position."""

    def __init__(self, mixed: MixedBuild) -> None:
        self._mixed = mixed
        self._shards: dict[Path, Shard] = {}

    @property
    def logical_batch(self) -> int | None:
        """The number of consecutive samples drawn from one dataset; None if each is drawn alone."""
        return self._mixed.mixture.logical_batch

    def read(self, start: int, count: int) -> list[Sample]:
        """Read the samples at positions start to start + count - 1, in order."""
        places = self._mixed.places(self._mixed.mixture.samples(start, count))
        return [
            self._shard(self._mixed.parts[place.part].index.shards[place.shard]).sample(
                place.row, place.part
            )
            for place in places
        ]

    def _shard(self, path: Path) -> Shard:
        if path not in self._shards:
            self._shards[path] = Shard(path)
        return self._shards[path]


def _text(batch: pa.RecordBatch, column: str, row: int) -> str:
    value = batch.column(column)[row].as_py()
    if not isinstance(value, str):
        raise UserError(f"a sample in this build has no {column}; see `instructify verify`")
    return value
