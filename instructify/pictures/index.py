"""Merge what was looked at into one table of all pictures of a build, sorted by key.

The order in which units finished leaves no trace. What a build knew before is carried over, so a
later conversion looks only at pictures that are new or have changed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.shards import read_arrow, stream_arrow
from instructify.pictures.checked import check_index
from instructify.pictures.probing import ProbePlan
from instructify.pictures.roots import LOCAL_FOLDER
from instructify.pictures.tables import (
    BATCH_ROWS,
    PROBE_SCHEMA,
    PROBLEM_SCHEMA,
    Known,
    read_index,
    validate,
)


class Gathered(NamedTuple):
    """All pictures of a build, sorted by key: those with facts, and those with problems."""

    found: pa.Table  # of PROBE_SCHEMA
    problems: pa.Table  # of PROBLEM_SCHEMA


def gather(plan: ProbePlan, results: Sequence[Path], known: Known | None = None) -> Gathered:
    """Put results, kept rows and what else the build knew together, each key once.

    Keys that this plan did not ask for stay as they were.
    """
    fresh = pa.concat_tables([plan.kept, *(read_arrow(path) for path in results)])
    is_problem = pc.is_valid(fresh["reason"])
    found = fresh.filter(pc.invert(is_problem))
    problems = fresh.filter(is_problem).select(PROBLEM_SCHEMA.names).cast(PROBLEM_SCHEMA)
    if known is not None:
        found = pa.concat_tables([found, _others(known.seen, fresh["key"])])
        problems = pa.concat_tables([problems, _others(known.problems, fresh["key"])])
    return Gathered(found.sort_by("key").combine_chunks(), problems.sort_by("key").combine_chunks())


def load_known(build: Path, index: Path | None, problems: Path | None) -> Known | None:
    """Load what a build knows, from the files that its manifest names; None without an index.

    Without the notes of when files were last seen, as on another machine, every picture is looked
    at again and found the same.
    """
    if index is None:
        return None
    table = read_index(index)
    check_index(table)
    path = build / LOCAL_FOLDER / "seen.arrow"
    try:
        noted = read_arrow(path)
    except UserError:  # the notes only save time
        noted = PROBE_SCHEMA.empty_table()
    if noted.schema != PROBE_SCHEMA:
        noted = PROBE_SCHEMA.empty_table()
    validate(noted, path)
    check_index(noted)
    no_problems = PROBLEM_SCHEMA.empty_table()
    return Known(
        index=table,
        problems=read_index(problems) if problems is not None else no_problems,
        seen=_reconcile(table, noted),
    )


def save_seen(build: Path, gathered: Gathered) -> None:
    """Note beside the build when its pictures were last seen as they are."""
    path = build / LOCAL_FOLDER / "seen.arrow"
    stream_arrow(path, PROBE_SCHEMA, gathered.found.to_batches(BATCH_ROWS))


def _others(table: pa.Table, keys: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["key"], value_set=keys)))


def _reconcile(index: pa.Table, noted: pa.Table) -> pa.Table:
    """Give every row of the index in the shape of PROBE_SCHEMA, with notes where there are any."""
    at = pc.index_in(index["key"], value_set=noted["key"])
    same = pc.equal(noted["sha256"].take(at), index["sha256"]) if noted.num_rows else None
    columns = []
    for field in PROBE_SCHEMA:
        if field.name in ("root", "file", "offset", "mtime_ns"):
            column = noted[field.name].take(at) if noted.num_rows else pa.nulls(len(at), field.type)
            if same is not None:
                column = pc.if_else(pc.fill_null(same, False), column, pa.scalar(None, field.type))
            if field.name in index.column_names:
                column = pc.coalesce(column, index[field.name])
            columns.append(column)
        elif field.name in index.column_names:
            columns.append(index[field.name])
        else:
            columns.append(pa.nulls(index.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=PROBE_SCHEMA)
