"""VQAv2 train at official size, raw to finished build: the obvious way against ours, in turn.

    python benchmarks/convert_vqav2.py [ROUNDS] [NUM_QUESTIONS]

All run in fresh processes on the same files, `--pictures none`, one draw; ours by one process and
by two, which read the files range by range. Ours also joins, checks, hashes, indexes rejects and
syncs to disk, which the obvious way does not.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from measure import HEADER, best, line, median, run_in_turn
from vqav2_raw import OFFICIAL_QUESTIONS, write_vqav2

INSTRUCTIFY = Path(sys.executable).with_name("instructify")


def main(rounds: int, num_questions: int) -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_vqav2(root / "raw" / "vqav2", num_questions)
        convert = [str(INSTRUCTIFY), "convert", "vqav2", "--split", "train", "--draws", "1"]
        where = ["--raw", str(root / "raw"), "--out", str(root / "ours"), "--pictures", "none"]
        obvious = str(Path(__file__).with_name("obvious_vqav2.py"))
        commands = {
            "obvious": [sys.executable, obvious, str(root / "raw/vqav2"), str(root / "obvious")],
            "instructify": [*convert, *where],
            "instructify --jobs 2": [*convert, *where, "--jobs", "2"],
        }
        outputs = dict.fromkeys(commands, root / "ours") | {"obvious": root / "obvious"}

        def clear(name: str) -> None:
            shutil.rmtree(outputs[name], ignore_errors=True)

        runs = run_in_turn(commands, rounds, clear)
    print(f"VQAv2 train, {num_questions:,} questions, {rounds} rounds")
    print(HEADER)
    for name, own in runs.items():
        print(line(name, own))
    obvious_best = best(runs["obvious"])
    for name in list(commands)[1:]:
        ours = median(runs[name])
        print(
            f"{name}, best obvious / median ours: {obvious_best.wall_s / ours.wall_s:.1f}x as fast"
        )
        memory = ours.peak_mb / median(runs["obvious"]).peak_mb
        print(f"{name}, peak memory of the largest process, ours / obvious: {memory:.2f}")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [3, OFFICIAL_QUESTIONS][len(given) :]))
