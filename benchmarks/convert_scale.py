"""One conversion by local processes, by Ray on this machine and in parts: seconds and CPU seconds.

    python benchmarks/convert_scale.py [ROUNDS] [NUM_QUESTIONS]

The work: vqav2 and vqav2_qg train of official size from the same files, two draws, no pictures, two
at a time. Ray is measured where it is installed; its seconds include its start. Of the parts the
CPU time is what counts, since on a cluster they run side by side; the share of it that lies in
parts is what can be spread over machines.
"""

import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import Run, run_once
from vqav2_raw import OFFICIAL_QUESTIONS, write_vqav2

PARTS = 4
STAGES = ("records", "samples")


def in_parts(command: Sequence[str]) -> tuple[Run, Run]:
    """Run all parts one after another and then the commit; return both as one run each."""
    runs = [
        run_once([*command, "--stage", stage, "--part", f"{number}/{PARTS}"])
        for stage in STAGES
        for number in range(1, PARTS + 1)
    ]
    parts = Run(
        sum(run.wall_s for run in runs),
        sum(run.cpu_s for run in runs),
        max(run.peak_mb for run in runs),
    )
    return parts, run_once(command)


def main(rounds: int, num_questions: int) -> None:
    """Measure in turn and print medians."""
    runs: dict[str, list[Run]] = {"--jobs 2": [], "--engine ray": [], "parts": [], "commit": []}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_vqav2(root / "raw" / "vqav2", num_questions)
        base = [sys.executable, "-m", "instructify", "convert", "vqav2", "vqav2_qg"]
        base += ["--split", "train", "--pictures", "none", "--raw", str(root / "raw"), "--out"]
        for _ in range(rounds):
            runs["--jobs 2"].append(run_once([*base, str(root / "local"), "--jobs", "2"]))
            if importlib.util.find_spec("ray") is not None:
                ray = [*base, str(root / "ray"), "--jobs", "2", "--engine", "ray"]
                runs["--engine ray"].append(run_once(ray))
                same(root / "local", root / "ray")
                shutil.rmtree(root / "ray")
            parts, commit = in_parts([*base, str(root / "parts")])
            runs["parts"].append(parts)
            runs["commit"].append(commit)
            same(root / "local", root / "parts")
            for name in ("local", "parts"):
                shutil.rmtree(root / name)
    print(f"vqav2 and vqav2_qg train, {num_questions:,} questions each, {rounds} rounds, medians")
    for name, taken in runs.items():
        if taken:
            wall = statistics.median(run.wall_s for run in taken)
            cpu = statistics.median(run.cpu_s for run in taken)
            print(f"{name:<16}{wall:>8.2f} s wall{cpu:>8.2f} s CPU")
    inside, outside = (sum(run.cpu_s for run in runs[name]) for name in ("parts", "commit"))
    share = 100 * inside / (inside + outside)
    print(f"{share:.1f} % of the CPU time lies in {PARTS} parts of each stage")


def same(left: Path, right: Path) -> None:
    """Refuse figures of builds that differ."""
    left_out = ["-x", ".lock", "-x", "local"]
    subprocess.run(["diff", "-rq", *left_out, str(left), str(right)], check=True)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [3, OFFICIAL_QUESTIONS][len(given) :]))
