"""Restricted decoding beside free decoding and transformers' callback, in one run.

Run: python benchmarks/restrict.py [--rounds N]. 5 beams, a vocabulary of 32,001, 1,852 candidates
(as many as MSVD-QA has answers) of five tokens, so that all ways generate six positions (a random
model hardly ever ends of itself; checked). Figures are CPU time of one thread per generated
position of the whole batch; restricted answers are compared before anything is timed.
"""

import argparse
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from language_models import (
    END,
    FAMILIES,
    PAD,
    count_parameters,
    language_model,
    prefixes,
    seconds_in_turn,
)

from instructify_train.decode.restrict import TrieLogitsProcessor
from instructify_train.decode.trie import Trie

VOCABULARY = 32_001
COUNT, LENGTH, BEAMS, PREFIX = 1_852, 5, 5, 60


def answers(seed: int) -> list[list[int]]:
    """Return candidates of five tokens whose first tokens are shared by some."""
    draw = random.Random(seed)
    first = [[draw.randrange(3, VOCABULARY) for _ in range(2)] for _ in range(400)]
    return [
        [*draw.choice(first), *(draw.randrange(3, VOCABULARY) for _ in range(LENGTH - 2))]
        for _ in range(COUNT)
    ]


def callback(of_set: Sequence[Sequence[int]], start: int) -> Callable[[int, Any], list[int]]:
    """Return the usual `prefix_allowed_tokens_fn`: a dictionary from beginnings to tokens."""
    followers: dict[tuple[int, ...], set[int]] = {}
    for candidate in of_set:
        for place, token in enumerate([*candidate, END]):
            followers.setdefault(tuple(candidate[:place]), set()).add(token)
    lists = {begun: list(tokens) for begun, tokens in followers.items()}

    def allowed(row: int, ids: Any) -> list[int]:
        return lists.get(tuple(ids[start:].tolist()), [END, PAD])

    return allowed


def compare(family: str, size: str, rows: int, rounds: int) -> None:
    """Print one table."""
    model = language_model(family, size, VOCABULARY)
    embeds, mask = prefixes(model, rows, PREFIX)
    of_set = answers(0)
    start = int(family == "t5")
    trie = Trie.of(of_set, end=END)

    def generate(**options: Any) -> Any:
        return model.generate(
            inputs_embeds=embeds,
            attention_mask=mask,
            num_beams=BEAMS,
            do_sample=False,
            max_new_tokens=LENGTH + 1,
            eos_token_id=END,
            pad_token_id=PAD,
            **options,
        )

    def ours() -> Any:
        processor = TrieLogitsProcessor(trie, start=start, num_beams=BEAMS, after_end=[END, PAD])
        return generate(logits_processor=[processor])

    ways: dict[str, Callable[[], Any]] = {
        "free": generate,
        "restricted": ours,
        "callback": lambda: generate(prefix_allowed_tokens_fn=callback(of_set, start)),
    }
    found = {name: way() for name, way in ways.items()}
    if not torch.equal(found["restricted"], found["callback"]):
        raise SystemExit("restricted decoding and the callback disagree")
    widths = {name: ids.shape[1] - start for name, ids in found.items()}
    if set(widths.values()) != {LENGTH + 1}:
        raise SystemExit(f"the ways generated unequal numbers of positions: {widths}")
    took = seconds_in_turn(ways, rounds)
    print(
        f"{size} {family}: {count_parameters(model):.1f} M parameters, {rows} rows, {BEAMS} beams"
    )
    for name, seconds in took.items():
        print(
            f"  {name:<12}{seconds / (LENGTH + 1) * 1e3:>9.2f} ms a position"
            f"{seconds / took['free']:>7.3f}x",
            flush=True,
        )


def processor_alone(rows: int, rounds: int) -> None:
    """Print the time of one call of each processor at the fourth position, model apart."""
    from transformers.generation.logits_process import PrefixConstrainedLogitsProcessor

    of_set = answers(0)
    ids = torch.tensor([of_set[number % COUNT][:3] for number in range(rows * BEAMS)])
    scores = torch.randn(rows * BEAMS, VOCABULARY)
    fast = TrieLogitsProcessor(
        Trie.of(of_set, end=END), start=0, num_beams=BEAMS, after_end=[END, PAD]
    )
    slow = PrefixConstrainedLogitsProcessor(callback(of_set, 0), BEAMS)
    if not torch.equal(fast(ids, scores), slow(ids, scores)):
        raise SystemExit("the processors disagree")
    ways = {
        "log_softmax, for scale": lambda: scores.log_softmax(-1),
        "restricted": lambda: fast(ids, scores),
        "callback": lambda: slow(ids, scores),
    }
    print(f"one call, {rows} rows, {BEAMS} beams, vocabulary {VOCABULARY:,}")
    for name, seconds in seconds_in_turn(ways, 4 * rounds).items():
        print(f"  {name:<24}{seconds * 1e3:>8.2f} ms")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        processor_alone(8, options.rounds)
        for size in ("tiny", "scaled"):
            for family in FAMILIES:
                compare(family, size, 8, options.rounds)


if __name__ == "__main__":
    main()
