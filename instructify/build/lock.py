"""One writer at a time in a build, and the other one is told who it is.

The lock is the kernel's (flock), so a killed writer leaves none behind. Some network file systems
ignore flock, hence the owner's record in the file: a record of another host counts as held.
"""

import errno
import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.shards import unwritable

# No link is followed: what the lock is written to is emptied afterwards.
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a build; UserError naming the owner where another writer has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _OPEN_FLAGS, 0o644)
    except OSError as error:
        why = "its .lock is a link" if error.errno == errno.ELOOP else error.strerror
        raise UserError(f"{path.parent} can't be written: {why}; choose another --out.") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(f"{path} is no regular file; delete it.")
        _take(descriptor, path)
        try:
            _sign(descriptor, path)
            yield
        finally:
            os.ftruncate(descriptor, 0)  # whoever leaves alive leaves no record
    finally:
        os.close(descriptor)


def _sign(descriptor: int, path: Path) -> None:
    """Say who has the lock."""
    me = {"pid": os.getpid(), "host": socket.gethostname()}
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(me).encode(), 0)
    except OSError as error:
        raise unwritable(path, error) from error


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise UserError(
                f"{path} can't be locked: {error.strerror}; choose a folder on another file system."
            ) from error
        pid, host = _owner(descriptor)
        raise UserError(
            f"{path.parent} is being written by process {pid} on {host}; wait until it ends."
        ) from error
    pid, host = _owner(descriptor)
    if host not in ("", socket.gethostname()):
        raise UserError(
            f"{path.parent} was last written by process {pid} on {host}, which did not finish; "
            f"if it no longer runs there, delete {path} and start again."
        )


def _owner(descriptor: int) -> tuple[int, str]:
    try:
        record = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
        return int(record.get("pid", 0)), str(record.get("host", ""))
    except (ValueError, AttributeError, TypeError):
        return 0, ""
