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
from typing import Any, Protocol, TypeVar

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


class ExecutorWorkers:
    """Runs units in an executor, with a window of them submitted at once."""

    def __init__(self, executor: Executor, window: Callable[[], int]) -> None:
        self._executor = executor
        self._window = window

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
        results: dict[int, Result] = {}
        pending: dict[Future[Result], int] = {}

        def collect(most: int) -> None:
            while len(pending) > most:
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    place = pending[future]
                    try:
                        results[place] = _result(future, units[place], place)
                    except BrokenProcessPool as error:
                        at_work = sorted(pending.values())[: self._window() // AHEAD]
                        raise _killed([name_of(units[at], at) for at in at_work]) from error
                    del pending[future]
                    if done is not None:
                        done(units[place], results[place])

        for place, unit in enumerate(units):
            collect(self._window() - 1)
            pending[self._executor.submit(function, unit)] = place
        collect(0)
        return [results[place] for place in range(len(units))]


def _result(future: "Future[Result]", unit: object, place: int) -> Result:
    """Return the result of a unit, or raise its error with the name of the unit."""
    name = name_of(unit, place)
    try:
        return future.result()
    except BrokenProcessPool:
        raise
    except UserError as error:
        if type(error) is not UserError or name in str(error) or not hasattr(unit, "name"):
            raise
        raise UserError(f"{name}: {error}") from error
    except Exception as error:
        error.add_note(f"while working on {name}")
        raise


def _killed(names: Sequence[str]) -> UserError:
    return UserError(
        "a worker process was killed from outside, perhaps for want of memory, at "
        f"{', '.join(names)}; run the same command again, with fewer --jobs if it comes back."
    )


class LocalWorkers:
    """Runs units in this process or in a pool of processes."""

    def __init__(self, pool: ProcessPoolExecutor | None, jobs: int = 1) -> None:
        self._here = ExecutorWorkers(_Here(), lambda: 1)
        self._pool = None if pool is None else ExecutorWorkers(pool, lambda: AHEAD * jobs)

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
        *,
        stage: Stage | None = None,
        through: bool = False,
    ) -> list[Result]:
        """See `Workers`; two threads run the units of some stages where there is no pool."""
        if self._pool is not None and len(units) > 1:
            return self._pool.map(function, units, done)
        if stage not in _THREADED or len(units) < 2:
            return self._here.map(function, units, done)
        threads = ThreadPoolExecutor(_NUM_THREADS)
        try:
            return ExecutorWorkers(threads, lambda: AHEAD * _NUM_THREADS).map(function, units, done)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)  # no unit starts after an error


class _Here(Executor):
    """Runs each unit as it is submitted."""

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(function(*given, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """A pool that ignores Ctrl-C, which all processes of a terminal get: its parent handles it."""

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(function, *given, **named)  # may start a process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)


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
    pool = _Processes(options.jobs, mp_context=context, initializer=_follow_parent)
    try:
        pool.submit(os.getpid)
        yield LocalWorkers(pool, options.jobs)
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(wait=True)


def _follow_parent() -> None:
    """End a worker when its parent ends, also if the parent is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork inherits its parent's handler
    Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
