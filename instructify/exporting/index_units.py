"""Units that fill Energon's SQLite index of a dataset from the rows beside the tars of its pieces.

The index of a dataset can be filled when all its tars are written. The part that finishes last does
this, so that the command which writes the export only links the file.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from instructify._util.shards import read_arrow, sync, write_bytes
from instructify.build import Workers, private_folder, publish_folder
from instructify.exporting.energon import DATABASE
from instructify.exporting.energon_rows import ROWS, ROWS_SCHEMA, IndexDatabase
from instructify.exporting.piece_units import PieceUnit, Work, damaged, find_piece, writing
from instructify.exporting.planning import SplitPlan
from instructify.exporting.receipt import RECEIPT, IndexReceipt, are_whole, read_unit


class IndexPiece(NamedTuple):
    """A piece of a dataset: the folder of its unit, and how many tars and samples it has."""

    folder: str
    tars: int
    samples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexUnit:
    """The index of a dataset, whose pieces are in the order of their tars."""

    work: Work
    dataset: str
    pieces: tuple[IndexPiece, ...]

    @property
    def name(self) -> str:
        return f"index of {self.dataset}"

    @property
    def key(self) -> str:
        return self.work.key("energon", [self.dataset, *map(list, self.pieces)])

    @property
    def folder(self) -> Path:
        """The folder of the result of the unit."""
        return self.work.staging / self.key[:24]


def find_index(unit: IndexUnit) -> IndexReceipt | None:
    """Return the receipt of a unit that was finished before and is complete."""
    receipt = read_unit(unit.folder, IndexReceipt)
    if receipt is None or set(receipt.sizes) != {DATABASE}:
        return None
    return receipt if are_whole(unit.folder, receipt.sizes) else None


def run_index(unit: IndexUnit) -> IndexReceipt:
    """Fill the index of a dataset, unless that is done."""
    done = find_index(unit)
    if done is not None:
        return done
    with writing(unit.folder), private_folder(unit.work.staging) as place:
        path = place / DATABASE
        database = IndexDatabase(path)
        try:
            database.add_tables(_tables(unit))
        except sqlite3.IntegrityError as error:
            raise damaged(unit.work.staging) from error
        database.close()
        sync(path)
        receipt = IndexReceipt(sizes={DATABASE: path.stat().st_size})
        write_bytes(place / RECEIPT, msgspec.json.encode(receipt))
        sync(place)
        return publish_folder(place, unit.folder, receipt, lambda: find_index(unit))


def plan_indices(work: Work, plans: Sequence[SplitPlan]) -> list[IndexUnit]:
    """Make a unit for each dataset whose pieces are all written."""
    pieces: dict[str, list[IndexPiece] | None] = {}
    for plan in plans:
        dataset = plan.chosen.dataset
        found = _pieces_of(plan.pieces)
        former = pieces.setdefault(dataset, [])
        pieces[dataset] = None if found is None or former is None else former + found
    return [
        IndexUnit(work=work, dataset=dataset, pieces=tuple(whole))
        for dataset, whole in pieces.items()
        if whole
    ]


def write_indices(work: Work, plans: Sequence[SplitPlan], workers: Workers) -> dict[str, Path]:
    """Fill the index of each dataset whose pieces are all written; returns their files."""
    units = plan_indices(work, plans)
    workers.map(run_index, units)
    return {unit.dataset: unit.folder / DATABASE for unit in units}


def _pieces_of(units: Sequence[PieceUnit]) -> list[IndexPiece] | None:
    pieces = []
    for unit in units:
        receipt = find_piece(unit)
        if receipt is None:
            return None
        pieces.append(IndexPiece(unit.folder.name, len(receipt.names), receipt.rows))
    return pieces


def _tables(unit: IndexUnit) -> Iterator[pa.Table]:
    """Read the rows of each piece, and number its tars within the dataset."""
    first = 0
    for piece in unit.pieces:
        path = unit.work.staging / piece.folder / unit.dataset / ROWS
        table = read_arrow(path, ROWS_SCHEMA).combine_chunks()
        tars = table["tar"].to_numpy()
        is_damaged = len(tars) != piece.samples or len(np.unique(tars)) != piece.tars
        if is_damaged or not _are_rows(table, piece):
            raise damaged(path)
        yield table.set_column(0, ROWS_SCHEMA.field("tar"), pa.array(tars + first, pa.int32()))
        first += piece.tars


def _are_rows(table: pa.Table, piece: IndexPiece) -> bool:
    """Return whether tars are numbered in order, and parts have a name, an offset and a size."""
    tars = table["tar"].to_numpy()
    if len(tars) and (tars[0] != 0 or tars[-1] != piece.tars - 1 or (np.diff(tars) < 0).any()):
        return False
    lists = [table[name].combine_chunks() for name in ROWS_SCHEMA.names if name.startswith("part_")]
    lengths = [column.value_lengths() for column in lists]
    return not any(column.null_count or column.flatten().null_count for column in lists) and all(
        other.equals(lengths[0]) for other in lengths
    )
