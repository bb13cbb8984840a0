"""The same samples in the plain Trainer of transformers, at full size."""

import time
from typing import Any

import torch
from gpu_data import Made
from gpu_training import sized_setup
from train_peer import PlainData, run_peer

from instructify_train.data.stream import SampleStream
from instructify_train.tiny.presets import Loaded

DEVICE_BATCH = {"flan-t5-xl": 32, "vicuna-7b": 16}  # with logits at all positions


def peer_part(name: str, made: Made, loaded: Loaded, *, dry: bool) -> dict[str, Any]:
    """Time steps of the Trainer on the same weights, grouped by length, after a step to warm up.

    Its trained parameters are in fp32 and the frozen ones in bf16, as ours are.
    """
    setup = sized_setup(name, made, loaded, dry=dry)
    batch = setup.config.data.batch
    each = 4 if dry else DEVICE_BATCH[name]
    steps = 1 if dry else 3
    inner = setup.prepared.inner
    samples = SampleStream(setup.mixed).read(0, steps * batch)
    image = inner.model.config.image_token_index
    data = PlainData(samples, setup.tokens, setup.pixels, inner.layout, image)
    if not dry:
        torch.cuda.reset_peak_memory_stats()

    def run(number: int) -> float:
        return run_peer(
            data, "group_by_length", "fp32" if dry else "bf16", batch=each, steps=number,
            workers=setup.config.data.workers, model=inner.model,
            accumulation=batch // each, on_gpu=not dry,
        )  # fmt: skip

    begin = time.perf_counter()
    run(1)
    wall = run(steps)
    return {
        "samples_per_s": steps * batch / wall,
        "device_batch": each,
        "peak_gb": None if dry else torch.cuda.max_memory_allocated() / 1e9,
        "seconds_in_all": time.perf_counter() - begin,
    }
