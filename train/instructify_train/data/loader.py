"""Items in order, made ahead by loader processes that never outlive the run.

A loader process is a fork that owns nothing: it computes items from their numbers and sends them.
So it can be killed at any moment, and it always is: the end of the loop, an exception in it or a
signal kill its loaders with SIGKILL, and the kernel does so when the trainer itself is killed. They
ignore Ctrl-C and SIGTERM, which schedulers send to whole groups, since the trainer still finishes
its step. (torch's DataLoader joins its workers without an end where they ignore SIGTERM, and raises
from a signal handler, at any line, where one of them is killed.)
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
_AHEAD = 2  # items that a loader process makes before one is taken
_PR_SET_PDEATHSIG = 1


class Failed(NamedTuple):
    """A mistake of the user's that a loader process met, in a sentence."""

    message: str


class Crashed(NamedTuple):
    """An exception in a loader process that nobody foresaw, as its traceback."""

    text: str


class LoaderError(RuntimeError):
    """An exception that nobody foresaw in a loader process; its traceback is the message."""


class Source(Protocol[ItemOut]):
    """Items by their numbers; equal numbers give equal items, in whichever process."""

    def __getitem__(self, number: int, /) -> ItemOut: ...


class Loader(Generic[Item]):
    """An iterator over the items of some numbers; leaving it as a context ends its processes."""

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
        """Fork the loader processes, and before them one that makes what they share."""
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
        """Notice a killed process before what it had made is used up."""
        for worker in (*self._workers, *self._helpers):
            code = worker.ended(wait=False)
            if code:
                raise UserError(_why_gone(code))

    def close(self) -> None:
        """Kill the loader processes; what they made ahead is dropped."""
        workers, self._workers, self._helpers = [*self._workers, *self._helpers], [], []
        for worker in workers:
            if worker.code is None:
                os.kill(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.channel.close()
            worker.ended(wait=True)


def load(source: Source[Item | Failed], numbers: range, workers: int) -> Loader[Item]:
    """Go through items in order, made ahead by loader processes where there are any."""
    return Loader(source, numbers, workers)


class _Worker:
    """A loader process, the socket on which its items come, and its exit code once it has ended."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.code: int | None = None

    def ended(self, *, wait: bool) -> int | None:
        """Give the exit code of the process, None while it runs."""
        if self.code is None:
            try:
                pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            except ChildProcessError:  # somebody else asked first
                self.code = 0
            else:
                self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code


def _take(worker: _Worker) -> Any:
    """Receive the next item of a loader process, and let it make another one."""
    try:
        item = parcel.receive(worker.channel)
    except EOFError:
        raise UserError(_why_gone(worker.ended(wait=True) or 0)) from None
    with contextlib.suppress(OSError):  # it is through with its items, and gone
        worker.channel.send(b"+")
    return item


def _why_gone(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"a loader process {how}; where the system ran out of memory, lower 'data.workers'"


def _work(
    source: Source[Any], numbers: Sequence[int], parts: socket.socket | None
) -> Callable[[socket.socket], None]:
    """Give what a loader process does with its channel."""

    def work(channel: socket.socket) -> None:
        if parts is not None and isinstance(source, SharesParts):
            source.take_parts_from(asking(parts))
        _serve(source, numbers, channel)

    return work


def _fork(work: Callable[[socket.socket], None], closed: Sequence[socket.socket]) -> _Worker:
    """Do work in a process of its own, which closes what belongs to others."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        there.close()
        return _Worker(pid, here)
    try:  # whatever happens, this process never returns into the caller's code
        _end_with(parent)
        torch.set_num_threads(1)  # threads of a parent do not exist in its fork
        for channel in (here, *closed):
            channel.close()
        work(there)
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def _end_with(parent: int) -> None:
    """Leave Ctrl-C and SIGTERM to the trainer, and be killed when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere the closed socket ends the process, at its next item
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)


def _serve(source: Source[Any], numbers: Sequence[int], channel: socket.socket) -> None:
    """Make and send items, at most two ahead of what was taken."""
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
        except OSError as error:  # no memory for its arrays, or a limit on the size of files
            item = Failed(
                f"the arrays of a step can't be given to the trainer ({error.strerror}); raise the "
                "limit on the size of files (`ulimit -f`) or on memory, or lower 'data.batch'"
            )
            parcel.send(channel, item)
        ahead += 1
        if isinstance(item, Failed | Crashed):
            return


def _was_taken(channel: socket.socket) -> bool:
    """Wait until the trainer takes an item; False where it is gone, whatever it left unread."""
    try:
        return bool(channel.recv(1))
    except ConnectionResetError:
        return False


def _made(source: Source[Any], number: int) -> Any:
    try:
        return source[number]
    except Exception as error:  # whatever it is: it goes to the trainer, and ends the run there
        said = foreseen(error)
        return Crashed(traceback.format_exc()) if said is None else Failed(said)
