"""Let a run fail in a known way, and say how it ended and whether it goes on with the same bits.

Run: python failure_probe.py BUILD RECIPE OUT CELL ..., a cell being FAULT:PROCESSES:WORKERS. Every
process of a run is a fork of this warm one, in a group of its own; two of them meet through gloo as
torchrun's do. The fault strikes after the third of six steps. Prints a line of JSON for each cell:
the exit codes, seconds from the fault to the last end, what was said, what was left running,
whether the lock is free, and how the resumed run compares with one that nobody disturbed.
"""

import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from run_help import content

import instructify.cli
import instructify_train.run.launcher  # noqa: F401  (imported once, for all forks)
from instructify._util.errors import UserError
from instructify.build import lock_owner
from instructify_train.run.trainer import Trainer

_STEP = 3
_PATIENCE_S = 150.0


def _crash(_: Path) -> None:
    raise ZeroDivisionError("a bug of ours")


def _mistake(_: Path) -> None:
    raise UserError("a mistake that was met at a step; mend it.")


def _oom(_: Path) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1 GiB")


def _full(_: Path) -> None:
    """Let the kernel refuse what a checkpoint writes, as `ulimit -f` does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def _send(number: int) -> Callable[[Path], None]:
    return lambda _: os.kill(os.getpid(), number)


def _kill_workers(_: Path) -> None:
    for child in children_of(os.getpid()):
        os.kill(child, signal.SIGKILL)


# What strikes, and in which of the processes: the first, the last, or all of them.
FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "exception": (_crash, "last"),
    "mistake": (_mistake, "last"),
    "oom": (_oom, "last"),
    "full": (_full, "first"),
    "sigint": (_send(signal.SIGINT), "all"),
    "sigterm": (_send(signal.SIGTERM), "all"),
    "sigterm-one": (_send(signal.SIGTERM), "last"),
    "kill-main": (_send(signal.SIGKILL), "first"),
    "kill-rank": (_send(signal.SIGKILL), "last"),
    "kill-worker": (_kill_workers, "last"),
}


def children_of(parent: int) -> list[int]:
    """List the living children of a process."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
    return [
        int(row[0])
        for row in rows
        if int(row[1]) == parent and row[2][0] != "Z" and row[3][:2] != "ps"
    ]


def install(fault: Callable[[Path], None], when: Path | None, at: int) -> None:
    """Strike after the update of a step, noting the moment in a file."""
    update = Trainer._update

    def struck(self: Trainer, step: int) -> None:
        update(self, step)
        if step + 1 == at:
            if when is not None:
                when.write_text(str(time.time()))
            fault(self.run_folder)

    Trainer._update = struck  # type: ignore[method-assign]


def fork(argv: list[str], log: Path, rank: int, world: int, port: int, prepare: Any) -> int:
    """Start one process of a run; returns its number."""
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    if world > 1:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    code = 70
    try:
        prepare()
        sys.argv = argv
        instructify.cli.main()
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(argv: list[str], out: Path, world: int, prepare: Callable[[int], Any]) -> dict[str, Any]:
    """Run all processes of a run to their ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logs = [out.with_suffix(f".{rank}.log") for rank in range(world)]
    pids = [fork(argv, logs[rank], rank, world, port, prepare(rank)) for rank in range(world)]
    left, codes = set(pids), {}
    end = time.monotonic() + _PATIENCE_S
    ended = time.time()
    while left:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in left:
            left.discard(pid)
            codes[pid] = os.waitstatus_to_exitcode(status)
            ended = time.time()
        elif time.monotonic() > end:
            for late in left:
                os.killpg(late, signal.SIGKILL)
            end += _PATIENCE_S
        else:
            time.sleep(0.01)
    time.sleep(0.1)  # the kernel ends loader processes just after their parent
    return {
        "codes": [codes[pid] for pid in pids],
        "ended": ended,
        "said": [log.read_text("utf-8", "replace") for log in logs],
        "running": [one for pid in pids for one in group_of(pid)],
    }


def group_of(leader: int) -> list[int]:
    """List what still runs of a process group."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, group, state in rows if int(group) == leader and state[0] != "Z"]


def is_free(lock: Path) -> bool:
    """Tell whether nobody holds a lock."""
    with lock.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def cell(argv: list[str], out: Path, fault: str, world: int, unbroken: Path) -> dict[str, Any]:
    """Let a run fail, then go on with it."""
    strike, where = FAULTS[fault]
    when = out.with_suffix(".when")

    def prepare(rank: int) -> Callable[[], None]:
        hit = {"first": rank == 0, "last": rank == world - 1, "all": True}[where]
        # Later than after the first step, loader processes have made all items and are gone.
        at = 1 if strike is _kill_workers else _STEP
        return lambda: install(strike, when, at) if hit else None

    failed = run([*argv, "--out", str(out)], out, world, prepare)
    began = float(when.read_text()) if when.exists() else 0.0
    free = is_free(out / ".lock")
    page = (out / "report.html").is_file()
    again = run([*argv, "--out", str(out), "--resume"], out, world, lambda rank: lambda: None)
    same = again["codes"] == [0] * world and content(out) == content(unbroken)
    shutil.rmtree(out)
    return {
        "codes": failed["codes"],
        "seconds": round(failed["ended"] - began, 2),
        "said": failed["said"],
        "running": failed["running"],
        "free": free,
        "page": page,
        "same": same,
        "again": "" if same else again["said"][0][-800:],
    }


def requeued(argv: list[str], out: Path, world: int, unbroken: Path) -> dict[str, Any]:
    """Kill all processes of a run again and again, on a new host each time, as a requeue does.

    The hosts share a file system that does not pass locks on; the job is Slurm's.
    """

    def prepare(attempt: int, steps: int) -> Callable[[], None]:
        def ready() -> None:
            os.environ |= {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": str(attempt)}
            lock_owner._MOUNTS = Path("/nowhere")
            socket.gethostname = lambda: f"node{attempt}"
            install(_send(signal.SIGKILL), out.with_suffix(".when"), steps)

        return ready

    codes, held = [], []
    line = [*argv, "--out", str(out), "--resume"]
    for attempt, steps in enumerate((1, 3, 5, 1 << 30)):
        ended = run(line, out, world, lambda rank: prepare(attempt, steps))  # noqa: B023
        codes.append(ended["codes"])
        held.append(json.loads((out / ".lock").read_text() or "{}").get("host"))
    return {"codes": codes, "hosts": held, "same": content(out) == content(unbroken)}


def _split(cells: list[str]) -> list[list[str]]:
    return [one.split(":") for one in cells]


def main() -> None:
    """Measure an undisturbed run for each number of processes, then every cell."""
    torch.set_num_threads(1)
    build, recipe, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    cells = [(name, int(world), workers) for name, world, workers in _split(sys.argv[4:])]
    argv = ["instructify", "train", build, "--recipe", recipe]
    unbroken = {}
    for world in sorted({world for _, world, _ in cells}):
        unbroken[world] = out / f"unbroken-{world}"
        line = [*argv, "--out", str(unbroken[world])]
        done = run(line, unbroken[world], world, lambda rank: lambda: None)
        assert done["codes"] == [0] * world, done["said"]
    for fault, world, workers in cells:
        line = [*argv, "--set", f"data.workers={workers}"]
        at = out / f"{fault}-{world}-{workers}"
        if fault == "requeue":
            ended = requeued(line, at, world, unbroken[world])
        else:
            ended = cell(line, at, fault, world, unbroken[world])
        print(json.dumps({"cell": f"{fault}:{world}:{workers}", **ended}), flush=True)


if __name__ == "__main__":
    main()
