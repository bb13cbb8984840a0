"""The samples of a split that are exported, in batches, and counts of the others by reason.

The batches of the mapped shards are filtered as whole columns; no row becomes a dict here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify._util.shards import hash_file
from instructify.build import Build, ShardedTable
from instructify.exporting.contents import row_numbers
from instructify.exporting.options import TRAINS_ONLY, ExportOptions
from instructify.exporting.selection import Chosen
from instructify.recipe import valid_batches
from instructify.schema import SAMPLE_SCHEMA

LATER_DRAW = "later-draw"  # --draws first
NO_RESPONSE = "no-response"  # for inference only, or scored against references
OVER_LIMIT = "over-limit"  # --limit
_CHOICE = ("record_id", "response")  # columns that say which rows are written


@dataclass(kw_only=True, slots=True)
class Counts:
    """How many samples of a split are written and left out; complete when all rows are read."""

    written: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, number: int) -> None:
        if number:
            self.left_out[reason] = self.left_out.get(reason, 0) + number


class RowSpan(NamedTuple):
    """A range of the rows of a split that are written.

    It starts after the first `skip` of these rows in the sample shard with number `shard`.
    """

    shard: int
    skip: int
    rows: int


def read_rows(
    build: Build,
    chosen: Chosen,
    options: ExportOptions,
    counts: Counts,
    span: RowSpan | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows to write in the order of the build, and count written and left-out rows.

    With a span only its rows are read and counted.
    """
    room = options.limit if options.limit is not None else chosen.of.samples
    skip, first = 0, 0
    if span is not None:
        room, skip, first = span.rows, span.skip, span.shard
    choice = _Choice(options, counts, _id_before(build, chosen, first))
    num_read = 0
    for batch in _batches(build, chosen, first):
        num_read += batch.num_rows
        rows = choice.take(batch, room, skip)
        skip -= min(skip, choice.num_last)
        if len(rows):
            yield batch if len(rows) == batch.num_rows else batch.take(row_numbers(rows))
        if counts.written == room:
            break
    if span is None:
        counts.leave_out(OVER_LIMIT, chosen.of.samples - num_read)


def count_rows(build: Build, chosen: Chosen, options: ExportOptions, counts: Counts) -> list[int]:
    """Count the rows to write in each sample shard, by the rule of `read_rows`."""
    room = options.limit if options.limit is not None else chosen.of.samples
    choice = _Choice(options, counts, None)
    numbers = [0] * len(chosen.of.sample_shards)
    num_read = 0
    for shard, name in enumerate(chosen.of.sample_shards):
        for batch in valid_batches(build.path(name), _CHOICE):
            if counts.written == room:
                break
            num_read += batch.num_rows
            numbers[shard] += len(choice.take(batch, room))
    counts.leave_out(OVER_LIMIT, chosen.of.samples - num_read)
    return numbers


class _Choice:
    """Chooses the rows to write, batch after batch, and counts the others."""

    def __init__(self, options: ExportOptions, counts: Counts, previous: str | None) -> None:
        self._first_draws = options.draws == "first"
        self._needs_response = options.shape in TRAINS_ONLY
        self._counts = counts
        self._previous = previous  # the record of the row before
        self.num_last = 0  # rows of the last batch that may be written

    def take(self, batch: pa.RecordBatch, room: int, skip: int = 0) -> NDArray[np.int64]:
        """Return the rows of a batch to write, without the first `skip`, up to `room` in all."""
        rows = self._allowed(batch)
        self.num_last = len(rows)
        rows = rows[skip:]
        kept = rows[: room - self._counts.written]
        self._counts.leave_out(OVER_LIMIT, len(rows) - len(kept))
        self._counts.written += len(kept)
        return kept

    def _allowed(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        keep = np.ones(batch.num_rows, np.bool_)
        if self._first_draws and batch.num_rows:
            ids = batch.column("record_id")
            keep = _begins_record(ids, self._previous)
            self._previous = ids[-1].as_py()
            self._counts.leave_out(LATER_DRAW, int(np.count_nonzero(~keep)))
        if self._needs_response and batch.column("response").null_count:
            answered = batch.column("response").is_valid().to_numpy(zero_copy_only=False)
            self._counts.leave_out(NO_RESPONSE, int(np.count_nonzero(keep & ~answered)))
            keep &= answered
        return np.flatnonzero(keep)


def _id_before(build: Build, chosen: Chosen, shard: int) -> str | None:
    """Return the record of the last row before a shard."""
    for name in reversed(chosen.of.sample_shards[:shard]):
        last = None
        for batch in valid_batches(build.path(name), ("record_id",)):
            last = batch.column("record_id")[-1].as_py() if batch.num_rows else last
        if last is not None:
            return str(last)
    return None


def _batches(build: Build, chosen: Chosen, first: int) -> Iterator[pa.RecordBatch]:
    """Map one shard after another, so that only one is open at a time."""
    for name in chosen.of.sample_shards[first:]:
        path = build.path(name)
        if path.is_file() and hash_file(path) != build.manifest.files[name].sha256:
            raise UserError(
                f"{path} was changed after the build; `instructify verify` says what else was."
            )
        table = ShardedTable([path], SAMPLE_SCHEMA)
        if len(table) != build.manifest.files[name].rows:
            raise UserError(
                f"{path} has {len(table):,} samples and should have "
                f"{build.manifest.files[name].rows:,}; see `instructify verify {build.paths.root}`."
            )
        yield from table.batches()


def _begins_record(ids: pa.Array, previous: str | None) -> NDArray[np.bool_]:
    """Return which rows are the first of their record; the draws of a record are adjacent."""
    begins = np.ones(len(ids), np.bool_)
    begins[0] = ids[0].as_py() != previous
    begins[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return begins
