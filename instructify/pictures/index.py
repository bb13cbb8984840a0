"""Last step of the passes: write a part of the index, with the place of every picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.shards import FileFacts, read_arrow
from instructify.pictures.contents import Contents, order_of
from instructify.pictures.key_order import KeyRange, Rows, match, numbers, one_array, taken
from instructify.pictures.tables import PICTURE_INDEX_SCHEMA, write_part

_CONTENT = ("order", "sha256")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexUnit:
    """Write the part of the index for the pictures that one unit joined.

    `shards` has name and number of contents of every new shard, in the order of all new contents.
    """

    number: int
    found: Path
    contents: tuple[Contents, ...]
    shards: tuple[tuple[str, int], ...]
    stored_families: frozenset[str]
    staging: Path


class _Places:
    """Where the contents of some pictures are stored."""

    def __init__(self, num_rows: int) -> None:
        self.shard = np.full(num_rows, None, object)
        self.row = np.full(num_rows, -1, np.int64)


def run_index(unit: IndexUnit) -> FileFacts:
    """Write shard and row for stored pictures, and the file for all others."""
    pictures = read_arrow(unit.found)
    stored = np.zeros(pictures.num_rows, np.bool_)
    for family in unit.stored_families:
        stored |= np.asarray(pc.starts_with(one_array(pictures["key"]), f"{family}/"))
    places = _Places(pictures.num_rows)
    if stored.any():
        _place(unit, pictures, np.flatnonzero(stored), places)
    is_placed = pa.array(places.row >= 0)
    columns = []
    for field in PICTURE_INDEX_SCHEMA:
        if field.name == "shard":
            columns.append(pa.array(places.shard, pa.string()))
        elif field.name == "row":
            columns.append(pa.array(places.row, pa.int32(), mask=places.row < 0))
        elif field.name in ("root", "file", "offset"):
            empty = pa.scalar(None, field.type)
            columns.append(pc.if_else(is_placed, empty, one_array(pictures[field.name])))
        else:
            columns.append(one_array(pictures[field.name]))
    table = pa.Table.from_arrays(columns, schema=PICTURE_INDEX_SCHEMA)
    return write_part(unit.staging, "index", unit.number, table)


def _place(unit: IndexUnit, pictures: pa.Table, rows: Rows, places: _Places) -> None:
    """Look up shard and row of the pictures of some rows, one range of contents after another."""
    hashes = one_array(pictures["sha256"]).take(pa.array(rows))
    wanted = pa.table({"order": order_of(hashes), "sha256": hashes})
    order = numbers(wanted["order"])
    names = np.array([name for name, _ in unit.shards], object)
    ends = np.cumsum([count for _, count in unit.shards], dtype=np.int64)
    before = 0  # contents that are new and of an earlier range
    for content in unit.contents:
        inside = np.flatnonzero(_inside(order, content.part))
        if len(inside):
            part_contents = taken(wanted, inside)
            _place_stored(read_arrow(content.stored), part_contents, rows[inside], places)
            at = match(part_contents, read_arrow(content.new), _CONTENT)
            fresh = rows[inside][at >= 0]
            number = before + at[at >= 0]
            shard = np.searchsorted(ends, number, side="right")
            if len(fresh):
                places.shard[fresh] = names[shard]
                places.row[fresh] = number - np.concatenate([[0], ends])[shard]
        before += content.num_new


def _place_stored(stored: pa.Table, contents: pa.Table, rows: Rows, places: _Places) -> None:
    at = match(contents, stored, _CONTENT)
    stored_at = taken(stored.select(["shard", "row"]), at[at >= 0])
    places.shard[rows[at >= 0]] = stored_at["shard"].to_pylist()
    places.row[rows[at >= 0]] = stored_at["row"].to_pylist()


def _inside(order: np.ndarray, part: KeyRange) -> np.ndarray:
    inside = order >= np.uint64(part.start)
    if part.stop <= int(np.iinfo(np.uint64).max):
        inside &= order < np.uint64(part.stop)
    return np.asarray(inside)
