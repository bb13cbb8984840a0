"""The end of a process past the interpreter's own, where that can spoil a good end."""

import os
import sys
from typing import NoReturn


def exit_now(code: int) -> NoReturn:
    """End the process with an exit code; whoever calls this has closed what has to be closed.

    At the interpreter's end a pool that a signal met half-way may write to its closed pipe
    (concurrent.futures of Python 3.11: a traceback behind our message), and threads of torch that
    serve a group of processes may abort (a false exit code, and the launcher calls it a failure).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
