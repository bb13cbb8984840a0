"""How steps are cut into passes: positions, passes and padding, by number and by budget.

Run: python benchmarks/passes.py [--steps N]. Nothing is trained. The samples are those of the
paper's mixture; lengths are those of real texts where INSTRUCTIFY_REAL_DATA has a slice of a
dataset, at 1.3 tokens a word, and of its twin otherwise. Full-size FlanT5-XL and Vicuna-7B give the
costs and the memory; their weights are not needed.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from full_sizes import full_config
from transformers import InstructBlipForConditionalGeneration

from instructify._util.errors import UserError
from instructify.build import Build, EngineOptions
from instructify.catalog.load import load_catalog
from instructify.commands.convert import ConvertOptions, run_convert
from instructify.recipe.members import mix_build
from instructify.twins.make import WRITERS, make_twin
from instructify_train.data.passes import FixedRule, PassRule, padded, plan_step
from instructify_train.data.stream import SampleStream
from instructify_train.model.costs import costs_of
from instructify_train.model.forward import InstructBlip
from instructify_train.recipe import load_recipe

HELD_IN = (
    *("coco_caption", "web_capfilt", "textcaps", "vqav2", "okvqa", "aokvqa", "ocr_vqa"),
    *("vqav2_qg", "okvqa_qg", "aokvqa_qg"),
    *("llava_conversation", "llava_detail", "llava_reasoning"),
)
MODELS = {"flan-t5-xl": 192, "vicuna-7b": 128}  # with the paper's batches
QUERIES = 32


class Texts(NamedTuple):
    """Words of instructions and responses, a row each."""

    words: np.ndarray


def converted(folder: Path, scale: float) -> Build:
    """Convert twins of all held-in datasets, without pictures."""
    make_twin(list(WRITERS), folder / "raw", scale=scale)
    options = ConvertOptions(
        names=HELD_IN, raw=folder / "raw", out=folder / "build", split="train",
        engine=EngineOptions(jobs=2),
    )  # fmt: skip
    run_convert(options, as_json=False)
    return Build.open(folder / "build")


def real_texts(folder: Path) -> dict[str, Texts]:
    """Convert what slices of real data there are, and measure their samples."""
    raw = os.environ.get("INSTRUCTIFY_REAL_DATA")
    found: dict[str, Texts] = {}
    if not raw:
        return found
    for name in HELD_IN:
        for split in ("train", "val"):
            out = folder / f"real-{name}-{split}"
            try:
                run_convert(
                    ConvertOptions(
                        names=(name,), raw=Path(raw) / "raw", out=out, split=split,
                        pictures="none", max_rejects=100,
                    ),
                    as_json=False,
                )  # fmt: skip
                rows = Build.open(out).samples(name, split)
            except (UserError, KeyError):
                continue
            pairs = [_words(row["instruction"], row["response"]) for row in rows if row["response"]]
            if len(pairs) >= 10:
                found[name] = Texts(np.array(pairs))
                break
    return found


def _words(instruction: str, response: str) -> tuple[int, int]:
    return len(instruction.split()), len(response.split())


def steps_of(build: Build, real: dict[str, Texts], batch: int, steps: int) -> list[np.ndarray]:
    """Draw steps of the paper's mixture; returns tokens of both texts, [batch, 2] each."""
    config = load_recipe("paper", (f"data.batch={batch}",))
    mixed = mix_build(build, config.mixture, load_catalog(), batch=batch)
    stream, dice = SampleStream(mixed), np.random.default_rng(0)
    found = []
    for step in range(steps):
        samples = stream.read(step * batch, batch)
        words = np.array([_words(one.instruction, one.response) for one in samples])
        for row, one in enumerate(samples):
            own = real.get(mixed.parts[one.member].dataset)
            if own is not None:
                words[row] = own.words[dice.integers(len(own.words))]
        tokens = np.ceil(1.3 * words).astype(np.int64) + 1  # a token in front, an end token
        found.append(np.minimum(tokens, [128, 256]))
    return found


def sizes_of(tokens: np.ndarray, *, t5: bool) -> np.ndarray:
    """Turn tokens into positions of each side and frames."""
    asked, answered = QUERIES + tokens[:, 0], tokens[:, 1]
    sides = (asked, answered) if t5 else (asked + answered, np.zeros_like(asked))
    return np.stack([*sides, np.ones_like(asked)], axis=1)


class Counted(NamedTuple):
    """Means over steps: positions a step and passes, and the fullest and the middle pass.

    `waited` counts each pass as the largest of all processes, which the others wait for.
    """

    positions: float
    waited: float
    passes: float
    most: int
    median: float


def counted(
    steps: Sequence[np.ndarray], rule: PassRule | FixedRule, world: int, *, by_number: bool
) -> Counted:
    """Cut steps and count."""
    taken: list[int] = []
    passes = waited = 0
    for sizes in steps:
        order = np.argsort(-sizes[:, :2].sum(axis=1), kind="stable") if by_number else None
        rows = range(len(sizes)) if order is None else order.tolist()
        plans = [plan_step(rows, sizes, rule, rank=rank, world=world) for rank in range(world)]
        taken += [padded(sizes[list(one.rows)]) for own in plans for one in own if one.counts]
        passes += sum(len(own) for own in plans)
        waited += world * sum(one.most for one in plans[0])
    return Counted(
        sum(taken) / len(steps),
        waited / len(steps),
        passes / len(steps),
        max(taken),
        float(np.median(taken)),
    )


def main() -> None:
    """Print a table for each model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--scale", type=float, default=3.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build, real = converted(Path(folder), given.scale), real_texts(Path(folder))
        print(f"real texts: {', '.join(real) or 'none'}; the others are twins'", flush=True)
        for name, batch in MODELS.items():
            with torch.device("meta"):
                inner = InstructBlip(InstructBlipForConditionalGeneration(full_config(name, 32000)))
            costs = costs_of(inner)
            t5 = name.startswith("flan")
            steps = [sizes_of(one, t5=t5) for one in steps_of(build, real, batch, given.steps)]
            table(name, steps, costs.decoder / costs.encoder, costs.frame / costs.encoder)


def table(name: str, steps: Sequence[np.ndarray], decoder: float, frame: float) -> None:
    """Print positions and passes of a step."""
    batch = len(steps[0])
    needed = sum(int(one[:, :2].sum()) for one in steps) / len(steps)
    print(
        f"{name}: {batch} samples a step, {needed:,.0f} positions needed, {needed / batch:.1f} each"
    )
    for samples in (16, 24, 32):
        rule = FixedRule(accumulation=-(-batch // samples))
        show(f"{samples} samples a pass", counted(steps, rule, 1, by_number=True), needed)
    for budget in (4096, 10_000):
        for overhead in (64, 512, 1 << 20):
            by_cost = PassRule(positions=budget, overhead=overhead, decoder=decoder, frame=frame)
            what = f"{budget:,} positions, a pass costs {overhead:,}"
            show(what, counted(steps, by_cost, 1, by_number=False), needed)
    eight = PassRule(positions=10_000, decoder=decoder, frame=frame)
    by_eight = FixedRule(accumulation=-(-batch // (8 * 24)))
    show("24 samples a pass, 8 processes", counted(steps, by_eight, 8, by_number=True), needed)
    show("10,000 positions, 8 processes", counted(steps, eight, 8, by_number=False), needed)


def show(what: str, one: Counted, needed: float) -> None:
    """Print a row."""
    print(
        f"  {what:56} {one.positions:8,.0f} positions ({one.positions / needed:.3f}), waited for "
        f"{one.waited:8,.0f}, {one.passes:5.1f} passes, median {one.median:6,.0f}, most "
        f"{one.most:6,}",
        flush=True,
    )


if __name__ == "__main__":
    main()
