"""Describe the owner of a lock, and decide whether a record of another host is still valid.

A lock taken from the kernel is exclusive for all hosts on local disks and on network file systems
that forward locks. On other file systems the record of another host counts, unless Slurm shows that
the job that wrote it was started again. The age of a record is not used: clocks differ, and runs
are long.
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
    """A process that took a lock; `job` and `restarts` are those of Slurm, if it started it."""

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
        """Read a record; a damaged record names nobody."""
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
        """Encode the record as JSON."""
        return json.dumps(asdict(self)).encode()

    @property
    def is_elsewhere(self) -> bool:
        """Whether the process is on another host."""
        return self.host not in ("", socket.gethostname())

    @property
    def is_gone(self) -> bool:
        """Whether the process is on this host and has ended or is ending."""
        if self.is_elsewhere or not self.pid:
            return False
        try:
            os.kill(self.pid, 0)
            state = Path(f"/proc/{self.pid}/stat").read_text("utf-8", "replace")
        except ProcessLookupError:
            return True
        except OSError:  # it belongs to another user, or there is no /proc
            return False
        return state.rpartition(")")[2].split()[0] in ("Z", "X")

    def was_started_again(self, now: "Owner") -> bool:
        """Whether `now` is the same Slurm job after a requeue, which ends the earlier run."""
        return self.job is not None and self.job == now.job and now.restarts > self.restarts


class Mount(NamedTuple):
    """The type and options of a mounted file system."""

    kind: str
    options: frozenset[str]

    @property
    def locks_span_hosts(self) -> bool:
        """Whether a lock taken here is visible to all hosts that could take it."""
        if self.kind in _LOCAL:
            return True
        if self.kind in ("nfs", "nfs4"):
            local = {"nolock", "local_lock=flock", "local_lock=all"}
            return not local & self.options
        if self.kind == "lustre":
            return "flock" in self.options
        return self.kind == "ceph"


def mount_of(path: Path) -> Mount:
    """Return the file system of a path; of type '' if the system does not tell."""
    best, mount = -1, Mount("", frozenset())
    try:
        lines = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return mount
    resolved = path.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        point = Path(_plain(fields[4]))
        if (resolved == point or point in resolved.parents) and len(point.parts) >= best:
            best = len(point.parts)
            options = frozenset((*fields[5].split(","), *tail[-1].split(",")))
            mount = Mount(tail[0], options)
    return mount


def _plain(name: str) -> str:
    """Decode the kernel's escapes of spaces in a mount point."""
    for escape, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        name = name.replace(escape, character)
    return name


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return 0
