"""Decoding with a full-size language model: beams, restricted beams, 300 candidates ranked."""

import time
from collections.abc import Callable
from typing import Any

import torch
from gpu_training import sized_setup
from language_models import candidates

from instructify_train.decode import Decoding, Ranking, Trie, generate_answers, score_candidates
from instructify_train.tiny.presets import Loaded

CANDIDATES = 300
PREFIX = 65  # positions before an answer: 32 queries and an instruction
NEW = {True: 2, False: 10}


def decode_part(name: str, made: Any, loaded: Loaded, *, dry: bool) -> dict[str, Any]:
    """Time each way of answering, a second and question; the prefixes are random."""
    setup = sized_setup(name, made, loaded, dry=dry)  # brings the weights to their precision
    model = setup.prepared.inner.model.language_model.eval()
    tokenizer = loaded.processor.tokenizer
    rows = 2 if dry else 64
    new = NEW[dry]
    device = setup.prepared.device
    width = model.get_input_embeddings().weight.shape[1]
    embeds = torch.randn(rows, PREFIX, width, dtype=model.dtype, device=device)
    mask = torch.ones(rows, PREFIX, dtype=torch.long, device=device)
    of_set = candidates(20 if dry else CANDIDATES, len(tokenizer))
    end = tokenizer.eos_token_id
    free, restricted = Trie.of(of_set), Trie.of(of_set, end=end)

    def search(decoding: Decoding) -> object:
        return generate_answers(model, tokenizer, embeds, mask, decoding)

    def rank() -> object:
        few = 2 if dry else 8
        return score_candidates(model, embeds[:few], mask[:few], free, Ranking(), end_token=end)

    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "greedy": (rows, lambda: search(Decoding(beams=1, max_new_tokens=new, min_new_tokens=new))),
        "5 beams": (
            rows, lambda: search(Decoding(beams=5, max_new_tokens=new, min_new_tokens=new)),
        ),
        "5 beams, restricted": (rows, lambda: search(Decoding(beams=5, restrict=restricted))),
        f"{len(of_set)} candidates ranked": (2 if dry else 8, rank),
    }  # fmt: skip
    with torch.no_grad():
        return {what: questions / _seconds(way, device) for what, (questions, way) in ways.items()}


def _seconds(way: Callable[[], object], device: torch.device) -> float:
    """Time a call after one that warms up."""
    found = 0.0
    for _ in range(2):
        start = time.perf_counter()
        way()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found = time.perf_counter() - start
    return found
