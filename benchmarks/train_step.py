"""Training steps a second: ours beside the Hugging Face Trainer, same model, samples and precision.

Run: python benchmarks/train_step.py [--rounds N] [--steps N] [--case plain|ten] [--threads N]
[--count].
The `scaled` model (a Llama of 52 M parameters behind a tower of 13 M), batch 16, tower and language
model frozen. Two mixtures: `plain`, the paper's without Web CapFilt on twins, and `ten`, ten
questions about each picture. The Trainer has its better of random and length-grouped order, pads
to the longest, gets its samples tokenised beforehand and decodes pictures as we do, in as many
loader processes. Before anything is timed, both sides' loss on one batch is compared.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset
from torch.utils.flop_counter import FlopCounterMode
from train_peer import Plain, PlainData, plain_collator, run_peer

from instructify.build.engine_options import EngineOptions
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.commands.convert import ConvertOptions, run_convert
from instructify.twins.make import WRITERS, make_twin
from instructify_train.data.loader import load
from instructify_train.data.steps import Step, Steps
from instructify_train.data.stream import Sample, SampleStream
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import Setup, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer

BATCH = 16
WINDOW = 16
HELD_IN = (
    *("coco_caption", "textcaps", "vqav2", "okvqa", "aokvqa", "ocr_vqa", "vqav2_qg", "okvqa_qg"),
    *("aokvqa_qg", "llava_conversation", "llava_detail", "llava_reasoning"),
)


class Timed(NamedTuple):
    """A side's seconds for all steps, and how many samples a second that is."""

    name: str
    wall_s: float
    samples_per_s: float
    data_wait: float


class TenAPicture(SampleStream):
    """A stream that shows each picture ten times in a row of samples, as VQA releases do."""

    def __init__(self, stream: SampleStream, pictures: Sequence[str]) -> None:
        self._stream = stream
        self._pictures = pictures

    def read(self, start: int, count: int) -> list[Sample]:
        samples = self._stream.read(start, count)
        return [
            one._replace(pictures=(self._pictures[at // 10 % len(self._pictures)],))
            for at, one in enumerate(samples, start)
        ]


def make_build(folder: Path, scale: float) -> Build:
    """Convert twins of the held-in datasets."""
    make_twin([name for name in WRITERS], folder / "raw", scale=scale)
    options = ConvertOptions(
        names=HELD_IN,
        raw=folder / "raw",
        out=folder / "build",
        split="train",
        engine=EngineOptions(jobs=2),
    )
    run_convert(options, as_json=False)
    return Build.open(folder / "build")


def our_setup(
    build: Build, precision: str, steps: int, workers: int, cache: Path | None = None
) -> Setup:
    """Set up our side; `cache` keeps what the frozen tower says of a picture."""
    settings = (
        "model.name=scaled", f"data.batch={BATCH}", f"data.window={WINDOW}",
        f"data.workers={workers}", f"run.steps={steps}", f"run.precision={precision}",
        f"run.device_batch={BATCH}", "run.device=cpu", "run.validate_every=0",
        "run.save_every=1000000", "run.log_every=1000000", "run.tensorboard=false",
        "optimizer.lr=1e-5",
    )  # fmt: skip
    keeping = () if cache is None else (f"data.feature_cache.folder={cache}",)
    config = load_recipe("paper-without-capfilt", (*settings, *keeping))
    return set_up(build, config, load_catalog(), Ranks())


def streams(setup: Setup, case: str) -> SampleStream:
    """Give the samples of a case."""
    stream = SampleStream(setup.mixed)
    if case == "plain":
        return stream
    keys = dict.fromkeys(key for one in stream.read(0, 2048) for key in one.pictures)
    return TenAPicture(stream, list(keys))


class OurTrainer(Trainer):
    """The trainer, with the samples of a case, and nothing written at the end."""

    def __init__(self, setup: Setup, run: Path, case: str) -> None:
        super().__init__(setup, run, start=None, shows=False)
        self._steps: Steps = setup.steps(0)
        self._steps._stream = streams(setup, case)

    def timed(self, steps: int, workers: int) -> Timed:
        """Do the steps and time them."""
        start = time.perf_counter()
        waited = 0.0
        items: Iterator[Step] = iter(load(self._steps, range(steps), workers))
        for _ in range(steps):
            before = time.perf_counter()
            item: Step = next(items)
            waited += time.perf_counter() - before
            self._step(item, StopRequest())
        wall = time.perf_counter() - start
        return Timed("ours", wall, steps * BATCH / wall, waited / wall)


def ours(
    build: Build, case: str, precision: str, steps: int, workers: int, cache: Path | None = None
) -> Timed:
    """Time our side in a fresh model."""
    setup = our_setup(build, precision, steps, workers, cache)
    with tempfile.TemporaryDirectory() as folder:
        return OurTrainer(setup, Path(folder), case).timed(steps, workers)


def plain_of(setup: Setup, samples: Sequence[Sample]) -> PlainData:
    """Prepare samples for the Trainer."""
    inner = setup.prepared.inner
    image = inner.model.config.image_token_index
    return PlainData(samples, setup.tokens, setup.pixels, inner.layout, image)


def plain_data(build: Build, case: str, steps: int) -> Dataset[Plain]:
    """Give the Trainer the same samples."""
    setup = our_setup(build, "fp32", steps, 0)
    samples = streams(setup, case).read(0, steps * BATCH)
    return plain_of(setup, samples)


def check_loss(build: Build, case: str) -> tuple[float, float]:
    """Compute the loss of the first 16 samples on both sides; raises where they differ."""
    setup = our_setup(build, "fp32", 1, 0)
    steps = setup.steps(0)
    steps._stream = streams(setup, case)
    step: Any = steps[0]
    trainer = OurTrainer(setup, Path(tempfile.mkdtemp()), case)
    one = step.passes[0]
    inner = setup.prepared.inner
    with torch.no_grad():
        own = float(inner(trainer.features.take(one), one.micro).mean())
    data = plain_of(setup, one.samples)
    batch = plain_collator(inner.layout.pad)([data[at] for at in range(len(one.samples))])
    with torch.no_grad():
        peer = float(inner.model(**batch).loss)
    torch.testing.assert_close(own, peer, rtol=1e-4, atol=1e-4)
    return own, peer


def main() -> None:
    """Compare in turn, round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--case", default="plain,ten")
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--count", action="store_true", help="count operations, time nothing")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        build = make_build(Path(folder), given.scale)
        for case in given.case.split(","):
            own, peer = check_loss(build, case)
            print(f"{case}: loss of one batch {own:.5f}, Trainer {peer:.5f}", flush=True)
            data = plain_data(build, case, given.steps)
            if given.count:
                count(build, case, data, given)
                continue
            for precision in given.precision.split(","):
                compare(build, case, precision, data, given)


def count(build: Build, case: str, data: Dataset[Plain], given: argparse.Namespace) -> None:
    """Print the multiplications and additions of each side, which no loop can save.

    torch's counter knows matrix products and convolutions; attention on a CPU (about 4 % of the
    time of either side) is not in it.
    """
    cache = Path(tempfile.mkdtemp())
    own = partial(ours, build, case, "fp32", given.steps, given.workers, cache)
    sides: dict[str, Callable[[], object]] = {"ours": own, "ours, features kept": own}
    for order in ("random", "group_by_length"):
        sides[f"Trainer {order}"] = partial(
            run_peer, data, order, "fp32", batch=BATCH, steps=given.steps, workers=given.workers
        )
    for name, run in sides.items():
        with FlopCounterMode(display=False) as counter:
            run()
        each = counter.get_total_flops() / (given.steps * BATCH)
        print(f"{case}: {name} {each / 1e9:.1f} GFLOP a sample", flush=True)


def compare(
    build: Build, case: str, precision: str, data: Dataset[Plain], given: argparse.Namespace
) -> None:
    """Time both sides in turn and print medians and the ratio."""
    mine: list[Timed] = []
    kept: list[Timed] = []  # later epochs: every picture's features are on disk
    cache = Path(tempfile.mkdtemp())
    ours(build, case, precision, given.steps, given.workers, cache)
    peers: dict[str, list[float]] = {"random": [], "group_by_length": []}
    for _ in range(given.rounds):
        mine.append(ours(build, case, precision, given.steps, given.workers))
        kept.append(ours(build, case, precision, given.steps, given.workers, cache))
        for order in peers:
            wall = run_peer(
                data, order, precision, batch=BATCH, steps=given.steps, workers=given.workers
            )
            peers[order].append(given.steps * BATCH / wall)
    best = max(statistics.median(rates) for rates in peers.values())
    told = ", ".join(f"{name} {statistics.median(rates):.1f}" for name, rates in peers.items())
    print(f"{case} {precision}: Trainer {told} samples/s", flush=True)
    for name, runs in (("ours", mine), ("ours, features kept", kept)):
        rate = statistics.median(one.samples_per_s for one in runs)
        wait = statistics.median(one.data_wait for one in runs)
        print(
            f"{case} {precision}: {name} {rate:.1f} samples/s, {rate / best:.2f} times the better "
            f"Trainer; waits {100 * wait:.1f} % for data",
            flush=True,
        )


if __name__ == "__main__":
    main()
