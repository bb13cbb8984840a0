"""A Ray cluster of two nodes on this machine, each in a process group of its own, to be killed."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_READY_S = 120
_OPTIONS = ("--num-cpus=1", "--object-store-memory=80000000", "--block")
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",  # else workers starve beside other programs
}
_RAY = Path(sys.executable).with_name("ray")


class Cluster:
    """Two nodes of one CPU each; the second may be killed and started again."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._port = _free_port()
        self.address = f"{_host()}:{self._port}"
        self._head = self._start("head", "--head", f"--port={self._port}")
        self._node = self._start("node", f"--address={self.address}")

    def kill_node(self) -> None:
        """Kill the second node with all its processes."""
        _kill_group(self._node)

    def revive(self) -> None:
        """Start the second node again, if it was killed."""
        if self._node.poll() is not None:
            self._node = self._start("node", f"--address={self.address}")

    def kill_worker(self, chance: random.Random) -> bool:
        """Kill a process that runs a unit; False where none does."""
        at_work = [pid for pid, command in self._processes() if command.startswith("ray::_run")]
        if at_work:
            os.kill(chance.choice(at_work), signal.SIGKILL)
        return bool(at_work)

    def stop(self) -> None:
        """End both nodes."""
        _kill_group(self._node)
        _kill_group(self._head)

    def _start(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        started = subprocess.Popen(
            [str(_RAY), "start", *options, *_OPTIONS],
            stdout=(self._logs / f"{name}.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **_ENVIRONMENT},
        )
        wanted = "Ray runtime started"
        end = time.monotonic() + _READY_S
        while wanted not in (self._logs / f"{name}.log").read_text("utf-8", "replace"):
            if started.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{name} did not start, see {self._logs / name}.log")
            time.sleep(0.2)
        return started

    def _processes(self) -> list[tuple[int, str]]:
        """List the processes of both nodes with their command lines."""
        groups = {self._head.pid, self._node.pid}
        listed = subprocess.run(
            ["ps", "-e", "-o", "pid=,pgid=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        return [(int(row[0]), row[2]) for row in rows if len(row) > 2 and int(row[1]) in groups]


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


def _host() -> str:
    """Name this machine as other nodes do: Ray refuses nodes where the head is at 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return socket.gethostbyname(socket.gethostname())
        name: str = probe.getsockname()[0]
    return name
