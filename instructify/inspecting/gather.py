"""The chosen samples of a build, each with its record."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify.build import Build, ShardedTable
from instructify.inspecting.choose import ChosenSplit


class Shown(NamedTuple):
    """A sample of the build and the record that it was rendered from."""

    sample: Mapping[str, Any]
    record: Mapping[str, Any]


def gather(build: Build, chosen: Sequence[ChosenSplit]) -> list[Shown]:
    """Read the chosen samples and their records, split by split."""
    found = []
    for one in chosen:
        table = build.samples(one.dataset, one.split)
        samples = [table[row] for row in one.rows]
        records = find_records(
            build.records(one.dataset, one.split), {sample["record_id"] for sample in samples}
        )
        for sample in samples:
            record = records.get(sample["record_id"])
            if record is None:
                root = build.paths.root
                raise UserError(
                    f"{root} has no record '{sample['record_id']}', though a sample of it; see "
                    f"`instructify verify {root}`."
                )
            found.append(Shown(sample, record))
    return found


def find_records(table: ShardedTable, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Find records by their ids in one go through a column."""
    values = pa.array(sorted(wanted), pa.string())
    found: dict[str, dict[str, Any]] = {}
    start = 0
    for batch in table.batches():
        inside = pc.is_in(batch.column("record_id"), value_set=values).to_numpy(False)
        for row in np.flatnonzero(inside):
            record = table[start + int(row)]
            found[record["record_id"]] = record
        start += batch.num_rows
    return found
