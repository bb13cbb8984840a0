"""Run units on a Ray cluster as remote functions of Ray core, with files on a shared disk."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from instructify._util.errors import UserError, first_line
from instructify.build.workers import AHEAD, ExecutorWorkers, Result, Unit, Workers

_RETRIES = 3  # after the loss of a node or worker; an error of a unit is never retried
_WAIT_S = 5.0
_LOOK_S = 10.0  # interval between requests for the size of the cluster


class RayExecutor(Executor):
    """Runs each unit as a task with one CPU."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_run)
        self._size = 1
        self._size_until = 0.0

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        """Submit a task; its error is the one that was raised in the worker."""
        future: Future[Any] = Future()

        def finish(task: "Future[Any]") -> None:
            error = task.exception()
            if error is None:
                future.set_result(task.result())
            else:
                future.set_exception(self._cause(error))

        self._task.remote(function, *given, os.getcwd()).future().add_done_callback(finish)
        return future

    def _cause(self, error: BaseException) -> BaseException:
        if isinstance(error, self._ray.exceptions.RayTaskError):
            cause: BaseException = error.cause
            return cause
        if isinstance(error, self._ray.exceptions.RayError):
            return UserError(
                f"Ray lost it {_RETRIES + 1} times ({first_line(error)}); see to the nodes and run "
                "the same command again."
            )
        return error

    def window(self) -> int:
        """Return how many units may be submitted, since the number of nodes changes."""
        if time.monotonic() > self._size_until:
            self._size = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
            self._size_until = time.monotonic() + _LOOK_S
        return AHEAD * self._size


def _run(function: Callable[[Unit], Result], unit: Unit, folder: str) -> Result:
    """Run a unit in a worker, with relative paths as in the working folder of the command."""
    if os.getcwd() != folder and os.path.isdir(folder):
        os.chdir(folder)
    return function(unit)


def _check_address(address: str) -> None:
    """Refuse an address without a server; Ray would try for two minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or "://" in address or not port.isdigit():
        return  # a word for Ray, such as auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), _WAIT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(
        f"--engine ray:{address}: no cluster answers there ({first_line(error)}); start one with "
        "`ray start --head`, or leave the address out."
    )


@contextmanager
def open_ray(address: str, jobs: int) -> Iterator[Workers]:
    """Connect to a cluster, or start Ray with `jobs` CPUs on this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 is below all other programs
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray needs Ray; run pip install 'instructify[ray]' on all machines."
        ) from error
    where: dict[str, Any] = {"address": address}
    if address:
        _check_address(address)
    else:
        where = {"address": "local", "num_cpus": jobs, "include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from error
    try:
        executor = RayExecutor(ray)
        yield ExecutorWorkers(executor, executor.window)
    finally:
        ray.shutdown()
