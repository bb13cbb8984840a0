"""A unit of work: write a shard of records from the rows of some ranges."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.shards import private_name
from instructify.build.manifest import FileEntry, content_key, file_entry
from instructify.build.ranges import range_rows
from instructify.build.records import write_records
from instructify.build.records_unit import SHARD_ROWS, MadeRange, RecordsUnit
from instructify.readers import Cut
from instructify.schema import RECORD_SCHEMA


class Piece(NamedTuple):
    """Rows of a range."""

    folder: Path
    offset: int  # of the positions
    rows: int  # rows of the whole range
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardUnit:
    """The rows of one shard of the records of a split."""

    records: RecordsUnit
    cuts: tuple[Cut, ...]  # all ranges of the split
    number: int
    pieces: tuple[Piece, ...]

    @property
    def name(self) -> str:
        return f"{self.records.name}, shard {self.number}"

    @property
    def key(self) -> str:
        """Hash what the rows depend on, the content of the raw files included."""
        cuts = [dict(cut) for cut in self.cuts]
        return content_key("record shard", [self.records.key, cuts, self.number])


class ShardReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """A shard that is written and synced."""

    path: Path
    facts: FileEntry


def shard_pieces(ranges: Sequence[MadeRange]) -> list[tuple[Piece, ...]]:
    """Return the rows and ranges of each shard; all shards but the last have SHARD_ROWS."""
    shards: list[list[Piece]] = []
    room = 0
    for range_ in ranges:
        start = 0
        while start < range_.rows:
            if not room:
                shards.append([])
                room = SHARD_ROWS
            stop = min(range_.rows, start + room)
            shards[-1].append(Piece(range_.folder, range_.offset, range_.rows, start, stop))
            room -= stop - start
            start = stop
    return [tuple(shard) for shard in shards]


def run_shard(unit: ShardUnit) -> ShardReceipt:
    """Write a shard; it is synced when this returns."""
    path = unit.records.staging / private_name("shard")
    facts = write_records(path, pa.concat_tables([_rows(piece) for piece in unit.pieces]))
    return ShardReceipt(path=path, facts=file_entry(facts))


def _rows(piece: Piece) -> pa.Table:
    table = range_rows(piece.folder, piece.rows).slice(piece.start, piece.stop - piece.start)
    if not piece.offset:
        return table
    place = RECORD_SCHEMA.get_field_index("position")
    moved = pc.add(table.column(place), piece.offset)
    return table.set_column(place, RECORD_SCHEMA.field(place), moved)
