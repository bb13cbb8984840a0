"""Run a part: a share of the units of a stage, for job arrays and other schedulers.

Parts communicate only by files. Each part notes the receipts of its units. A later stage reads the
notes of the earlier ones, and ends with a list of missing units if any is not done yet.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.shards import make_folder, private_name
from instructify._util.wording import counted
from instructify.build.checked import check_writable
from instructify.build.commit import read_pending
from instructify.build.engine_options import Part, Stage
from instructify.build.lock import holder_of, write_lock
from instructify.build.lock_owner import Owner
from instructify.build.part_notes import PartNotes
from instructify.build.paths import BuildPaths
from instructify.build.workers import Result, Unit, Workers, name_of

_MOST_NAMES = 5
_FEW = 16  # units of other parts that a part runs before it reads their notes again


class PartDone(Exception):
    """A part has finished its share; the message says what it did."""


class PartWorkers:
    """Runs the units of a part with another engine; receipts of earlier stages come from notes."""

    def __init__(self, part: Part, notes: PartNotes, inner: Workers) -> None:
        self._part = part
        self._notes = notes
        self._inner = inner
        self._num_done = 0
        self._num_units = 0

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Stage | None = None,
        through: bool = False,
    ) -> list[Result]:
        """See `Workers`; raises PartDone at the end of the stage of the part."""
        if stage is None:
            return self._inner.map(function, units, done)
        if stage not in self._part.stages:
            return self._together(function, units, done)
        stages = self._part.stages
        order = stages.index(stage) - stages.index(self._part.stage)
        if order < 0:
            return self._receipts(function, units, stage)
        if order == 0 and through:
            return self._together(function, units, done)
        if order == 0:
            self._run(function, [u for at, u in enumerate(units) if self._part.has(at)], done)
            self._num_units += len(units)
        raise PartDone(self._sum_up())

    def _receipts(
        self, function: Callable[[Unit], Result], units: Sequence[Unit], stage: Stage
    ) -> list[Result]:
        receipts = [self._notes.find(function, unit) for unit in units]
        lacking = [name_of(units[at], at) for at, receipt in enumerate(receipts) if receipt is None]
        if lacking:
            more = len(lacking) - _MOST_NAMES
            names = ", ".join(lacking[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
            raise UserError(
                f"{self._part.name}: of the stage {stage} {counted(len(lacking), 'unit')} of "
                f"{len(units):,} lack a receipt ({names}); run all parts of that stage first, or "
                "those that failed again."
            )
        return [receipt for receipt in receipts if receipt is not None]

    def _together(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None,
    ) -> list[Result]:
        """Run the share of this part, then unfinished units of other parts, a few at a time."""
        self._num_units += len(units)
        self._run(function, [u for at, u in enumerate(units) if self._part.has(at)], done)
        shift = self._part.number * len(units) // self._part.total
        rest = [*units[shift:], *units[:shift]]  # each part begins at another place
        for start in range(0, len(rest), _FEW):
            self._notes.refresh()
            self._run(function, rest[start : start + _FEW], done)
        return self._receipts(function, units, self._part.stage)

    def _run(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None,
    ) -> None:
        """Run the units that no part has noted."""
        todo = [unit for unit in units if self._notes.find(function, unit) is None]

        def note(unit: Unit, result: Result) -> None:
            self._notes.add(function, unit, result)
            self._num_done += 1
            if done is not None:
                done(unit, result)

        self._inner.map(function, todo, note, stage=self._part.stage)

    def _sum_up(self) -> str:
        return (
            f"{self._part.name}: {counted(self._num_done, 'unit')} done, "
            f"of {self._num_units:,} in all"
        )


@contextmanager
def open_part(part: Part, paths: BuildPaths, inner: Workers) -> Iterator[PartWorkers]:
    """Open a part, which does not take the lock but is visible to a process that commits."""
    check_writable(paths)
    make_folder(paths.parts)
    if read_pending(paths) is not None:
        raise UserError(
            f"{paths.root} has a commit that was not carried out to its end; run the same command "
            "without --part, which does that."
        )
    before = _manifest(paths)
    try:
        with open_noted(part, paths.root, paths.parts, inner) as workers:
            yield workers
    except UserError as error:
        if _manifest(paths) == before:
            raise
        raise UserError(
            f"{part.name}: {paths.root} was committed while this part worked, so there is "
            "nothing left for it to do."
        ) from error


@contextmanager
def open_noted(part: Part, root: Path, folder: Path, inner: Workers) -> Iterator[PartWorkers]:
    """Work as a part whose notes are in `folder`, with paths from `root`."""
    make_folder(folder)
    name = private_name(f"part-{part.number}").removesuffix(".tmp").lstrip(".")
    hold = folder / f"{name}.lock"
    with write_lock(hold), PartNotes(root, folder, name) as notes:
        try:
            yield PartWorkers(part, notes, inner)
        finally:
            hold.unlink(missing_ok=True)


def part_at_work(folder: Path) -> Owner | None:
    """Return the owner of a part that still runs and has its notes in `folder`."""
    owners = (holder_of(lock) for lock in folder.glob("*.lock"))
    return next((owner for owner in owners if owner is not None), None)


def clear_noted(folder: Path, notes: Path, work: str) -> None:
    """Remove what parts have left, unless one that came late still works there."""
    owner = part_at_work(notes)
    if owner is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    print(
        f"{folder} stays: process {owner.pid} on {owner.host} works there as a part of this "
        f"{work}; delete it when that has ended.",
        file=sys.stderr,
    )


def _manifest(paths: BuildPaths) -> bytes:
    try:
        return paths.manifest.read_bytes()
    except FileNotFoundError:
        return b""
