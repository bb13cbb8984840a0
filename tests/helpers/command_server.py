"""Runs `instructify` command lines in forked children of one warm process, with faults on demand.

A child costs milliseconds instead of the second that imports take, so that a fault can be tried at
every single call. Reads one request a line (JSON) on stdin, answers one line on stdout. Arguments
are modules to import besides.
"""

import errno
import importlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

CALLS = ("replace", "fsync", "unlink", "mkdir")


class Faults:
    """Counts calls that change the disk, and does something else at the n-th: die or fail."""

    def __init__(self, kind: str, call: str, at: int) -> None:
        self.count = 0
        self._kind = kind
        self._call = call
        self._at = at

    def strike(self, call: str, path: str | None = None) -> None:
        """Hear of a call that is about to be made; errors of the kernel name the path, if any."""
        if self._call not in ("any", call):
            return
        self.count += 1
        if self.count != self._at:
            return
        if self._kind == "kill":
            os._exit(9)
        number = getattr(errno, self._kind)
        raise OSError(number, os.strerror(number), path)

    def wrap(self, call: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def struck(*args: Any, **given: Any) -> Any:
            self.strike(call, None if isinstance(args[0], int) else os.fspath(args[0]))
            return function(*args, **given)

        return struck


class _Struck:
    """A file whose writes are counted."""

    def __init__(self, handle: Any, faults: Faults) -> None:
        self._handle = handle
        self._faults = faults

    def write(self, data: Any) -> Any:
        self._faults.strike("write")
        return self._handle.write(data)

    def __enter__(self) -> "_Struck":
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


def install(faults: Faults) -> None:
    """Let every rename, sync, removal, new folder and write of this process be counted."""
    for name in CALLS:
        setattr(os, name, faults.wrap(name, getattr(os, name)))
    opened = Path.open

    def open_struck(self: Path, mode: str = "r", *args: Any, **given: Any) -> Any:
        handle = opened(self, mode, *args, **given)
        return _Struck(handle, faults) if mode.startswith(("w", "x")) else handle

    cast(Any, Path).open = open_struck


def _child(request: dict[str, Any], folder: Path) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(descriptor, number)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8")
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", write_through=True)
    sys.argv = ["instructify", *request["argv"]]
    import instructify.cli

    cast(Any, instructify.cli).exit_now = sys.exit  # what is counted has to be written down yet
    faults = None
    if request["fault"] is not None:
        faults = Faults(**request["fault"])
        install(faults)
    code: object = 0
    try:
        instructify.cli.main()
    except SystemExit as left:
        code = left.code
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    with io.open(folder / "calls", "w") as note:  # noqa: UP020 (Path.open is counted)
        note.write(str(0 if faults is None else faults.count))
    os._exit(code if isinstance(code, int) else 1)


def serve() -> None:
    """Answer requests until stdin ends."""
    import datasets  # noqa: F401
    import pyarrow.compute  # noqa: F401
    import typer._adapters  # noqa: F401

    import instructify.commands.convert
    import instructify.commands.export
    import instructify.commands.inspect
    import instructify.commands.score_build
    import instructify.commands.verify  # noqa: F401

    for name in sys.argv[1:]:
        importlib.import_module(name)
    folder = Path(tempfile.mkdtemp())
    for line in sys.stdin:
        request = json.loads(line)
        for name in ("stdout", "stderr", "calls"):
            (folder / name).unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            _child(request, folder)
        status = os.waitpid(child, 0)[1]
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "stdout": (folder / "stdout").read_text("utf-8"),
            "stderr": (folder / "stderr").read_text("utf-8"),
            "calls": int((folder / "calls").read_text()) if (folder / "calls").exists() else 0,
        }
        print(json.dumps(answer), flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    serve()
