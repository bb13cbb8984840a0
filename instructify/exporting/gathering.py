"""Make an export of pieces that several processes, Ray, or parts write.

All engines plan the pieces and write those that are missing. A part ends there. The process that
writes the export then assembles the pieces.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from instructify.build import Build, PartDone, Workers, clear_noted
from instructify.exporting.folder import pieces_beside
from instructify.exporting.index_units import write_indices
from instructify.exporting.options import TRAINS_ONLY
from instructify.exporting.picture_units import (
    MovedPictures,
    PictureUnit,
    plan_pictures,
    run_pictures,
)
from instructify.exporting.piece_units import PieceUnit, Work, damaged
from instructify.exporting.pieces import run_piece
from instructify.exporting.planning import SplitPlan, plan_pieces
from instructify.exporting.receipt import PicturesReceipt, PieceReceipt, SplitReceipt
from instructify.exporting.selection import Chosen
from instructify.exporting.sink import PictureWriter, Piece, Sink

NOTES = "parts"


class Pieces(NamedTuple):
    """All pieces of an export, already written."""

    plans: list[SplitPlan]
    receipts: dict[PieceUnit, PieceReceipt]
    picture_units: list[PictureUnit]
    picture_receipts: list[PicturesReceipt]
    has_files: bool  # whether pictures are files beside the samples
    databases: dict[str, Path]  # Energon's SQLite index of each dataset, for WebDataset

    def pictures(self, place: Path) -> PictureWriter | None:
        """Return the pictures that are files beside the samples, to be moved to `place`."""
        if not self.has_files:
            return None
        return MovedPictures(place, self.picture_units, self.picture_receipts)


def write_pieces(
    work: Work,
    build: Build,
    chosen: Sequence[Chosen],
    workers: Workers,
    advance: Callable[[int], None],
) -> Pieces:
    """Write the missing pieces; a part ends here with PartDone."""

    def written(unit: PieceUnit, receipt: PieceReceipt) -> None:
        advance(receipt.rows)

    plans = plan_pieces(work, build, chosen, workers)
    units = [unit for plan in plans for unit in plan.pieces]
    has_files = work.options.pictures and work.options.shape in TRAINS_ONLY
    is_indexed = work.options.shape == "webdataset"
    try:
        receipts = workers.map(run_piece, units, written, stage="export", through=has_files)
    except PartDone:
        if is_indexed:
            write_indices(work, plans, workers)  # of datasets that no other part still writes
        raise
    picture_units: list[PictureUnit] = []
    picture_receipts: list[PicturesReceipt] = []
    if has_files:
        picture_units = plan_pictures(work, build, units)
        picture_receipts = workers.map(run_pictures, picture_units, stage="export")
    done = dict(zip(units, receipts, strict=True))
    databases = _databases(work, plans, workers) if is_indexed else {}
    return Pieces(plans, done, picture_units, picture_receipts, has_files, databases)


def _databases(work: Work, plans: Sequence[SplitPlan], workers: Workers) -> dict[str, Path]:
    """Fill Energon's index of every dataset that has pieces; returns the files."""
    databases = write_indices(work, plans, workers)
    for plan in plans:
        if plan.pieces and plan.chosen.dataset not in databases:  # a piece was removed meanwhile
            raise damaged(plan.pieces[0].folder)
    return databases


def adopt_split(plan: SplitPlan, pieces: Pieces, sink: Sink, sets: set[str]) -> SplitReceipt:
    """Assemble the pieces of a split."""
    lost: Counter[str] = Counter()
    sink.begin(plan.chosen)
    for unit in plan.pieces:
        receipt = pieces.receipts[unit]
        sink.adopt(Piece(unit.folder, receipt))
        lost.update(receipt.not_carried)
        sets.update(receipt.sets)
    tally = sink.end()
    return SplitReceipt(
        role=plan.chosen.entry.role,
        licence=plan.chosen.entry.licence,
        samples=plan.chosen.of.samples,
        written=plan.counts.written,
        left_out=dict(sorted(plan.counts.left_out.items())),
        slot_words_broken=tally.slot_words_broken,
        with_pictures=tally.with_pictures,
        files=tally.files,
        not_carried=dict(sorted(lost.items())),
    )


def clear_pieces(out: Path) -> None:
    """Remove the pieces of an export that is complete, unless a late part still uses them."""
    pieces = pieces_beside(out)
    clear_noted(pieces, pieces / NOTES, "export")
