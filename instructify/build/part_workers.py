"""One part of many: a share of the units of one stage, for job arrays and whatever else starts us.

Parts know of each other by files only. Each notes the receipts of its units; a later stage reads
the notes of the earlier ones, and ends with a list of what lacks where a unit is not done yet.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from instructify._util.errors import UserError
from instructify._util.shards import make_folder, private_name
from instructify._util.wording import counted
from instructify.build.checked import check_writable
from instructify.build.commit import read_pending
from instructify.build.engine_options import STAGES, Part, Stage
from instructify.build.lock import write_lock
from instructify.build.part_notes import PartNotes
from instructify.build.paths import BuildPaths
from instructify.build.workers import Result, Unit, Workers, name_of

_MOST_NAMES = 5
_FEW = 16  # units of others that a part takes before it looks again what they have done


class PartDone(Exception):
    """A part has done its share; the text says what it did."""


class PartWorkers:
    """Runs the units of one part by another engine; receipts of earlier stages come from notes."""

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
        """See `Workers`; raises PartDone at the end of the part's own stage."""
        if stage is None:
            return self._inner.map(function, units, done)
        if stage not in self._part.stages:
            return self._together(function, units, done)
        order = STAGES.index(stage) - STAGES.index(self._part.stage)
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
        """Run this part's share, then what the others have not done yet, a few units at a time."""
        self._num_units += len(units)
        self._run(function, [u for at, u in enumerate(units) if self._part.has(at)], done)
        shift = self._part.number * len(units) // self._part.total
        rest = [*units[shift:], *units[:shift]]  # each part begins elsewhere
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
        """Run those units that nobody has noted."""
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
    """Work as a part: without the writer's lock, but known to whoever commits."""
    check_writable(paths)
    make_folder(paths.parts)
    if read_pending(paths) is not None:
        raise UserError(
            f"{paths.root} has a commit that was not carried out to its end; run the same command "
            "without --part, which does that."
        )
    name = private_name(f"part-{part.number}").removesuffix(".tmp").lstrip(".")
    hold = paths.parts / f"{name}.lock"
    before = _manifest(paths)
    with write_lock(hold), PartNotes(paths, name) as notes:
        try:
            yield PartWorkers(part, notes, inner)
        except UserError as error:
            if _manifest(paths) == before:
                raise
            raise UserError(
                f"{part.name}: {paths.root} was committed while this part worked, so there is "
                "nothing left for it to do."
            ) from error
        finally:
            hold.unlink(missing_ok=True)


def _manifest(paths: BuildPaths) -> bytes:
    try:
        return paths.manifest.read_bytes()
    except FileNotFoundError:
        return b""
