"""Ranking 300 candidates: ours, one candidate at a time, and the usual padded batch, in one run.

Run: python benchmarks/ranking.py [--rounds N]. Random models (`language_models.py`), one row of 60
prefix positions, `sum+eos`. Every way's scores are compared before anything is timed; positions are
counted where they enter the model. With the scaled models the usual ways are timed on a part of the
candidates and reckoned up. Then the share of rows with the same best candidate in bf16.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from language_models import (
    END,
    FAMILIES,
    PAD,
    candidates,
    count_parameters,
    language_model,
    prefixes,
    seconds_in_turn,
)
from numpy.typing import NDArray

from instructify_train.decode.ranking import Ranking, best_candidates, score_candidates
from instructify_train.decode.trie import Trie

COUNT = 300
PREFIX = 60
VOCABULARY = {"tiny": 2_048, "scaled": 32_001}
PART = {"tiny": 300, "scaled": 30}

Scores = NDArray[np.float64]


def one_by_one(model: Any, embeds: Any, mask: Any, of_set: Sequence[Sequence[int]]) -> Scores:
    """Run the whole model for each candidate, with labels."""
    found = []
    for candidate in of_set:
        labels = torch.tensor([[*candidate, END]])
        if model.config.is_encoder_decoder:
            loss = model(inputs_embeds=embeds, attention_mask=mask, labels=labels).loss
        else:
            whole = torch.cat([embeds, model.get_input_embeddings()(labels)], 1)
            ignored = torch.full(mask.shape, -100)
            loss = model(inputs_embeds=whole, labels=torch.cat([ignored, labels], 1)).loss
        found.append(-float(loss) * labels.shape[1])
    return np.array([found])


def padded(model: Any, embeds: Any, mask: Any, of_set: Sequence[Sequence[int]]) -> Scores:
    """Run all candidates as one padded batch: T5's encoder once, Llama's prefix repeated."""
    longest = max(map(len, of_set)) + 1
    labels = torch.tensor(
        [[*candidate, END, *[-100] * (longest - 1 - len(candidate))] for candidate in of_set]
    )
    if model.config.is_encoder_decoder:
        encoded = model.get_encoder()(inputs_embeds=embeds, attention_mask=mask)
        states = encoded.last_hidden_state.expand(len(of_set), -1, -1)
        logits = model(
            encoder_outputs=(states,),
            attention_mask=mask.expand(len(of_set), -1),
            decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels=labels),
        ).logits
    else:
        after = model.get_input_embeddings()(labels.clamp(min=PAD))
        whole = torch.cat([embeds.expand(len(of_set), -1, -1), after], 1)
        logits = model(inputs_embeds=whole, logits_to_keep=longest + 1).logits[:, :-1]
    loss = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2).float(), labels, reduction="none"
    )
    scores: Scores = -loss.sum(1).double().numpy()[None]
    return scores


def ours(model: Any, embeds: Any, mask: Any, of_set: Sequence[Sequence[int]]) -> Scores:
    """Rank, the building of the trie included."""
    return score_candidates(model, embeds, mask, Trie.of(of_set), Ranking(), end_token=END)


WAYS = {"one by one": one_by_one, "padded batch": padded, "ours": ours}


def positions(model: Any, way: Callable[[], object]) -> int:
    """Count positions: those that Llama's decoder sees; of T5, those projected to keys and values.

    A T5 decoder projects the encoder's output anew for every candidate that it is repeated for.
    """
    counted = 0

    def count(module: Any, given: tuple[Any, ...], output: Any) -> None:
        nonlocal counted
        counted += output.shape[:2].numel()

    if model.config.is_encoder_decoder:
        first = model.decoder.block[0].layer
        watched = [first[0].SelfAttention.k, first[1].EncDecAttention.k]
        watched.append(model.encoder.block[0].layer[0].SelfAttention.k)
    else:
        watched = [model.model.layers[0].self_attn.k_proj]
    handles = [module.register_forward_hook(count) for module in watched]
    way()
    for handle in handles:
        handle.remove()
    return counted


def compare(family: str, size: str, rounds: int) -> None:
    """Print one table."""
    model = language_model(family, size, VOCABULARY[size])
    of_set = candidates(COUNT, VOCABULARY[size])
    embeds, mask = prefixes(model, 1, PREFIX)
    trie = Trie.of(of_set)
    tokens = sum(map(len, of_set))
    print(
        f"{size} {family}: {count_parameters(model):.1f} M parameters, vocabulary "
        f"{VOCABULARY[size]:,}; {COUNT} candidates, {tokens} tokens, {trie.num_nodes - 1} nodes"
    )
    parts = dict.fromkeys(WAYS, PART[size]) | {"ours": COUNT}
    ways = {
        name: partial(way, model, embeds, mask, of_set[: parts[name]]) for name, way in WAYS.items()
    }
    found = {name: way() for name, way in ways.items()}
    took = seconds_in_turn(ways, rounds)
    counted = {name: positions(model, way) for name, way in ways.items()}
    for name, part in parts.items():
        share = COUNT / part
        difference = float(np.abs(found[name] - found["ours"][:, :part]).max())
        print(
            f"  {name:<13}{took[name] * share * 1e3:>10.1f} ms"
            f"{took[name] * share / took['ours']:>7.1f}x"
            f"{counted[name] * share:>9.0f} positions"
            f"{counted[name] * share / counted['ours']:>6.1f}x   difference {difference:.1e}",
            flush=True,
        )


def agreement(family: str, rows: int) -> None:
    """Print how often the best candidate in bf16 is the one in fp32, ours and one by one."""
    model = language_model(family, "tiny", VOCABULARY["tiny"], spread=0.3)
    of_set = candidates(COUNT, VOCABULARY["tiny"])
    embeds, mask = prefixes(model, rows, PREFIX)
    exact = best_candidates(ours(model, embeds, mask, of_set))
    model.to(torch.bfloat16)
    low = embeds.bfloat16()
    fast = best_candidates(ours(model, low, mask, of_set))
    slow = [
        best_candidates(one_by_one(model, low[row : row + 1], mask[row : row + 1], of_set))[0]
        for row in range(rows)
    ]
    pairs = {"ours/fp32": (fast, exact), "one by one/fp32": (slow, exact), "ours/one": (fast, slow)}
    shares = [
        f"{name} {np.mean([a == b for a, b in zip(*pair, strict=True)]):.3f}"
        for name, pair in pairs.items()
    ]
    print(f"bf16 {family}, same best of {COUNT} in {rows} rows: {', '.join(shares)}")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        for size in ("tiny", "scaled"):
            for family in FAMILIES:
                compare(family, size, options.rounds)
        for family in FAMILIES:
            agreement(family, options.rows)


if __name__ == "__main__":
    main()
