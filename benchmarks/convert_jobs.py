"""How near `--jobs 2` comes to two independent conversions at once, on splits of official size.

    python benchmarks/convert_jobs.py [ROUNDS] [NUM_QUESTIONS]

The work: vqav2 and vqav2_qg train from the same VQAv2 files. Once as one conversion with --jobs 2,
once as two conversions of one of them each, started together, into two builds.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from vqav2_raw import OFFICIAL_QUESTIONS, write_vqav2

INSTRUCTIFY = str(Path(sys.executable).with_name("instructify"))
NAMES = ("vqav2", "vqav2_qg")


def together(commands: Sequence[Sequence[str]]) -> float:
    """Start commands at once and return the seconds until the last has ended."""
    start = time.perf_counter()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any(process.wait() for process in running):
        raise SystemExit("a conversion failed")
    return time.perf_counter() - start


def main(rounds: int, num_questions: int) -> None:
    """Measure in turn and print medians."""
    seconds: dict[str, list[float]] = {"one at a time": [], "--jobs 2": [], "independent": []}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_vqav2(root / "raw" / "vqav2", num_questions)
        common = ["--split", "train", "--draws", "1", "--pictures", "none"]
        common += ["--raw", str(root / "raw")]

        def command(names: Sequence[str], out: str, jobs: int) -> list[str]:
            place = ["--out", str(root / out), "--jobs", str(jobs)]
            return [INSTRUCTIFY, "convert", *names, *common, *place]

        for _ in range(rounds):
            for name, commands in {
                "one at a time": [command(NAMES, "all", 1)],
                "--jobs 2": [command(NAMES, "all", 2)],
                "independent": [command([name], name, 1) for name in NAMES],
            }.items():
                for out in ("all", *NAMES):
                    shutil.rmtree(root / out, ignore_errors=True)
                seconds[name].append(together(commands))
    print(f"vqav2 and vqav2_qg train, {num_questions:,} questions each, {rounds} rounds")
    for name, own in seconds.items():
        print(f"{name:<16}{statistics.median(own):>8.2f} s   ({min(own):.2f}-{max(own):.2f})")
    share = statistics.median(seconds["independent"]) / statistics.median(seconds["--jobs 2"])
    print(f"--jobs 2 reaches {100 * share:.0f} % of two independent conversions at once")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [3, OFFICIAL_QUESTIONS][len(given) :]))
