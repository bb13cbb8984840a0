"""Iterate over items in order; loader processes compute them in advance and end with the run.

A loader process is a fork without state: it computes items from their numbers and sends them. It
can therefore be killed at any moment. The end of the loop, an exception or a signal kill it with
SIGKILL, and the kernel does so if the trainer itself is killed. Loader processes ignore Ctrl-C and
SIGTERM, which schedulers send to whole process groups, because the trainer still finishes its step.
(torch's DataLoader does not fit: it waits forever for workers that ignore SIGTERM, and if a worker
is killed, it raises from a signal handler, at any line of the trainer.)
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import torch

from instructify._util.errors import UserError
from instructify_train.data import parcel
from instructify_train.data.shared_parts import SharesParts, asking, serve_parts
from instructify_train.failures import foreseen

Item = TypeVar("Item")
ItemOut = TypeVar("ItemOut", covariant=True)
_AHEAD = 2  # items that a loader process makes in advance
_PR_SET_PDEATHSIG = 1


class Failed(NamedTuple):
    """The message of a UserError that was raised in a loader process."""

    message: str


class Crashed(NamedTuple):
    """The traceback of an unexpected exception in a loader process."""

    text: str


class LoaderError(RuntimeError):
    """An unexpected exception in a loader process; the message is its traceback."""


class Source(Protocol[ItemOut]):
    """Computes items from their numbers; equal numbers give equal items in every process."""

    def __getitem__(self, number: int, /) -> ItemOut: ...


class Loader(Generic[Item]):
    """An iterator over the items of some numbers; as a context manager it ends its processes."""

    def __init__(self, source: Source[Item | Failed], numbers: range, workers: int) -> None:
        self._source = source
        self._numbers = numbers
        self._at = 0
        self._workers: list[_Worker] = []
        self._helpers: list[_Worker] = []
        try:
            self._start_all(source, min(workers, len(numbers)))
        except OSError as error:
            self.close()
            raise UserError(
                f"a loader process can't be started ({error.strerror}); lower 'data.workers'"
            ) from error

    def _start_all(self, source: Source[Item | Failed], count: int) -> None:
        """Fork the process that makes shared parts, then the loader processes."""
        pairs: list[tuple[socket.socket, socket.socket]] = []
        if count > 1 and isinstance(source, SharesParts):
            pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(count)]
            asked = [there for _, there in pairs]
            self._helpers.append(
                _fork(lambda _: serve_parts(source.make_part, asked), [here for here, _ in pairs])
            )
            for channel in asked:
                channel.close()
        try:
            for rank in range(count):
                kept = pairs[rank][0] if pairs else None
                closed = [here for here, _ in pairs if here is not kept]
                closed += [worker.channel for worker in (*self._helpers, *self._workers)]
                work = _work(source, self._numbers[rank::count], kept)
                self._workers.append(_fork(work, closed))
        finally:
            for here, _ in pairs:
                here.close()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._at == len(self._numbers):
            self.close()
            raise StopIteration
        number = self._numbers[self._at]
        item: Any
        if self._workers:
            self._refuse_killed()
            item = _take(self._workers[self._at % len(self._workers)])
        else:
            item = self._source[number]
        self._at += 1
        if isinstance(item, Failed):
            raise UserError(item.message)
        if isinstance(item, Crashed):
            raise LoaderError(f"in a loader process:\n{item.text}")
        return item  # type: ignore[no-any-return]

    def __enter__(self) -> "Loader[Item]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_killed(self) -> None:
        """Raise as soon as a loader process was killed, even if items of it are still waiting."""
        for worker in (*self._workers, *self._helpers):
            code = worker.ended(wait=False)
            if code:
                raise UserError(_why_gone(code))

    def close(self) -> None:
        """Kill the loader processes; items made in advance are dropped."""
        workers, self._workers, self._helpers = [*self._workers, *self._helpers], [], []
        for worker in workers:
            if worker.code is None:
                os.kill(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.channel.close()
            worker.ended(wait=True)


def load(source: Source[Item | Failed], numbers: range, workers: int) -> Loader[Item]:
    """Iterate over items in order; loader processes, if there are any, make them in advance."""
    return Loader(source, numbers, workers)


class _Worker:
    """A loader process, the socket on which its items come, and its exit code once it has ended."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.code: int | None = None

    def ended(self, *, wait: bool) -> int | None:
        """Return the exit code of the process, None while it runs."""
        if self.code is None:
            try:
                pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            except ChildProcessError:  # another caller has already waited for it
                self.code = 0
            else:
                self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code


def _take(worker: _Worker) -> Any:
    """Receive the next item of a loader process and let it start another."""
    try:
        item = parcel.receive(worker.channel)
    except EOFError:
        raise UserError(_why_gone(worker.ended(wait=True) or 0)) from None
    with contextlib.suppress(OSError):  # it has sent all its items and ended
        worker.channel.send(b"+")
    return item


def _why_gone(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"a loader process {how}; where the system ran out of memory, lower 'data.workers'"


def _work(
    source: Source[Any], numbers: Sequence[int], parts: socket.socket | None
) -> Callable[[socket.socket], None]:
    """Return the function that a loader process runs on its channel."""

    def work(channel: socket.socket) -> None:
        if parts is not None and isinstance(source, SharesParts):
            source.take_parts_from(asking(parts))
        _serve(source, numbers, channel)

    return work


def _fork(work: Callable[[socket.socket], None], closed: Sequence[socket.socket]) -> _Worker:
    """Run a function in a forked process, which closes the channels of other processes."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        there.close()
        return _Worker(pid, here)
    try:  # after any exception, this process must not return into the caller's code
        _end_with(parent)
        torch.set_num_threads(1)  # the threads of the parent do not exist in a fork
        for channel in (here, *closed):
            channel.close()
        work(there)
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def _end_with(parent: int) -> None:
    """Ignore Ctrl-C and SIGTERM, which the trainer handles, and end when the trainer ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere the closed socket ends the process at its next item
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the trainer ended before the line above
        os._exit(0)


def _serve(source: Source[Any], numbers: Sequence[int], channel: socket.socket) -> None:
    """Compute and send items, at most two more than were taken."""
    ahead = 0
    for number in numbers:
        if ahead == _AHEAD:
            if not _was_taken(channel):
                return
            ahead -= 1
        item = _made(source, number)
        try:
            parcel.send(channel, item)
        except (BrokenPipeError, ConnectionResetError):
            return
        except OSError as error:  # no memory for the arrays, or a limit on the size of files
            item = Failed(
                f"the arrays of a step can't be given to the trainer ({error.strerror}); raise the "
                "limit on the size of files (`ulimit -f`) or on memory, or lower 'data.batch'"
            )
            parcel.send(channel, item)
        ahead += 1
        if isinstance(item, Failed | Crashed):
            return


def _was_taken(channel: socket.socket) -> bool:
    """Wait until the trainer takes an item; return False if the trainer has ended."""
    try:
        return bool(channel.recv(1))
    except ConnectionResetError:
        return False


def _made(source: Source[Any], number: int) -> Any:
    try:
        return source[number]
    except Exception as error:  # any exception is sent to the trainer and ends the run there
        said = foreseen(error)
        return Crashed(traceback.format_exc()) if said is None else Failed(said)
