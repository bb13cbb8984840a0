"""Check a new dataset in a copy of the sources, once for each of some mistakes.

Run: python mistakes.py SOURCES NAME ..., with the mistakes on stdin as JSON: to each name a list of
[file, text, replacement]. The answer is JSON: to each name the exit code and the output. Each check
is forked from one process that has imported the libraries, as importing them takes the longest.
"""

import json
import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import jinja2  # noqa: F401
import msgspec  # noqa: F401
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import pyarrow.compute
import pyarrow.dataset  # noqa: F401
import typer.testing  # noqa: F401
import yaml  # noqa: F401


def checked(sources: Path, line: Sequence[str]) -> tuple[int, str]:
    """Run the check in a process of its own; return its exit code and output."""
    with tempfile.TemporaryFile() as output:
        process = os.fork()
        if process == 0:
            code = 70
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            script = sources / "tests/contributing/check_dataset.py"
            sys.path[:0] = [str(script.parent), str(sources)]
            sys.argv = [str(script), *line]
            try:
                runpy.run_path(str(script), run_name="__main__")
            except SystemExit as end:
                code = int(end.code or 0)
            except Exception:
                traceback.print_exc()
                raise
            finally:
                with suppress(OSError):
                    sys.stdout.flush()
                os._exit(code)
        status = os.waitpid(process, 0)[1]
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def main() -> None:
    """Make each mistake, check, and take it back."""
    sources, line = Path(sys.argv[1]), sys.argv[2:]
    sys.dont_write_bytecode = True
    results = {}
    for name, edits in json.load(sys.stdin).items():
        kept = {file: (sources / file).read_text("utf-8") for file, _, _ in edits}
        for file, text, replacement in edits:
            before = (sources / file).read_text("utf-8")
            assert text in before, (name, text)
            (sources / file).write_text(before.replace(text, replacement), "utf-8")
        results[name] = checked(sources, line)
        for file, before in kept.items():
            (sources / file).write_text(before, "utf-8")
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
