"""Run units of work: in this process, in several processes, on a Ray cluster, or as a part.

A unit is a frozen value of paths and settings, and its result is a receipt; engines never handle
rows. An engine may run units in any order, on any machine, and a unit twice at the same time: the
results are the same.
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
# Stages whose units mostly release the GIL: Arrow, hashing and writing.
_THREADED: tuple[Stage | None, ...] = ("samples",)
_NUM_THREADS = 2  # each holds the shard of a unit in memory
AHEAD = 4  # units that wait for each process: enough to keep it busy, and few in memory


class Workers(Protocol):
    """An engine that runs units of work."""

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
            stage: the stage of these units, for `--part`; units without a stage are run by every
                part that needs them.
            through: more units of the same stage need these results, so all parts work on these
                units until they are done.
        """


def name_of(unit: object, place: int) -> str:
    """Return the name of a unit for messages."""
    name = getattr(unit, "name", None)
    return name if isinstance(name, str) else f"{type(unit).__name__} {place}"


def failed(unit: object, place: int, error: Exception) -> Exception:
    """Add the name of a unit to its error, unless the error has it already."""
    name = name_of(unit, place)
    if not isinstance(error, UserError):
        error.add_note(f"while working on {name}")
        return error
    if type(error) is not UserError or name in str(error) or not hasattr(unit, "name"):
        return error
    return UserError(f"{name}: {error}")


class LocalWorkers:
    """Runs units in this process or in a pool of processes."""

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
    """Run units in two threads; after an error no further unit starts."""
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
    """Wait for some units and return their results."""
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
        from instructify.build.ray_workers import open_ray  # optional, and slow to import

        with open_ray(options.ray, options.jobs) as workers:
            yield workers
        return
    if options.jobs == 1:
        yield LocalWorkers(None)
        return
    # A forked worker has all imports; open workers before any thread is started.
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
    """Let workers ignore Ctrl-C, which all processes of a terminal get; the parent handles it."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _follow_parent() -> None:
    """End a worker when its parent ends, also if the parent is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork inherits its parent's handler
    Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
