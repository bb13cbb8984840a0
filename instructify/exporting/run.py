"""Run an export: write the samples with the sink of the format, then the receipt, then rename."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.shards import Syncer, sync, write_bytes
from instructify.build import Build, Workers
from instructify.exporting.card import render_hub_card
from instructify.exporting.contents import Contents
from instructify.exporting.folder import LOCK, pieces_beside, staged
from instructify.exporting.gathering import Pieces, adopt_split, clear_pieces, write_pieces
from instructify.exporting.losses import count_losses
from instructify.exporting.options import TRAINS_ONLY, ExportOptions, PictureFolders
from instructify.exporting.piece_units import Work
from instructify.exporting.receipt import (
    FORMAT,
    RECEIPT,
    PicturesReceipt,
    Receipt,
    SplitReceipt,
    build_hash,
    write_receipt,
)
from instructify.exporting.rows import NO_RESPONSE, Counts, read_rows
from instructify.exporting.selection import Chosen, Selection
from instructify.exporting.sink import PICTURE_FOLDERS, PictureFiles, Sink
from instructify.exporting.sinks import SinkParts, make_sink

CANDIDATES = "candidates.json"
CARD = "README.md"


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """One export to make; `advance` is called with the number of samples done."""

    build: Build
    selection: Selection
    options: ExportOptions
    folders: PictureFolders
    out: Path
    advance: Callable[[int], None]


def run_export(export: Export, workers: Workers | None = None) -> Receipt:
    """Make an export; `out` is complete when this returns.

    With workers the export is made of pieces that they write; its bytes are the same.
    """
    build, options = export.build, export.options
    with staged(export.out) as place, ExitStack() as stack:
        syncer = stack.enter_context(Syncer())
        if workers is None:
            written = _written(export, place, stack, syncer)
        else:
            written = _gathered(export, place, workers, syncer)
        _check_not_empty(export, written.datasets)
        _write_beside(export, place, written.sets, written.datasets)
        if build_hash(Build.open(build.paths.root).manifest) != build_hash(build.manifest):
            raise UserError(f"{build.paths.root} changed during the export; run it again.")
        receipt = Receipt(
            format=FORMAT,
            instructify=__version__,
            build_sha256=build_hash(build.manifest),
            options=options.told(),
            datasets=written.datasets,
            unlicensed=export.selection.unlicensed,
            pictures=written.pictures,
            files=_files(place, () if written.pictures.mode != "files" else PICTURE_FOLDERS),
            entries=_entries(place),
        )
        write_receipt(place, receipt)
        syncer.wait()
        _sync(place, receipt)
    if workers is not None:
        clear_pieces(export.out)
    return receipt


def run_part(export: Export, workers: Workers) -> None:
    """Write the pieces of one part of an export; raises PartDone."""
    _pieces(export, workers)


class _Written(NamedTuple):
    """The contents of an export: its splits, their candidate sets, and its pictures."""

    datasets: dict[str, dict[str, SplitReceipt]]
    sets: set[str]
    pictures: PicturesReceipt


def _written(export: Export, place: Path, stack: ExitStack, syncer: Syncer) -> _Written:
    """Write an export from its first to its last sample in this process."""
    contents = pictures = None
    columns: Mapping[str, str] = {}
    if export.options.pictures:
        contents = stack.enter_context(Contents(export.build, export.folders))
        if export.options.shape in TRAINS_ONLY:
            pictures = PictureFiles(place, contents)
        if export.options.shape in ("parquet", "hub"):
            from instructify.exporting.parquet import picture_columns  # imports pyarrow.parquet

            columns = picture_columns(export.build, export.selection.chosen)
    sink = make_sink(
        SinkParts(
            place=place,
            build_sha256=build_hash(export.build.manifest),
            options=export.options,
            contents=contents,
            marks=pictures,
            pictures=pictures,
            columns=columns,
            finished=syncer.add,
        )
    )
    sets: set[str] = set()
    datasets: dict[str, dict[str, SplitReceipt]] = {}
    for chosen in export.selection.chosen:
        receipts = datasets.setdefault(chosen.dataset, {})
        receipts[chosen.split] = _export_split(export, chosen, sink, sets)
    return _Written(datasets, sets, sink.close())


def _gathered(export: Export, place: Path, workers: Workers, syncer: Syncer) -> _Written:
    """Let workers write pieces, and assemble them."""
    pieces = _pieces(export, workers)
    sink = make_sink(
        SinkParts(
            place=place,
            build_sha256=build_hash(export.build.manifest),
            options=export.options,
            contents=None,
            marks=None,
            pictures=pieces.pictures(place),
            columns={},
            finished=syncer.add,
            databases=pieces.databases,
        )
    )
    sets: set[str] = set()
    datasets: dict[str, dict[str, SplitReceipt]] = {}
    for plan in pieces.plans:
        receipts = datasets.setdefault(plan.chosen.dataset, {})
        receipts[plan.chosen.split] = adopt_split(plan, pieces, sink, sets)
    return _Written(datasets, sets, sink.close())


def _pieces(export: Export, workers: Workers) -> Pieces:
    work = Work(
        build=export.build.paths.root,
        build_sha256=build_hash(export.build.manifest),
        options=export.options,
        folders=export.folders,
        staging=pieces_beside(export.out),
    )
    return write_pieces(
        work, export.build, export.selection.chosen, workers, advance=export.advance
    )


def _export_split(export: Export, chosen: Chosen, sink: Sink, sets: set[str]) -> SplitReceipt:
    counts = Counts()
    lost: Counter[str] = Counter()
    sink.begin(chosen)
    for batch in read_rows(export.build, chosen, export.options, counts):
        sink.write(batch)
        lost.update(count_losses(batch, export.options.shape))
        sets.update(pc.unique(batch.column("candidate_set")).drop_null().to_pylist())
        export.advance(batch.num_rows)
    tally = sink.end()
    return SplitReceipt(
        role=chosen.entry.role,
        licence=chosen.entry.licence,
        samples=chosen.of.samples,
        written=counts.written,
        left_out=dict(sorted(counts.left_out.items())),
        slot_words_broken=tally.slot_words_broken,
        with_pictures=tally.with_pictures,
        files=tally.files,
        not_carried=dict(sorted(lost.items())),
    )


def _check_not_empty(export: Export, datasets: dict[str, dict[str, SplitReceipt]]) -> None:
    splits = [receipt for dataset in datasets.values() for receipt in dataset.values()]
    if any(split.written for split in splits):
        return
    silent = sum(split.left_out.get(NO_RESPONSE, 0) for split in splits)
    if silent:
        raise UserError(
            f"all {silent:,} samples chosen are without a response, and {export.options.shape} "
            "can't hold these; export them as webdataset, parquet or hub, or choose others."
        )
    raise UserError(
        f"the splits chosen from {export.build.paths.root} have no samples; rejects/ says why."
    )


def _write_beside(
    export: Export,
    place: Path,
    sets: set[str],
    datasets: dict[str, dict[str, SplitReceipt]],
) -> None:
    """Write the shared candidate sets that the samples name, and the card."""
    if sets and export.options.shape not in ("llava", "chat"):
        candidate_sets = export.build.candidate_sets()
        for name in sorted(sets - candidate_sets.keys()):
            raise UserError(
                f"the samples of this export name the candidate set {name!r:.80}, which "
                f"{export.build.paths.root} lacks; `instructify verify` says what else is wrong, "
                f"and if nothing is, delete {pieces_beside(export.out)}."
            )
        text = json.dumps({name: candidate_sets[name] for name in sorted(sets)}, ensure_ascii=False)
        write_bytes(place / CANDIDATES, (text + "\n").encode())
    if export.options.shape == "hub":
        card = render_hub_card(
            {split.dataset: split.entry for split in export.selection.chosen},
            datasets,
            build_hash(export.build.manifest),
            export.options.told(),
        )
        write_bytes(place / CARD, card.encode())


def _files(place: Path, unlisted: Sequence[str]) -> dict[str, int]:
    """Return the files with their sizes, without picture files, whose names are their hashes."""
    sizes = {}
    for folder, below, names in os.walk(place):
        if Path(folder) == place:
            below[:] = [name for name in below if name not in unlisted]
            names = [name for name in names if name != LOCK]
        for name in names:
            path = Path(folder, name)
            sizes[path.relative_to(place).as_posix()] = path.stat().st_size
    return dict(sorted(sizes.items()))


def _entries(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name not in (RECEIPT, LOCK))


def _sync(place: Path, receipt: Receipt) -> None:
    """Sync the data files to the disk before the folder is renamed."""
    for name in receipt.files:
        sync(place / name)
    sync(place)
