"""Training samples a second with passes by positions and of a fixed number, in turn.

Run: python benchmarks/pass_rates.py [--rounds N] [--steps N] [--model scaled]. The paper's mixture
without Web CapFilt on twins, 64 samples a step, fp32. Both sides do the same steps: before they are
timed, the losses of the first one are compared to 1e-6. CPU seconds of one thread are counted, with
the loading of data in the same process: other programs on the machine take wall time, hardly this.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from train_step import make_build

from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify_train.data.steps import Step
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer

SIDES = {
    "16 samples a pass": ("run.device_batch=16",),
    "32 samples a pass": ("run.device_batch=32",),
    "passes by positions": (),
}
BATCH = 64


def trainer_of(build: Build, model: str, settings: tuple[str, ...], folder: Path) -> Trainer:
    """Set up one side, with fresh weights."""
    config = load_recipe(
        "paper-without-capfilt",
        (
            f"model.name={model}", f"data.batch={BATCH}", "data.window=4", "data.workers=0",
            "run.precision=fp32", "run.device=cpu", "run.validate_every=0",
            "run.tensorboard=false", "optimizer.lr=1e-5", *settings,
        ),
    )  # fmt: skip
    setup = set_up(build, config, load_catalog(), Ranks())
    return Trainer(setup, folder, start=None, shows=False)


def main() -> None:
    """Time the sides round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--scale", type=float, default=3.0)
    parser.add_argument("--model", default="scaled")
    given = parser.parse_args()
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    losses: dict[str, float] = {}
    passes: dict[str, int] = dict.fromkeys(SIDES, 0)
    with tempfile.TemporaryDirectory() as folder:
        build = make_build(Path(folder), given.scale)
        for _ in range(given.rounds):
            for name, settings in SIDES.items():
                trainer = trainer_of(build, given.model, settings, Path(folder))
                steps = trainer.setup.steps(0)
                start, passes[name] = time.process_time(), 0
                for number in range(given.steps):
                    item = steps[number]
                    assert isinstance(item, Step)
                    loss, _ = trainer._step(item, StopRequest())
                    passes[name] += len(item.passes)
                    if number == 0:
                        losses[name] = loss
                times[name].append(time.process_time() - start)
    first = next(iter(losses.values()))
    assert all(abs(one - first) <= 1e-6 * first for one in losses.values()), losses
    base = statistics.median(times["16 samples a pass"])
    for name, each in times.items():
        middle = statistics.median(each)
        rates = [given.steps * BATCH / one for one in each]
        print(
            f"{given.model}: {name:22} {given.steps * BATCH / middle:6.2f} samples a CPU second "
            f"({min(rates):.2f}-{max(rates):.2f}), {base / middle:.2f}x, "
            f"{passes[name] / given.steps:.1f} passes a step, first loss {losses[name]:.7f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
