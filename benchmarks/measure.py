"""Times whole commands in fresh processes, in turn, and sums them up by medians and ratios."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Run(NamedTuple):
    """One run of a command: seconds, and the peak memory of its largest process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run_once(command: Sequence[str]) -> Run:
    """Run a command and measure it; its output is thrown away, a failure raises."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def run_in_turn(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    before: Callable[[str], None] = lambda name: None,
) -> dict[str, list[Run]]:
    """Run all commands round by round, so that a slow minute of the machine hits each of them."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before(name)
            runs[name].append(run_once(command))
    return runs


def median(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


def best(runs: Sequence[Run]) -> Run:
    """Return the fastest run."""
    return min(runs, key=lambda run: run.wall_s)


def line(name: str, runs: Sequence[Run]) -> str:
    """One row: median and range of the wall time, median CPU time and peak memory."""
    middle = median(runs)
    walls = [run.wall_s for run in runs]
    spread = f"{min(walls):.2f}-{max(walls):.2f}"
    return f"{name:<34}{middle.wall_s:>8.2f}{spread:>14}{middle.cpu_s:>8.2f}{middle.peak_mb:>9.0f}"


HEADER = f"{'way':<34}{'wall s':>8}{'min-max':>14}{'cpu s':>8}{'peak MB':>9}"


def own_peak_mb() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
