"""Read what a build already knows about its pictures, one range of keys at a time.

Notes beside the index say when each file was last seen, so that a later conversion looks only at
pictures that are new or have changed. The notes belong to this machine and are in no manifest.
Without them every picture is looked at again, and the result is the same.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.shards import private_name, read_arrow
from instructify.pictures.checked import check_index
from instructify.pictures.key_order import (
    KeyRange,
    cut,
    key_ranges,
    match,
    sorted_by_hash,
    taken,
)
from instructify.pictures.roots import LOCAL_FOLDER
from instructify.pictures.tables import (
    FOUND_SCHEMA,
    PICTURE_INDEX_SCHEMA,
    PROBLEM_SCHEMA,
    read_index,
    validate,
)

_NOTED = ("root", "file", "offset", "mtime_ns")


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFiles:
    """The files of a build with what it knows about its pictures, parts in order."""

    index: tuple[Path, ...] = ()
    problems: tuple[Path, ...] = ()
    seen: tuple[Path, ...] = ()

    @classmethod
    def of(cls, build: Path, index: Sequence[Path], problems: Sequence[Path]) -> "KnownFiles":
        seen = sorted((build / LOCAL_FOLDER).glob("seen-*.arrow"))
        return cls(index=tuple(index), problems=tuple(problems), seen=tuple(seen))


class Known(NamedTuple):
    """What the build knows about a range of keys."""

    index: pa.Table  # of PICTURE_INDEX_SCHEMA
    seen: pa.Table  # the same rows in FOUND_SCHEMA, with notes where there are any
    problems: pa.Table  # of PROBLEM_SCHEMA


def read_known(files: KnownFiles, part: KeyRange) -> Known:
    """Read what is known about a range; UserError where a file of the build is damaged."""
    index = _read_parts(files.index, part, PICTURE_INDEX_SCHEMA)
    check_index(index)
    problems = _read_parts(files.problems, part, PROBLEM_SCHEMA)
    noted = [table for path in files.seen for table in _read_notes(path, part)]
    notes = pa.concat_tables([FOUND_SCHEMA.empty_table(), *noted])
    return Known(index, _with_notes(index, sorted_by_hash(notes)), problems)


def keep_notes(build: Path, files: Sequence[Path]) -> None:
    """Note beside the build when its pictures were last seen, from tables of FOUND_SCHEMA."""
    folder = build / LOCAL_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    names = {f"seen-{number:03}-of-{len(files):03}.arrow" for number in range(len(files))}
    for name, path in zip(sorted(names), files, strict=True):
        beside = folder / private_name(name)
        shutil.copyfile(path, beside)
        beside.replace(folder / name)
    for old in folder.glob("seen*.arrow"):
        if old.name not in names:
            old.unlink()


def _read_parts(paths: Sequence[Path], part: KeyRange, schema: pa.Schema) -> pa.Table:
    ranges = key_ranges(len(paths)) if paths else []
    tables = [
        cut(read_index(path), part)
        for path, of in zip(paths, ranges, strict=True)
        if of.meets(part)
    ]
    return pa.concat_tables([schema.empty_table(), *tables])


def _read_notes(path: Path, part: KeyRange) -> list[pa.Table]:
    """Read a range of notes; none where the file is not ours, since they only save time."""
    try:
        table = read_arrow(path)
        if not table.schema.equals(FOUND_SCHEMA):
            return []
        validate(table, path)
        table = cut(table, part).replace_schema_metadata()
        check_index(table)
    except UserError:
        return []
    return [table]


def _with_notes(index: pa.Table, noted: pa.Table) -> pa.Table:
    """Give every row of the index in FOUND_SCHEMA, with the notes of the same content."""
    at = match(index.select(["key_hash", "key"]), noted)
    rows = pa.array(at, pa.int64(), mask=at < 0)
    notes = taken_or_null(noted, rows)
    same = pc.fill_null(pc.equal(notes["sha256"], index["sha256"]), False)
    columns = []
    for field in FOUND_SCHEMA:
        if field.name in _NOTED:
            column = pc.if_else(same, notes[field.name], pa.scalar(None, field.type))
            if field.name in index.column_names:
                column = pc.coalesce(column, index[field.name])
            columns.append(column)
        else:
            columns.append(index[field.name])
    return pa.Table.from_arrays(columns, schema=FOUND_SCHEMA)


def taken_or_null(table: pa.Table, rows: pa.Array) -> pa.Table:
    """Take rows of a table, nulls where a row number is null."""
    if not table.num_rows:
        return pa.table({field.name: pa.nulls(len(rows), field.type) for field in table.schema})
    whole = taken(table, np.arange(table.num_rows)) if _chunked(table) else table
    return pa.table({name: whole[name].take(rows) for name in whole.column_names})


def _chunked(table: pa.Table) -> bool:
    return any(column.num_chunks != 1 for column in table.columns)
