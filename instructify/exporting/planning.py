"""Plan the pieces of an export; every process gets the same list.

LLaVA and chat have a piece for each shard of samples, which are concatenated row by row. Tars of
WebDataset and files of Parquet end at a certain size. So units measure all samples or row groups
first, and a piece then consists of some consecutive files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.build import Build, Workers
from instructify.exporting.options import TRAINS_ONLY
from instructify.exporting.piece_units import NUMBERS, PieceUnit, Work, damaged, read_numbers
from instructify.exporting.pieces import run_piece
from instructify.exporting.rows import Counts, RowSpan, count_rows
from instructify.exporting.selection import Chosen
from instructify.exporting.sink import WHOLE, Start
from instructify.exporting.webdataset import MAX_SHARD_SAMPLES

FILES_A_PIECE = 4
GROUPS_A_UNIT = 8
_MAGIC = 4  # bytes before the first row group of a Parquet file

Numbers = NDArray[np.int64]
_NONE: Numbers = np.zeros(0, np.int64)


class SplitPlan(NamedTuple):
    """A split: its counts, the rows to write of each shard of samples, and its pieces."""

    chosen: Chosen
    counts: Counts
    rows: list[int]
    pieces: list[PieceUnit]


def plan_pieces(
    work: Work, build: Build, chosen: Sequence[Chosen], workers: Workers
) -> list[SplitPlan]:
    """Plan the pieces of all splits; `workers` measure them if the format needs it."""
    plans = []
    for split in chosen:
        counts = Counts()
        rows = count_rows(build, split, work.options, counts)
        plans.append(SplitPlan(split, counts, rows, []))
    if work.options.shape in TRAINS_ONLY:
        return [plan._replace(pieces=_by_shard(work, plan)) for plan in plans]
    if work.options.shape == "webdataset":
        return _tars(work, plans, workers)
    return _parquet_files(work, build, plans, workers)


def _by_shard(work: Work, plan: SplitPlan) -> list[PieceUnit]:
    ends = np.cumsum(plan.rows)
    return [
        _unit(work, plan.chosen, RowSpan(shard, 0, rows), Start(row=int(end) - rows))
        for shard, (rows, end) in enumerate(zip(plan.rows, ends, strict=True))
        if rows
    ]


def _tars(work: Work, plans: Sequence[SplitPlan], workers: Workers) -> list[SplitPlan]:
    """Divide the splits into tars by the sizes of all samples."""
    measuring = [replace(unit, what="sizes") for plan in plans for unit in _by_shard(work, plan)]
    sizes_of = _measured(measuring, workers)
    cut = []
    for plan in plans:
        sizes = sizes_of.get(_name(plan), _NONE)
        starts = [*tar_starts(sizes, work.options.shard_bytes), len(sizes)]
        cut.append(plan._replace(pieces=_files(work, plan, starts, None)))
    return cut


def tar_starts(sizes: Numbers, shard_bytes: int) -> Iterator[int]:
    """Yield the first sample of each tar, by the rule of `WebdatasetSink`."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        yield start
        before = int(ends[start - 1]) if start else 0
        stop = int(np.searchsorted(ends, before + shard_bytes, "right"))
        start = min(max(stop, start + 1), start + MAX_SHARD_SAMPLES)


def _parquet_files(
    work: Work, build: Build, plans: Sequence[SplitPlan], workers: Workers
) -> list[SplitPlan]:
    """Divide the splits into files by the compressed sizes of their row groups."""
    from instructify.exporting.parquet import picture_columns  # imports pyarrow.parquet

    columns: dict[str, str] = {}
    if work.options.pictures:
        columns = picture_columns(build, [plan.chosen for plan in plans])
    starts_of = _group_starts(work, plans, workers)
    groups_of = [starts_of.get(_name(plan), _NONE).tolist() for plan in plans]
    measuring = [
        replace(unit, what="sizes")
        for plan, groups in zip(plans, groups_of, strict=True)
        for unit in _runs(work, plan, groups[::GROUPS_A_UNIT], columns.get(plan.chosen.dataset))
    ]
    sizes_of = _measured(measuring, workers)
    cut = []
    for plan, groups in zip(plans, groups_of, strict=True):
        sizes = sizes_of.get(_name(plan), _NONE)
        first = file_starts(sizes.tolist(), work.options.shard_bytes)
        starts = [*(groups[group] for group in first), sum(plan.rows)]
        column = columns.get(plan.chosen.dataset)
        cut.append(plan._replace(pieces=_files(work, plan, starts, column)))
    return cut


def file_starts(sizes: Sequence[int], shard_bytes: int) -> Iterator[int]:
    """Yield the first row group of each Parquet file, by the rule of `ParquetSink`."""
    size = shard_bytes
    for group, group_bytes in enumerate(sizes):
        if size >= shard_bytes:
            size = _MAGIC
            yield group
        size += group_bytes


def _group_starts(
    work: Work, plans: Sequence[SplitPlan], workers: Workers
) -> dict[tuple[str, str], Numbers]:
    """Return the first row of each row group, from the sizes of pictures in the index."""
    whole = [
        replace(_unit(work, plan.chosen, RowSpan(0, 0, sum(plan.rows)), WHOLE), what="groups")
        for plan in plans
        if sum(plan.rows)
    ]
    return _measured(whole, workers)


def _files(
    work: Work, plan: SplitPlan, starts: Sequence[int], column: str | None
) -> list[PieceUnit]:
    """Make units of consecutive files; `starts` has the first row of each file, and the end."""
    units = _runs(work, plan, starts[:-1:FILES_A_PIECE], column)
    return [
        replace(unit, start=unit.start._replace(file=number * FILES_A_PIECE))
        for number, unit in enumerate(units)
    ]


def _runs(
    work: Work, plan: SplitPlan, starts: Sequence[int], column: str | None
) -> list[PieceUnit]:
    """Make a unit from each of these rows to the next one."""
    ends = np.cumsum(plan.rows)
    stops = [*starts[1:], sum(plan.rows)]
    units = []
    for start, stop in zip(starts, stops, strict=False):
        shard = int(np.searchsorted(ends, start, "right"))
        skip = start - (int(ends[shard]) - plan.rows[shard])
        span = RowSpan(shard, skip, stop - start)
        units.append(replace(_unit(work, plan.chosen, span, Start(row=start)), column=column))
    return units


def _unit(work: Work, chosen: Chosen, span: RowSpan, start: Start) -> PieceUnit:
    return PieceUnit(
        work=work,
        what="rows",
        dataset=chosen.dataset,
        split=chosen.split,
        span=span,
        start=start,
    )


def _measured(units: Sequence[PieceUnit], workers: Workers) -> dict[tuple[str, str], Numbers]:
    """Run the measuring units, and concatenate the numbers of each split."""
    workers.map(run_piece, units, stage="export", through=True)
    parts: dict[tuple[str, str], list[Numbers]] = {}
    for unit in units:
        parts.setdefault((unit.dataset, unit.split), []).append(_numbers(unit))
    return {split: np.concatenate(sizes) for split, sizes in parts.items()}


def _numbers(unit: PieceUnit) -> Numbers:
    """Read what a unit measured: a size of each sample or row group, or rows in order."""
    path = unit.folder / NUMBERS
    numbers = read_numbers(path)
    if unit.what == "groups":
        is_whole = len(numbers) > 0 and numbers[0] == 0 and numbers[-1] < unit.span.rows
        is_whole = is_whole and bool((np.diff(numbers) > 0).all())
    elif unit.work.options.shape == "webdataset":
        is_whole = len(numbers) == unit.span.rows
    else:
        is_whole = 0 < len(numbers) <= GROUPS_A_UNIT
    if not is_whole:
        raise damaged(path)
    return numbers


def _name(plan: SplitPlan) -> tuple[str, str]:
    return plan.chosen.dataset, plan.chosen.split
