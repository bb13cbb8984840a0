"""Full-size training steps on a CUDA GPU, random weights: rate, memory, model FLOP utilisation.

Run: python benchmarks/gpu_step.py [flan-t5-xl|vicuna-7b] [--device-batch N]. Nothing is
downloaded: configurations are the published ones, weights random, tokenizers our own. Peak memory
is set beside the estimate that `train` prints. The utilisation counts the FLOPs of matrix products
that are needed: two a parameter and token forward, two more backward through frozen layers, four
through trained ones, the tower once a distinct picture; attention scores are left out.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from full_sizes import full_config
from train_step import OurTrainer, make_build
from transformers import InstructBlipForConditionalGeneration

from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify_train.data.loader import load
from instructify_train.data.steps import Step
from instructify_train.distributed import Ranks
from instructify_train.model.forward import InstructBlip
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import Setup, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.tiny.presets import Loaded, build_preset

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense bf16, vendor's figures
BATCHES = {"flan-t5-xl": 192, "vicuna-7b": 128}
WARM_UP = 4


def full_size(name: str) -> Loaded:
    """Build a full-size model with random weights in bf16, on the GPU."""
    small = build_preset("tiny-t5" if name.startswith("flan") else "tiny-llama")
    processor = small.processor
    processor.num_query_tokens = 32
    config = full_config(name, processor.tokenizer.convert_tokens_to_ids("<image>"))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            model = InstructBlipForConditionalGeneration(config)
            torch.nn.init.normal_(model.query_tokens, std=0.02)
    finally:
        torch.set_default_dtype(before)
    return Loaded(model, processor)


def needed_flops(model: InstructBlip, step: Step, num_encoded: int) -> float:
    """Count the FLOPs of a step's matrix products."""
    inner = model.model
    vision: int = sum(one.numel() for one in inner.vision_model.encoder.parameters())
    config = inner.config.vision_config
    patches = (config.image_size // config.patch_size) ** 2 + 1
    language: int = sum(one.numel() for one in inner.language_model.parameters())
    qformer: int = sum(one.numel() for one in inner.qformer.encoder.parameters())
    queries = inner.config.num_query_tokens
    total = 2.0 * vision * patches * num_encoded
    for one in step.passes:
        rows, width = one.micro.input_ids_BL.shape
        asked = one.micro.qformer_ids_BQ.shape[1]
        decoded = 0 if one.micro.decoder_ids_BD is None else one.micro.decoder_ids_BD.shape[1]
        positions = width if not decoded else (width + decoded) / 2  # each side has half of T5
        total += 4.0 * language * rows * positions + 6.0 * qformer / 2 * rows * (queries + asked)
    return float(total)


def our_side(setup: Setup, steps: int) -> dict[str, Any]:
    """Time steps after a warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = OurTrainer(setup, Path(folder), "plain")
        items: Iterator[Step] = iter(
            load(setup.steps(0), range(steps + WARM_UP), setup.config.data.workers)
        )
        flops, start = 0.0, 0.0
        for number, item in enumerate(items):
            if number == WARM_UP:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
                start = time.perf_counter()
            encoded = trainer.features.num_encoded
            trainer._step(item, StopRequest())
            if number >= WARM_UP:
                new = trainer.features.num_encoded - encoded
                flops += needed_flops(setup.prepared.inner, item, new)
        torch.cuda.synchronize()
        wall = time.perf_counter() - start
    return {
        "samples_per_s": steps * setup.config.data.batch / wall,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
        "estimate_gb": setup.prepared.memory.total / 1e9,
        "flops_per_s": flops / wall,
    }


def main() -> None:
    """Time one model and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=BATCHES, nargs="?", default="vicuna-7b")
    parser.add_argument("--device-batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--scale", type=float, default=10.0)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("gpu_step.py needs a CUDA GPU, and there is none here")
    device = torch.cuda.get_device_name()
    with tempfile.TemporaryDirectory() as folder:
        build = make_build(Path(folder), given.scale)
        found = our_side(gpu_setup(build, given), given.steps)
    peak = next((rate for name, rate in PEAK_FLOPS.items() if name in device), None)
    used = "" if peak is None else f", {100 * found['flops_per_s'] / peak:.0f} % of peak FLOPs"
    print(
        f"{given.model} on {device}, torch {torch.__version__}: {found['samples_per_s']:.1f} "
        f"samples/s, peak {found['peak_gb']:.1f} GB (estimate {found['estimate_gb']:.1f}){used}"
    )


def gpu_setup(build: Build, given: argparse.Namespace) -> Setup:
    """Set up the paper's run of a model without its checkpointing and saving."""
    settings = (
        f"model.name={given.model}", f"data.batch={BATCHES[given.model]}", "data.workers=8",
        f"run.device_batch={given.device_batch}", "run.device=cuda", "run.precision=bf16",
        "run.validate_every=0", "run.tensorboard=false",
    )  # fmt: skip
    config = load_recipe("paper-without-capfilt", settings)
    return set_up(build, config, load_catalog(), Ranks(), full_size(given.model))


if __name__ == "__main__":
    main()
