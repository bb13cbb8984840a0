"""The memory of the paper's runs as `train` reckons it before the start, without any weights.

Run: python benchmarks/memory.py (about a minute). bf16, one GPU, samples as long as the
recipes allow, with and without checkpointed activations. It is a reckoning, not a measurement.
"""

import torch
from full_sizes import LANGUAGE, full_config
from transformers import InstructBlipForConditionalGeneration

from instructify_train.recipe import load_recipe
from instructify_train.run.memory import estimate
from instructify_train.run.setup import configure
from instructify_train.tiny.presets import build_preset

CASES = ((False, 8), (False, 16), (True, 8), (True, 32))  # checkpointed, samples at once


def main() -> None:
    """Print a row for each published size."""
    processor = build_preset("tiny-llama").processor  # for the statistics of pictures alone
    titles = [f"{samples}{', checkpointed' if saved else ''}" for saved, samples in CASES]
    print("GB: weights, gradients and moments; in all at " + "; ".join(titles), flush=True)
    for name in LANGUAGE:
        with torch.device("meta"):
            model = InstructBlipForConditionalGeneration(full_config(name))
        found = []
        for saved, samples in CASES:
            setting = f"run.checkpoint_activations={str(saved).lower()}"
            config = load_recipe(f"paper-{name}", [setting])
            with torch.device("meta"):
                inner = configure(model, processor, config, torch.bfloat16)
            found.append(estimate(inner, config, samples))
        first = found[0]
        totals = "  ".join(f"{one.total / 1e9:5.0f}" for one in found)
        print(
            f"{name:<12} {first.weights / 1e9:5.1f}  {first.optimizer / 1e9:4.1f}  {totals}",
            flush=True,
        )


if __name__ == "__main__":
    main()
