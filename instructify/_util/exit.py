"""End a process without the interpreter's shutdown, which can fail after a successful run."""

import os
import sys
from typing import NoReturn


def exit_now(code: int) -> NoReturn:
    """End the process with an exit code; the caller has closed everything that has to be closed.

    At the interpreter's shutdown, a pool that was interrupted by a signal may write to its closed
    pipe (concurrent.futures of Python 3.11: a traceback after our message), and torch's threads for
    process groups may abort (a wrong exit code, which the launcher reports as a failure).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
