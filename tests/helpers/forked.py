"""Command lines in processes of their own that are forks of a process which imported torch already.

The import of torch and transformers takes longer than most of what the tests of runs do. A fork is
a process like any other: it has a group of its own, is killed, signalled and waited for.
"""

import io
import multiprocessing
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

_LONGEST_S = 400.0
_PRELOADED = ["transformers", "datasets", "instructify_train.run.launcher", "instructify.cli"]


class Forked:
    """A process that calls a function, with the attributes of `subprocess.Popen` that tests use."""

    def __init__(
        self, function: Callable[..., object], *arguments: object, **environment: str
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._folder = tempfile.TemporaryDirectory()
        self._process = context.Process(
            target=_call, args=(function, arguments, environment, self._folder.name)
        )
        self._process.start()
        pid = self._process.pid
        assert pid is not None
        self.pid: int = pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and return what was written to stdout and stderr."""
        assert self.wait(timeout) is not None, "the process is still running"
        folder = Path(self._folder.name)
        return (folder / "stdout").read_text("utf-8"), (folder / "stderr").read_text("utf-8")

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.returncode is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()


def start_fork(*argv: object, **environment: str) -> Forked:
    """Start `instructify argv` in a process and process group of its own."""
    return Forked(run_command, *map(str, argv), **environment)


def run_command(*argv: str) -> None:
    """Run a command line in this process."""
    import instructify.cli

    sys.argv = ["instructify", *argv]
    instructify.cli.main()


def run_script(path: str, *argv: str) -> None:
    """Run a script in this process as `python path argv` does."""
    sys.argv = [path, *argv]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


def fork_script(path: Path, *argv: object) -> Forked:
    """Run a script to its end in a process of its own."""
    script = Forked(run_script, str(path), *map(str, argv))
    script.wait()
    return script


def fork_ranks(count: int, path: Path, *argv: object) -> list[Forked]:
    """Run a script to its end in processes that meet as those of torchrun do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        Forked(
            run_script, str(path), *map(str, argv), **shared, RANK=str(rank), LOCAL_RANK=str(rank)
        )
        for rank in range(count)
    ]
    end = time.monotonic() + _LONGEST_S
    for rank in ranks:
        with rank:  # what still runs then is killed
            rank.wait(max(0.0, end - time.monotonic()))
    return ranks


def _call(
    function: Callable[..., object],
    arguments: tuple[object, ...],
    environment: Mapping[str, str],
    folder: str,
) -> None:
    os.setsid()
    os.environ |= environment
    multiprocessing.set_start_method("fork", force=True)  # as in a process that was not forked
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(Path(folder) / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8")
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", write_through=True)
    function(*arguments)
    sys.stdout.flush()
