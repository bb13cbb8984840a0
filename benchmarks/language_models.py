"""Random language models, prefixes and candidates for the benchmarks of decoding.

`tiny` is of the size that tests train; `scaled` has the shape of the real thing, small enough for a
CPU: a Llama of 51.7 M parameters and a T5 of 54.2 M with vocabularies of about 32,000.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

PAD, END = 0, 1
FAMILIES = ("llama", "t5")

_LLAMA = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "heads": 4},
    "scaled": {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 6, "heads": 8},
}
_T5 = {
    "tiny": {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4},
    "scaled": {"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 6, "num_heads": 8},
}


def language_model(family: str, size: str, vocabulary: int, spread: float = 0.05) -> Any:
    """Return a random model in evaluation mode; `spread` is the deviation of its embeddings."""
    torch.manual_seed(0)
    ids = {"pad_token_id": PAD, "eos_token_id": END, "vocab_size": vocabulary}
    if family == "t5":
        config = T5Config(
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=PAD,
            tie_word_embeddings=False,
            **_T5[size],
            **ids,
        )
        model = T5ForConditionalGeneration(config)
    else:
        shape = dict(_LLAMA[size])
        heads = shape.pop("heads")
        model = LlamaForCausalLM(LlamaConfig(num_attention_heads=heads, **shape, **ids))
    for embedding in {model.get_input_embeddings(), model.get_output_embeddings()}:
        torch.nn.init.normal_(embedding.weight, std=spread)
    return model.eval()


def prefixes(model: Any, rows: int, positions: int) -> tuple[Any, Any]:
    """Return random prefixes of equal length and their mask."""
    embeds = torch.randn(rows, positions, model.config.hidden_size, dtype=model.dtype)
    return embeds, torch.ones(rows, positions, dtype=torch.long)


def candidates(count: int, vocabulary: int, seed: int = 0) -> list[list[int]]:
    """Return distinct answers of one to three words out of 200, as a closed vocabulary has them.

    Words have one to three tokens and are drawn by a Zipf law.
    """
    draw = random.Random(seed)
    words = [
        [draw.randrange(3, vocabulary) for _ in range(draw.choice((1, 2, 2, 3)))]
        for _ in range(200)
    ]
    weights = [1 / (place + 1) for place in range(len(words))]
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        chosen = draw.choices(words, weights, k=draw.choice((1, 2, 2, 3)))
        found[tuple(token for word in chosen for token in word)] = None
    return [list(candidate) for candidate in found]


def seconds_in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each way's median CPU time, all run round by round, after one round unmeasured.

    CPU time of one thread: other programs on the machine take wall time, hardly this.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            if number:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def count_parameters(model: Any) -> float:
    """Return the number of parameters in millions."""
    return float(sum(parameter.numel() for parameter in model.parameters())) / 1e6
