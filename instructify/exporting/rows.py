"""The samples of a split that are exported, in batches, and counts of the others by reason.

The batches of the mapped shards are filtered as whole columns; no row becomes a dict here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

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
from instructify.schema import SAMPLE_SCHEMA

LATER_DRAW = "later-draw"  # --draws first
NO_RESPONSE = "no-response"  # for inference only, or scored against references
OVER_LIMIT = "over-limit"  # --limit


@dataclass(kw_only=True, slots=True)
class Counts:
    """How many samples of a split are written and left out; complete when all rows are read."""

    written: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, number: int) -> None:
        if number:
            self.left_out[reason] = self.left_out.get(reason, 0) + number


def read_rows(
    build: Build, chosen: Chosen, options: ExportOptions, counts: Counts
) -> Iterator[pa.RecordBatch]:
    """Yield the rows to write in the order of the build, and count written and left-out rows."""
    needs_response = options.shape in TRAINS_ONLY
    room = options.limit if options.limit is not None else chosen.of.samples
    previous: str | None = None
    num_read = 0
    for batch in _batches(build, chosen):
        num_read += batch.num_rows
        keep = np.ones(batch.num_rows, np.bool_)
        if options.draws == "first":
            ids = batch.column("record_id")
            keep = _begins_record(ids, previous)
            previous = ids[-1].as_py()
            counts.leave_out(LATER_DRAW, int(np.count_nonzero(~keep)))
        if needs_response and batch.column("response").null_count:
            answered = batch.column("response").is_valid().to_numpy(zero_copy_only=False)
            counts.leave_out(NO_RESPONSE, int(np.count_nonzero(keep & ~answered)))
            keep &= answered
        rows = np.flatnonzero(keep)
        num_kept = min(len(rows), room - counts.written)
        counts.leave_out(OVER_LIMIT, len(rows) - num_kept)
        counts.written += num_kept
        if num_kept:
            whole = num_kept == batch.num_rows
            yield batch if whole else batch.take(row_numbers(rows[:num_kept]))
        if counts.written == room:
            break
    counts.leave_out(OVER_LIMIT, chosen.of.samples - num_read)


def _batches(build: Build, chosen: Chosen) -> Iterator[pa.RecordBatch]:
    """Map one shard after another, so that only one is open at a time."""
    for name in chosen.of.sample_shards:
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
    if not len(ids):
        return np.zeros(0, np.bool_)
    begins = np.ones(len(ids), np.bool_)
    begins[0] = ids[0].as_py() != previous
    begins[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return begins
