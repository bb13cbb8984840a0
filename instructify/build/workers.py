"""Runs units of work: here, in several processes, on a Ray cluster, or one part of many.

A unit is a frozen value of paths and settings, its result a receipt; no engine ever sees a row. An
engine may run units in any order, on any machine and twice at once: the results are the same.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread
from typing import Protocol, TypeVar

from instructify._util.errors import UserError
from instructify.build.engine_options import EngineOptions, Stage

Unit = TypeVar("Unit")
Result = TypeVar("Result")
# Stages whose units leave the interpreter free most of the time: Arrow, hashes and the disk.
_THREADED: tuple[Stage | None, ...] = ("samples",)
_NUM_THREADS = 2  # each has the shard of a unit in memory
AHEAD = 4  # units that wait for each process: enough to keep it busy, few to hold


class Workers(Protocol):
    """What runs units of work."""

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Stage | None = None,
        through: bool = False,
    ) -> list[Result]:
        """Return the results in the order of the units; `done` is called as each is finished.

        Args:
            function: a function of a module, whose return type is annotated.
            units: frozen values that pickle.
            stage: the stage of a conversion that these are the units of, for `--part`; units
                without one are run wherever they are needed.
            through: more units of the stage follow that need these results, so all parts help each
                other to be done with these.
        """


def name_of(unit: object, place: int) -> str:
    """Name a unit in messages."""
    name = getattr(unit, "name", None)
    return name if isinstance(name, str) else f"{type(unit).__name__} {place}"


def failed(unit: object, place: int, error: Exception) -> Exception:
    """Give an error of a unit the name of the unit, unless it says it already."""
    name = name_of(unit, place)
    if not isinstance(error, UserError):
        error.add_note(f"while working on {name}")
        return error
    if type(error) is not UserError or name in str(error) or not hasattr(unit, "name"):
        return error
    return UserError(f"{name}: {error}")


class LocalWorkers:
    """Runs units in this process, or in those of a pool."""

    def __init__(self, pool: ProcessPoolExecutor | None, jobs: int = 1) -> None:
        self._pool = pool
        self._window = AHEAD * jobs

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Stage | None = None,
        through: bool = False,
    ) -> list[Result]:
        """See `Workers`."""
        if len(units) < 2:
            return list(_inline(function, units, done))
        if self._pool is not None:
            return _pooled(self._pool, self._window, function, units, done)
        if stage in _THREADED:
            return _threaded(function, units, done)
        return list(_inline(function, units, done))


def _pooled(
    pool: Executor,
    window: int,
    function: Callable[[Unit], Result],
    units: Sequence[Unit],
    done: Callable[[Unit, Result], None] | None,
) -> list[Result]:
    results: dict[int, Result] = {}
    pending: dict[Future[Result], int] = {}
    try:
        for place, unit in enumerate(units):
            with _interrupts_held():
                pending[pool.submit(function, unit)] = place
            if len(pending) >= window:
                _collect(pending, units, results, done)
        while pending:
            _collect(pending, units, results, done)
    except BrokenProcessPool as error:
        at_work = sorted(name_of(units[place], place) for place in pending.values())
        raise UserError(
            "a worker process was killed from outside, perhaps for want of memory, at "
            f"{', '.join(at_work[: window // AHEAD])}; run the same command again, with "
            "fewer --jobs if it comes back."
        ) from error
    return [results[place] for place in range(len(units))]


def _threaded(
    function: Callable[[Unit], Result],
    units: Sequence[Unit],
    done: Callable[[Unit, Result], None] | None,
) -> list[Result]:
    """Run units in two threads; after an error no further unit begins."""
    pool = ThreadPoolExecutor(_NUM_THREADS)
    try:
        return _pooled(pool, _NUM_THREADS * AHEAD, function, units, done)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _inline(
    function: Callable[[Unit], Result],
    units: Sequence[Unit],
    done: Callable[[Unit, Result], None] | None,
) -> Iterator[Result]:
    for place, unit in enumerate(units):
        try:
            result = function(unit)
        except Exception as error:
            raise failed(unit, place, error) from error
        if done is not None:
            done(unit, result)
        yield result


def _collect(
    pending: dict["Future[Result]", int],
    units: Sequence[Unit],
    results: dict[int, Result],
    done: Callable[[Unit, Result], None] | None,
) -> None:
    """Wait for some units and take their results."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        place = pending[future]
        try:
            results[place] = future.result()
        except BrokenProcessPool:
            raise
        except Exception as error:
            raise failed(units[place], place, error) from error
        del pending[future]
        if done is not None:
            done(units[place], results[place])


@contextmanager
def open_workers(options: EngineOptions) -> Iterator[Workers]:
    """Open the engine; on an error or a signal its processes end at once."""
    if options.ray is not None:
        from instructify.build.ray_workers import open_ray  # an extra, and slow to import

        with open_ray(options.ray, options.jobs) as workers:
            yield workers
        return
    if options.jobs == 1:
        yield LocalWorkers(None)
        return
    # A forked worker has everything imported already; open workers before any thread is started.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(options.jobs, mp_context=context, initializer=_follow_parent)
    try:
        with _interrupts_held():
            pool.submit(os.getpid)
        yield LocalWorkers(pool, options.jobs)
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start workers deaf to Ctrl-C, which reaches all of a terminal: the parent ends and speaks."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _follow_parent() -> None:
    """Let a worker die with its parent, also when that is killed and can't say so."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork has its parent's handler, which speaks
    Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
