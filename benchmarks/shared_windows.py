"""What loader processes cost where each makes a whole window, and where one makes it for all.

Run: python benchmarks/shared_windows.py [--workers 1 4 16] [--rounds N]. The paper's mixture
without Web CapFilt on twins, 128 samples a step, windows of 8 steps, pictures of 48 px: what a
window costs shows, and decoding hardly does. CPU seconds of all loader processes for 16 steps.
"""

import argparse
import resource
import statistics
import tempfile
from pathlib import Path
from typing import Any

from train_step import make_build

from instructify.catalog.load import load_catalog
from instructify_train.data import Steps, load
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import Setup, set_up

STEPS = 16


class Unshared:
    """Steps that tell nobody of what they could share."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __getitem__(self, number: int, /) -> Any:
        return self._steps[number]


def seconds_of(setup: Setup, workers: int, *, shared: bool) -> float:
    """Load all steps; returns the CPU seconds of the loader processes."""
    steps = setup.steps(0)
    before = _children()
    with load(steps if shared else Unshared(steps), range(STEPS), workers) as items:
        for _ in items:
            pass
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Compare both sides, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = load_recipe(
            "paper-without-capfilt",
            ("model.name=scaled", "data.batch=128", "data.window=8", "run.device=cpu",
             "run.validate_every=0", "run.tensorboard=false"),
        )  # fmt: skip
        setup = set_up(make_build(Path(folder), 3.0), config, load_catalog(), Ranks())
        print("| loader processes | each makes windows | one for all | ratio |")
        print("|---:|---:|---:|---:|")
        for workers in given.workers:
            both: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(given.rounds):
                for shared in both:
                    both[shared].append(seconds_of(setup, workers, shared=shared))
            alone, together = (statistics.median(both[shared]) for shared in (False, True))
            print(f"| {workers} | {alone:.2f} s | {together:.2f} s | {alone / together:.2f} |")


if __name__ == "__main__":
    main()
