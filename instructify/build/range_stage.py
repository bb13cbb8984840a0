"""Read large raw files in several processes: units for ranges, and shards made of their rows.

Ranges are guessed, and each is read as if its beginning were right. The end of a range proves the
beginning of the next; if that fails, both are read as one. If anything else of a split is in doubt,
one reader reads it, so the result of ranges always equals that of one reader.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from pathlib import Path

from instructify.build.engine_options import EngineOptions
from instructify.build.paths import has_units, hash_notes
from instructify.build.progress import Progress
from instructify.build.range_shards import ShardUnit, run_shard, shard_pieces
from instructify.build.range_survey import SurveyUnit, run_survey
from instructify.build.ranges import RangeReceipt, RangeUnit, look_at_range, run_range
from instructify.build.raw import reader_of
from instructify.build.records import find_records
from instructify.build.records_unit import (
    Made,
    MadeRange,
    RecordsUnit,
    context_of,
    records_key,
    sides_of_unit,
    sources_of,
)
from instructify.build.source_hashes import Hashing
from instructify.build.workers import Workers
from instructify.readers import RANGE_BYTES, Cut, Planned, Ranges, plan_ranges

_ROUNDS = 4  # how often neighbours are joined before one reader reads the split


@dataclass(kw_only=True, slots=True)
class _Split:
    """The ranges of a split, and their results so far."""

    unit: RecordsUnit
    ranges: Ranges
    cuts: list[Cut]
    receipts: list[RangeReceipt | None]
    shared: Planned | None = None  # what all ranges need

    def firsts(self) -> list[dict[str, int]]:
        """Compute the positions of the first items of all ranges, by role."""
        passed: dict[str, int] = {}
        firsts: list[dict[str, int]] = []
        for cut, receipt in zip(self.cuts, self.receipts, strict=True):
            firsts.append({role: passed.get(role, 0) for role in cut})
            for role, number in ({} if receipt is None else receipt.items).items():
                passed[role] = passed.get(role, 0) + number
        return firsts


def with_ranges(
    units: Sequence[RecordsUnit],
    engine: EngineOptions,
    pool: Workers,
    progress: Progress,
    range_bytes: int = RANGE_BYTES,
) -> list[RecordsUnit]:
    """Read the large splits among the units range by range, if there is more than one process.

    Their units are returned with the results; other units, and those of splits in doubt, are
    returned unchanged.
    """
    if engine.jobs == 1 and engine.ray is None and engine.part is None:
        return list(units)
    planned = {at: _plan(unit, range_bytes) for at, unit in enumerate(units)}
    splits = {at: split for at, split in planned.items() if split is not None}
    if not splits:
        return list(units)
    stage = _Stage(pool, progress, durable=engine.ray is not None or engine.part is not None)
    files = [file for split in splits.values() for file in split.unit.raw_files]
    with Hashing(files, hash_notes(units[0].staging)):  # writes notes for the units of the splits
        made = stage.make(splits)
    return [replace(unit, made=made.get(at)) for at, unit in enumerate(units)]


def _plan(unit: RecordsUnit, range_bytes: int) -> _Split | None:
    """Plan the ranges of a split; None if one reader has to read all of it."""
    if unit.limit is not None or sides_of_unit(unit):
        return None
    context = context_of(unit)
    ranges = reader_of(unit.dataset).ranges_of(context)
    cuts = [] if ranges is None else plan_ranges(unit.files, ranges, range_bytes)
    if ranges is None or not cuts or (ranges.unfit and ranges.unfit(context)) or _is_done(unit):
        return None
    return _Split(unit=unit, ranges=ranges, cuts=cuts, receipts=[None] * len(cuts))


def _is_done(unit: RecordsUnit) -> bool:
    """Whether a killed run or another part has already finished the split."""
    if not has_units(unit.staging):
        return False
    with unit.hashing() as hashes:
        return find_records(unit, records_key(unit, sources_of(unit, hashes))) is not None


class _Stage:
    """Runs the units of ranges and of shards."""

    def __init__(self, pool: Workers, progress: Progress, *, durable: bool) -> None:
        self._pool = pool
        self._progress = progress
        self._durable = durable

    def make(self, splits: dict[int, _Split]) -> dict[int, Made]:
        """Read all splits range by range; splits in doubt are not in the result."""
        twice = {at: split for at, split in splits.items() if split.ranges.in_two_passes}
        once = {at: split for at, split in splits.items() if at not in twice}
        self._settle(twice, look_at_range)
        firsts = {at: split.firsts() for at, split in twice.items()}
        planned = self._planned(twice)
        for split in twice.values():
            split.receipts = [None] * len(split.cuts)
        self._read(twice, run_range, firsts, planned)
        self._share(once)
        self._settle(once, run_range)
        ranges = {at: _made(split, split.firsts()) for at, split in once.items()}
        for at, split in twice.items():
            if not any(receipt is None or receipt.doubt != "none" for receipt in split.receipts):
                ranges[at] = _made(split, None)
        return self._shards(splits, ranges)

    def _planned(self, splits: dict[int, _Split]) -> dict[int, list[Planned]]:
        """Run the surveys of splits, which have to see all ranges before any is read."""
        seen = {
            at: [
                (receipt.folder, receipt.rows)
                for receipt in split.receipts
                if receipt and receipt.folder
            ]
            for at, split in splits.items()
        }
        places = [at for at, folders in seen.items() if folders]
        units = [_survey(splits[at], seen[at]) for at in places]
        receipts = self._pool.map(run_survey, units, stage="records", through=True)
        return {
            at: [
                Planned(receipt.folder, start)
                for start in accumulate([0, *(rows for _, rows in seen[at][:-1])])
            ]
            for at, receipt in zip(places, receipts, strict=True)
            if receipt.folder is not None
        }

    def _share(self, splits: dict[int, _Split]) -> None:
        """Read what all ranges of a split need; drop splits for which that fails."""
        places = [at for at, split in splits.items() if split.ranges.survey is not None]
        units = [_survey(splits[at], []) for at in places]
        receipts = self._pool.map(run_survey, units, stage="records", through=True)
        for at, receipt in zip(places, receipts, strict=True):
            if receipt.folder is None:
                del splits[at]
            else:
                splits[at].shared = Planned(receipt.folder, 0)

    def _settle(
        self, splits: dict[int, _Split], function: Callable[[RangeUnit], RangeReceipt]
    ) -> None:
        """Read ranges, join those without a proved border, and drop splits in doubt."""
        for _ in range(_ROUNDS):
            self._read(splits, function, {}, {})
            for at in list(splits):
                if not _prove(splits[at]):
                    del splits[at]
            if all(None not in split.receipts for split in splits.values()):
                return
        for at in [at for at, split in splits.items() if None in split.receipts]:
            del splits[at]

    def _read(
        self,
        splits: dict[int, _Split],
        function: Callable[[RangeUnit], RangeReceipt],
        firsts: dict[int, list[dict[str, int]]],
        planned: dict[int, list[Planned]],
    ) -> None:
        """Run the units of all ranges without a receipt."""
        todo = [
            (at, place)
            for at, split in splits.items()
            for place, receipt in enumerate(split.receipts)
            if receipt is None
        ]
        units = [
            RangeUnit(
                records=splits[at].unit,
                ranges=splits[at].ranges,
                cut=splits[at].cuts[place],
                first=firsts[at][place] if at in firsts else {},
                durable=self._durable,
                planned=planned[at][place] if at in planned else splits[at].shared,
            )
            for at, place in todo
        ]
        with self._progress.stage("ranges", len(units), "range") as bar:
            receipts = self._pool.map(
                function, units, lambda *_: bar.advance(), stage="records", through=True
            )
        for (at, place), receipt in zip(todo, receipts, strict=True):
            splits[at].receipts[place] = receipt

    def _shards(
        self, splits: dict[int, _Split], ranges: dict[int, tuple[MadeRange, ...]]
    ) -> dict[int, Made]:
        """Write the shards of all splits."""
        units = [
            ShardUnit(
                records=splits[at].unit,
                cuts=tuple(splits[at].cuts),
                number=number,
                pieces=pieces,
            )
            for at, made in ranges.items()
            for number, pieces in enumerate(shard_pieces(made))
        ]
        with self._progress.stage("shards", len(units), "shard") as bar:
            receipts = iter(
                self._pool.map(
                    run_shard, units, lambda *_: bar.advance(), stage="records", through=True
                )
            )
        return {
            at: Made(
                made,
                tuple(
                    (receipt.path, receipt.facts)
                    for receipt in islice(receipts, len(shard_pieces(made)))
                ),
            )
            for at, made in ranges.items()
        }


def _survey(split: _Split, seen: Sequence[tuple[Path, int]]) -> SurveyUnit:
    return SurveyUnit(
        records=split.unit, ranges=split.ranges, cuts=tuple(split.cuts), seen=tuple(seen)
    )


def _made(split: _Split, firsts: list[dict[str, int]] | None) -> tuple[MadeRange, ...]:
    """Return the ranges that were read, with the position of the first item of each."""
    made: list[MadeRange] = []
    for place, receipt in enumerate(split.receipts):
        if receipt is None or receipt.folder is None:
            raise ValueError(f"range {place} of {split.unit.name} was not read")
        offset = 0 if firsts is None else max(firsts[place].values())
        made.append(
            MadeRange(receipt.folder, offset, receipt.rows, receipt.forms, receipt.coverage)
        )
    return tuple(made)


def _prove(split: _Split) -> bool:
    """Prove the borders of ranges, starting with the first, which begins with the file.

    A range that ends with an item proves the beginning of the next. Otherwise it is joined with
    the next and read again. Returns False if that does not help.
    """
    cuts: list[Cut] = []
    receipts: list[RangeReceipt | None] = []
    proved, joins = True, False
    for cut, receipt in zip(split.cuts, split.receipts, strict=True):
        if joins:
            before = cuts[-1]
            if before.keys() != cut.keys():
                return False
            cuts[-1] = {role: (before[role][0], cut[role][1]) for role in cut}
            receipts[-1] = None
            joins = False
            continue
        cuts.append(cut)
        receipts.append(receipt)
        if not proved or receipt is None or receipt.doubt == "none":
            continue
        if receipt.doubt == "inside":
            return False
        proved, joins = False, True
    split.cuts, split.receipts = cuts, receipts
    return not joins and len(cuts) > 1
