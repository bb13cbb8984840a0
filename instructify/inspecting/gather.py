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
    shown = []
    for split in chosen:
        table = build.samples(split.dataset, split.split)
        samples = [table[row] for row in split.rows]
        records = find_records(
            build.records(split.dataset, split.split), {sample["record_id"] for sample in samples}
        )
        for sample in samples:
            record = records.get(sample["record_id"])
            if record is None:
                root = build.paths.root
                raise UserError(
                    f"{root} has a sample but no record of '{sample['record_id']}'; see "
                    f"`instructify verify {root}`."
                )
            shown.append(Shown(sample, record))
    return shown


def find_records(table: ShardedTable, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Find records by their ids in one pass over the column of ids."""
    values = pa.array(sorted(ids), pa.string())
    records: dict[str, dict[str, Any]] = {}
    start = 0
    for batch in table.batches():
        inside = pc.is_in(batch.column("record_id"), value_set=values).to_numpy(False)
        for row in np.flatnonzero(inside):
            record = table[start + int(row)]
            records[record["record_id"]] = record
        start += batch.num_rows
    return records
