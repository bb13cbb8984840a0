"""Write a piece of a split, or measure it, in the format of the export, in a folder of its own.

It is written under a private name and published by a rename.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from instructify._util.shards import Syncer, make_folder, sync, write_bytes
from instructify.build import Build, private_folder, publish_folder
from instructify.exporting.contents import Contents
from instructify.exporting.losses import count_losses
from instructify.exporting.measuring import measure
from instructify.exporting.options import TRAINS_ONLY
from instructify.exporting.piece_units import NUMBERS, PieceUnit, find_piece, writing
from instructify.exporting.receipt import (
    RECEIPT,
    PieceReceipt,
    encode_piece,
    synced_sizes,
)
from instructify.exporting.rows import Counts, read_rows
from instructify.exporting.selection import Chosen, select
from instructify.exporting.sink import NO_PICTURES, WantedPictures
from instructify.exporting.sinks import SinkParts, make_sink


def run_piece(unit: PieceUnit) -> PieceReceipt:
    """Write or measure the rows of a unit, unless this was done already."""
    done = find_piece(unit)
    if done is not None:
        return done
    build = unit.work.open()
    chosen = next(
        split
        for split in select(build, unit.work.options).chosen
        if (split.dataset, split.split) == (unit.dataset, unit.split)
    )
    make_folder(unit.work.staging)
    with writing(unit.folder), private_folder(unit.work.staging) as place:
        if unit.what == "rows":
            receipt = _write_rows(unit, build, chosen, place)
        else:
            receipt = _write_numbers(unit, build, chosen, place)
        write_bytes(place / RECEIPT, encode_piece(receipt))
        sync(place)
        return publish_folder(place, unit.folder, receipt, lambda: find_piece(unit))


def _write_rows(unit: PieceUnit, build: Build, chosen: Chosen, place: Path) -> PieceReceipt:
    counts, lost, sets = Counts(), Counter[str](), set[str]()
    options = unit.work.options
    with ExitStack() as stack:
        sink = make_sink(_parts(unit, build, place, stack))
        sink.begin(chosen, unit.start)
        for batch in read_rows(build, chosen, options, counts, unit.span):
            sink.write(batch)
            lost.update(count_losses(batch, options.shape))
            sets.update(pc.unique(batch.column("candidate_set")).drop_null().to_pylist())
        tally = sink.end()
        pictures = sink.close()
    return PieceReceipt(
        rows=counts.written,
        names=tally.files,
        slot_words_broken=tally.slot_words_broken,
        with_pictures=tally.with_pictures,
        not_carried=dict(sorted(lost.items())),
        sets=sorted(sets),
        pictures=pictures,
        sizes=synced_sizes(place),
    )


def _write_numbers(unit: PieceUnit, build: Build, chosen: Chosen, place: Path) -> PieceReceipt:
    """Write what a unit measured."""
    with ExitStack() as stack:
        measured = measure(unit, build, chosen, _parts(unit, build, place, stack))
    np.save(place / NUMBERS, np.array(measured, np.int64))
    return PieceReceipt(
        rows=unit.span.rows,
        names=[],
        slot_words_broken=0,
        with_pictures=0,
        not_carried={},
        sets=[],
        pictures=NO_PICTURES,
        sizes=synced_sizes(place),
    )


def _parts(unit: PieceUnit, build: Build, place: Path, stack: ExitStack) -> SinkParts:
    options = unit.work.options
    contents = None
    if options.pictures:
        contents = stack.enter_context(Contents(build, unit.work.folders))
    pictures = None
    if contents is not None and options.shape in TRAINS_ONLY:
        pictures = WantedPictures(place, contents)
    return SinkParts(
        place=place,
        build_sha256=unit.work.build_sha256,
        options=options,
        contents=contents,
        marks=pictures,
        pictures=pictures,
        columns={} if unit.column is None else {unit.dataset: unit.column},
        finished=stack.enter_context(Syncer()).add,
        is_piece=True,
    )
