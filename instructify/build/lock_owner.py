"""Who holds a lock, and whether a record that another host left can still be true.

A lock that the kernel gave to us is nobody else's, where the kernel speaks for all hosts: on the
disks of this machine, and on network file systems that pass locks on. Where it does not, the
record of another host stands, unless Slurm says that the job that wrote it was started again.
No rule looks at the age of a record: clocks differ, and runs are long.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

_LOCAL = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "bcachefs")
)
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A process that took a lock; `job` and `restarts` are Slurm's, where Slurm started it."""

    pid: int = 0
    host: str = ""
    job: str | None = None
    restarts: int = 0

    @classmethod
    def me(cls) -> "Owner":
        """Describe this process."""
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            job=os.environ.get("SLURM_JOB_ID"),
            restarts=_number(os.environ.get("SLURM_RESTART_COUNT")),
        )

    @classmethod
    def of(cls, text: bytes) -> "Owner":
        """Read a record; one that is damaged names nobody."""
        try:
            record = json.loads(text or b"{}")
            job = record.get("job")
            return cls(
                pid=int(record.get("pid", 0)),
                host=str(record.get("host", "")),
                job=None if job is None else str(job),
                restarts=_number(record.get("restarts")),
            )
        except (ValueError, AttributeError, TypeError):
            return cls()

    def record(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(asdict(self)).encode()

    @property
    def is_elsewhere(self) -> bool:
        """Tell a process of another host."""
        return self.host not in ("", socket.gethostname())

    @property
    def is_gone(self) -> bool:
        """Tell a process of this host that ended or is about to."""
        if self.is_elsewhere or not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
            state = Path(f"/proc/{self.pid}/stat").read_text("utf-8", "replace")
        except ProcessLookupError:
            return True
        except OSError:  # it is another user's, or there is no /proc
            return False
        return state.rpartition(")")[2].split()[0] in ("Z", "X")

    def was_started_again(self, now: "Owner") -> bool:
        """Tell whether `now` is the same Slurm job after a requeue, which ends the run before."""
        return self.job is not None and self.job == now.job and now.restarts > self.restarts


class Mount(NamedTuple):
    """A mounted file system: its kind and its options."""

    kind: str
    options: frozenset[str]

    @property
    def locks_span_hosts(self) -> bool:
        """Tell whether a lock taken here is seen by all who could take it."""
        if self.kind in _LOCAL:
            return True
        if self.kind in ("nfs", "nfs4"):
            local = {"nolock", "local_lock=flock", "local_lock=all"}
            return not local & self.options
        if self.kind == "lustre":
            return "flock" in self.options
        return self.kind == "ceph"


def mount_of(path: Path) -> Mount:
    """Find the file system of a path; of kind '' where the system does not say."""
    best, found = -1, Mount("", frozenset())
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return found
    resolved = path.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        point = Path(_plain(fields[4]))
        if (resolved == point or point in resolved.parents) and len(point.parts) >= best:
            best = len(point.parts)
            options = frozenset((*fields[5].split(","), *tail[-1].split(",")))
            found = Mount(tail[0], options)
    return found


def _plain(name: str) -> str:
    """Undo the kernel's escapes of blanks in a mount point."""
    for escape, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        name = name.replace(escape, character)
    return name


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0
