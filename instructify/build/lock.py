"""Allow one writer at a time in a folder; a second writer gets an error that names the first.

The lock is an flock of the kernel, so a killed writer leaves no lock, and processes forked by a
writer release it. Some network file systems ignore flock. Therefore the file also has a record of
the owner: on such file systems, a record of another host counts as a lock.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.shards import unwritable
from instructify.build.lock_owner import Owner, mount_of

_DYING_S = 5.0  # the kernel may take that long to end a killed process with a lot of memory

# No link is followed, since the file is truncated.
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def write_lock(path: Path, *, take_over: bool | None = None) -> Iterator[None]:
    """Hold the lock of a folder; raises UserError naming the owner if another writer has it.

    If the folder holds nothing but the lock at the end, the lock and the folders made for it are
    removed.

    `take_over`: ignore the record of another host; None if the command has no such option.
    """
    made = _missing(path.parent)
    held = _opened(path)
    try:
        _take(held.number, path, take_over)
        while not _is_at(held.number, path):  # its last owner removed it in the meantime
            held.close()
            held = _opened(path)
            _take(held.number, path, take_over)
        try:
            _sign(held.number, path)
            yield
        finally:
            if held.number >= 0:  # not in a fork
                os.ftruncate(held.number, 0)  # a process that ends normally leaves no record
                _leave_nothing(path, made)
    finally:
        held.close()


def _missing(folder: Path) -> list[Path]:
    """List the missing folders of a path, the path itself first."""
    return [parent for parent in (folder, *folder.parents) if not os.path.lexists(parent)]


def _leave_nothing(path: Path, made: Sequence[Path]) -> None:
    """Remove the lock of a folder without other files, and the folders made for it."""
    with suppress(OSError):  # another process has put something there, or moved it
        if os.listdir(path.parent) == [path.name]:
            path.unlink()
            for folder in made:
                folder.rmdir()


def _opened(path: Path) -> "_Descriptor":
    """Open the lock file, and create it if it does not exist."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = _Descriptor(os.open(path, _OPEN_FLAGS, 0o666))
    except OSError as error:
        why = "its .lock is a link" if error.errno == errno.ELOOP else error.strerror
        raise UserError(f"{path.parent} can't be written: {why}; choose another --out.") from error
    if not stat.S_ISREG(os.fstat(held.number).st_mode):
        held.close()
        raise UserError(f"{path} is no regular file; delete it.")
    return held


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def holder_of(path: Path) -> Owner | None:
    """Return who holds a lock, or may hold it as far as this machine can tell; None if nobody."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS & ~os.O_CREAT)
    except OSError:
        return None
    try:
        owner = _owner(descriptor)
        if not _locked(descriptor, path):
            return owner
        unseen = owner.is_elsewhere and not mount_of(path).locks_span_hosts
        return owner if unseen else None
    finally:
        os.close(descriptor)


class _Descriptor:
    """An open lock file, which forks of this process close so that they do not hold the lock."""

    def __init__(self, number: int) -> None:
        self.number = number
        os.register_at_fork(after_in_child=self.close)

    def close(self) -> None:
        if self.number >= 0:
            os.close(self.number)
            self.number = -1


def _sign(descriptor: int, path: Path) -> None:
    """Write the record of the owner."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, Owner.me().record(), 0)
    except OSError as error:
        raise unwritable(path, error) from error


def _take(descriptor: int, path: Path, take_over: bool | None) -> None:
    if not _locked(descriptor, path):
        owner = _owner(descriptor)
        raise UserError(
            f"{path.parent} is being written by process {owner.pid} on {owner.host}; wait until it "
            "ends."
        )
    owner = _owner(descriptor)
    if not owner.is_elsewhere or take_over or owner.was_started_again(Owner.me()):
        return
    if mount_of(path).locks_span_hosts:
        return
    how = f"delete {path} and start again" if take_over is None else "add --take-over"
    raise UserError(
        f"{path.parent} was last written by process {owner.pid} on {owner.host}, which did not "
        f"finish, and the file system does not say whether it still runs; if it does not, {how}."
    )


def _locked(descriptor: int, path: Path) -> bool:
    """Take the lock, after a killed owner has ended; returns False if another process has it."""
    end = time.monotonic() + _DYING_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise UserError(
                    f"{path} can't be locked: {error.strerror}; choose a folder on another file "
                    "system."
                ) from error
        if time.monotonic() > end or not _owner(descriptor).is_gone:
            return False
        time.sleep(0.1)


def _owner(descriptor: int) -> Owner:
    return Owner.of(os.pread(descriptor, 4096, 0))
