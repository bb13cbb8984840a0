"""Runs units of work in this process or in several, in any order, with the same results."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

from instructify._util.errors import UserError

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Workers:
    """`map` applies a function to units; one job: here, more: in so many processes."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    def map(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None = None,
    ) -> list[Result]:
        """Return the results in the order of the units; `done` hears of each as it is finished."""
        if self._pool is None or len(units) < 2:
            return list(self._inline(function, units, done))
        try:
            results = self._spread(self._pool, function, units, done)
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed from outside, perhaps for want of memory; "
                "run the same command again, with fewer --jobs if it comes back."
            ) from error
        return [results[place] for place in range(len(units))]

    def _spread(
        self,
        pool: ProcessPoolExecutor,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None,
    ) -> dict[int, Result]:
        with _interrupts_held():
            futures = {pool.submit(function, unit): place for place, unit in enumerate(units)}
        results: dict[int, Result] = {}
        for future in as_completed(futures):
            place = futures[future]
            results[place] = future.result()
            if done is not None:
                done(units[place], results[place])
        return results

    def _inline(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        done: Callable[[Unit, Result], None] | None,
    ) -> Iterator[Result]:
        for unit in units:
            result = function(unit)
            if done is not None:
                done(unit, result)
            yield result


@contextmanager
def open_workers(jobs: int) -> Iterator[Workers]:
    """Open a pool of `jobs` processes; on an error or a signal its processes end at once."""
    if jobs == 1:
        yield Workers(None)
        return
    # A forked worker has everything imported already; open workers before any thread is started.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_follow_parent)
    try:
        with _interrupts_held():
            pool.submit(os.getpid)
        yield Workers(pool)
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
