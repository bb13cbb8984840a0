"""Kill training at many instants, go on each time, and say which ends differ from the unbroken one.

Run: python kill_probe.py BUILD RECIPE UNBROKEN OUT CALLS TIMES. Every run is a fork of this warm
process. CALLS of them die just before a call that changes the disk (so inside saves too), evenly
spread over all such calls; TIMES get a kill -9 from outside at moments spread over a run's length.
Prints one JSON object.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from command_server import Faults, install
from run_help import content

import instructify.cli
import instructify_train.run.launcher  # noqa: F401  (imported once, for all forks)


def in_child(out: Path, work: Callable[[], int]) -> int:
    """Start a fork that does the work quietly and ends."""
    child = os.fork()
    if child:
        return child
    descriptor = os.open(out.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    code = 70
    try:
        code = work()
    finally:
        os._exit(code)


def trainer(
    argv: list[str], out: Path, *, resume: bool, faults: Faults | None
) -> Callable[[], int]:
    """Make a run of `instructify train`."""

    def work() -> int:
        if faults is not None:
            install(faults)
        sys.argv = [*argv, "--out", str(out), *(["--resume"] if resume else [])]
        try:
            instructify.cli.main()
        except SystemExit as left:
            return int(left.code or 0)
        finally:
            if faults is not None:
                out.with_suffix(".count").write_text(str(faults.count))
        return 0

    return work


def ended(child: int) -> int:
    """Wait for a fork; minus the signal that killed it, or its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def struck(argv: list[str], out: Path, at: int) -> int:
    """Die at the n-th call."""
    faults = Faults("kill", "any", at)
    return ended(in_child(out, trainer(argv, out, resume=False, faults=faults)))


def shot(argv: list[str], out: Path, after_s: float) -> int:
    """Be killed from outside."""
    child = in_child(out, trainer(argv, out, resume=False, faults=None))
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    return ended(child)


def goes_on(argv: list[str], out: Path, unbroken: Path) -> str:
    """Resume, and compare what came out."""
    code = ended(in_child(out, trainer(argv, out, resume=True, faults=None)))
    if code:
        return f"resume left with {code}: {out.with_suffix('.log').read_text()[-400:]}"
    return "same" if content(out) == content(unbroken) else "other bits"


def main() -> None:
    """Measure one unbroken run, then strike."""
    torch.set_num_threads(1)
    build, recipe, unbroken, out = sys.argv[1:5]
    num_calls, num_times = int(sys.argv[5]), int(sys.argv[6])
    argv = ["instructify", "train", build, "--recipe", recipe]
    counted = Path(out) / "counted"
    start = time.monotonic()
    never = Faults("kill", "any", 1 << 40)
    assert ended(in_child(counted, trainer(argv, counted, resume=False, faults=never))) == 0
    length = time.monotonic() - start
    total = int(counted.with_suffix(".count").read_text())
    found: dict[str, str] = {}
    for number in range(num_calls):
        at = 1 + number * total // num_calls
        one = Path(out) / f"call-{at}"
        code = struck(argv, one, at)
        found[f"call {at} of {total}, left with {code}"] = goes_on(argv, one, Path(unbroken))
        shutil.rmtree(one)
    for number in range(num_times):
        after_s = length * (number + 0.5) / num_times
        one = Path(out) / f"time-{number}"
        code = shot(argv, one, after_s)
        found[f"after {after_s:.2f} s, left with {code}"] = goes_on(argv, one, Path(unbroken))
        shutil.rmtree(one)
    print(json.dumps({"calls": total, "length_s": length, "found": found}))


if __name__ == "__main__":
    main()
