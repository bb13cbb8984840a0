"""Training steps of full size: rate, memory beside its estimate, utilisation, split of time."""

import gc
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from gpu_data import Made
from gpu_marks import watch
from gpu_models import BATCHES, PEAK_FLOPS, sample_flops

from instructify_train.data.loader import load
from instructify_train.data.steps import Step, encode_samples
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import Setup, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer
from instructify_train.tiny.presets import Loaded

WORKERS = 12


def sized_setup(
    name: str, made: Made, loaded: Loaded, settings: tuple[str, ...] = (), *, dry: bool
) -> Setup:
    """Set up the paper's run of a model, without validation and saving."""
    given = (
        f"data.batch={8 if dry else BATCHES[name]}", f"data.workers={1 if dry else WORKERS}",
        f"run.device={'cpu' if dry else 'cuda'}", f"run.precision={'fp32' if dry else 'bf16'}",
        "data.augmentation=paper", "run.validate_every=0", "run.tensorboard=false",
        "run.log_every=1000000", "run.save_every=1000000", "optimizer.lr=1e-5",
        *(("mixture.reference_ranks=4",) if dry else ()), *settings,
    )  # fmt: skip
    config = load_recipe(str(made.recipe), given)
    return set_up(made.build, config, made.catalog, Ranks(), loaded)


def timed_steps(setup: Setup, steps: int, warm_up: int = 3) -> dict[str, Any]:
    """Time steps after a warm-up; figures a second are of all that happens between two steps."""
    on_gpu = setup.prepared.device.type == "cuda"
    waited, passes, padded, start = 0.0, 0, 0, 0.0
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(setup, Path(folder), start=None, shows=False)
        trainer.model.train()
        marks = watch(trainer)
        items: Iterator[Step]
        with load(setup.steps(0), range(warm_up + steps), setup.config.data.workers) as items:
            for number in range(warm_up + steps):
                if number == warm_up:
                    marks.seconds()
                    marks.mark("between steps")
                    if on_gpu:
                        torch.cuda.reset_peak_memory_stats()
                    start, waited = time.perf_counter(), 0.0
                before = time.perf_counter()
                item = next(items)
                waited += time.perf_counter() - before
                trainer._step(item, StopRequest())
                if number >= warm_up:
                    samples += [sample for one in item.passes for sample in one.samples]
                    passes += len(item.passes)
                    padded += sum(one.micro.input_ids_BL.numel() for one in item.passes)
        if on_gpu:
            torch.cuda.synchronize()
        wall = time.perf_counter() - start
        parts = marks.seconds()
    batch = setup.config.data.batch
    return {
        "samples_per_s": steps * batch / wall,
        "seconds_a_step": wall / steps,
        "data_wait": waited / wall,
        "passes_a_step": passes / steps,
        "positions_a_step": padded / steps,
        "estimate_gb": setup.prepared.memory.total / 1e9,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if on_gpu else None,
        "split": {part: taken / wall for part, taken in sorted(parts.items())},
        **_utilisation(setup, samples, wall, on_gpu),
    }


def _utilisation(setup: Setup, samples: list[Any], wall: float, on_gpu: bool) -> dict[str, Any]:
    config = setup.prepared.inner.model.config
    needed = 0.0
    lengths = []
    for one in encode_samples(setup.tokens, samples):
        counts = sample_flops(
            config, asked=len(one.qformer), read=len(one.instruction), answered=len(one.response)
        )
        needed += counts.total
        lengths.append(config.num_query_tokens + len(one.instruction) + len(one.response))
    lengths.sort()
    device = torch.cuda.get_device_name() if on_gpu else ""
    peak = next((rate for name, rate in PEAK_FLOPS.items() if name in device), None)
    return {
        "tflop_a_sample": needed / len(samples) / 1e12,
        "tflop_per_s": needed / wall / 1e12,
        "mfu": None if peak is None else needed / wall / peak,
        "positions_mean": sum(lengths) / len(lengths),
        "positions_p95": lengths[int(0.95 * len(lengths))],
    }


def train_part(name: str, made: Made, loaded: Loaded, *, dry: bool) -> dict[str, Any]:
    """Time the run as the recipe has it, with passes as large as fit."""
    setup = sized_setup(name, made, loaded, dry=dry)
    return {**_timed(setup, 8, dry=dry), **_budget(setup)}


def sweep_part(name: str, made: Made, loaded: Loaded, *, dry: bool) -> dict[str, Any]:
    """Time other budgets of a pass."""
    found = {}
    for tokens in (512,) if dry else (2048, 4096, 8192, 16384):
        setup = sized_setup(name, made, loaded, (f"run.device_tokens={tokens}",), dry=dry)
        timed = _timed(setup, 3, dry=dry)
        kept = ("samples_per_s", "mfu", "peak_gb", "estimate_gb", "passes_a_step")
        found[str(tokens)] = {key: timed[key] for key in kept}
        del setup
        free()
    return found


def compile_part(name: str, made: Made, loaded: Loaded, *, dry: bool) -> dict[str, Any]:
    """Time the same with and without torch.compile; warm-up steps compile and are not counted."""
    found = {}
    for choice in ("false", "auto") if dry else ("false", "true"):
        setup = sized_setup(name, made, loaded, (f"run.compile={choice}",), dry=dry)
        begin = time.perf_counter()
        timed = _timed(setup, 6, dry=dry)
        kept = ("samples_per_s", "mfu", "peak_gb", "seconds_a_step")
        found[choice] = {key: timed[key] for key in kept}
        found[choice]["seconds_in_all"] = time.perf_counter() - begin
        del setup
        free()
    return found


def _timed(setup: Setup, steps: int, *, dry: bool) -> dict[str, Any]:
    return timed_steps(setup, 1, 1) if dry else timed_steps(setup, steps)


def _budget(setup: Setup) -> dict[str, Any]:
    rule: Any = setup.share.rule
    return {"budget": getattr(rule, "positions", None)}


def free() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
