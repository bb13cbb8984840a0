"""Scoring alone: 100,000 VQA answers, and CIDEr of a set of NoCaps val's size, from texts on.

Run: python benchmarks/metrics.py. Made data: VQA answers of which a third is rare, captions that
are all different, words by Zipf's law. Beside ours: VQA's rules followed item by item with nothing
remembered, and pycocoevalcap where it and java are there (`make check-metrics` installs it).
Figures are CPU seconds, medians of rounds in turn.
"""

import random
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from instructify.metrics import Item, Prediction, choose_scoring, score
from instructify.metrics.vqa import leave_one_out
from instructify.metrics.vqa_text import flat, normalise

NUM_ANSWERS = 100_000
NUM_PICTURES, NUM_CAPTIONS = 4_500, 10
ROUNDS = 3
_COMMON = "yes no 2 1 white red the cat left two dogs on a table tennis racket it's 10,000".split()  # noqa: SIM905


def in_turn(ways: Mapping[str, Callable[[], float]]) -> None:
    """Time each way in every round, and print what it gave."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, work in ways.items():
            before = time.process_time()
            start = time.perf_counter()
            values[name] = work()
            # Java is another process: its time is seen on the wall alone.
            took = time.process_time() - before
            times[name].append(time.perf_counter() - start if "java" in name else took)
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        span = f"{min(seconds):.2f}-{max(seconds):.2f}"
        print(f"{name:<44}{middle:>8.2f} s{span:>14}   value {values[name]:.4f}")


def vqa() -> None:
    """Answers of a few words; ten annotators choose among three."""
    dice = random.Random(0)
    rare = [f"{dice.choice(_COMMON)} {number}" for number in range(NUM_ANSWERS // 3)]

    def answer() -> str:
        return dice.choice(rare) if dice.random() < 1 / 3 else dice.choice(_COMMON)

    items = []
    predictions = []
    for number in range(NUM_ANSWERS):
        said = [answer() for _ in range(3)]
        golds = tuple(dice.choices(said, (6, 3, 1), k=10))
        items.append(Item(id=str(number), references=golds))
        predictions.append(Prediction(str(number), dice.choice(said)))

    def ours(variant: str) -> float:
        return score(choose_scoring("vqav2", "vqa_accuracy", variant), items, predictions).value

    def plainly() -> float:
        scores = []
        for item, prediction in zip(items, predictions, strict=True):
            text, golds = flat(str(prediction.answer)), list(map(flat, item.references))
            if len(set(golds)) > 1:
                text, golds = normalise(text), list(map(normalise, golds))
            scores.append(leave_one_out(golds.count(text), len(golds)) if text in golds else 0.0)
        return sum(scores) / len(scores)

    in_turn(
        {
            "VQA, official": lambda: ours("official"),
            "VQA, lavis": lambda: ours("lavis"),
            "VQA, mmf": lambda: ours("mmf"),
            "VQA, official, nothing remembered": plainly,
        }
    )


def cider() -> None:
    """Captions of about eleven words, some with marks and clitics; domains as in NoCaps."""
    dice = random.Random(1)
    words = ["".join(dice.choices("abdeilmnoprst", k=3 + number % 6)) for number in range(8_000)]
    words[:12] = [
        "a",
        "man's",
        "the",
        "on",
        "T-shirt",
        "well-lit",
        "and",
        "it's",
        "3",
        "dog",
        "of",
        "in",
    ]
    chances = [1 / (rank + 2) for rank in range(len(words))]

    def caption() -> str:
        return " ".join(dice.choices(words, chances, k=dice.randint(7, 15))).capitalize() + "."

    golds = [[caption() for _ in range(NUM_CAPTIONS)] for _ in range(NUM_PICTURES)]
    said = [caption() for _ in range(NUM_PICTURES)]
    domains = [dice.choice(["in-domain", "near-domain", "out-domain"]) for _ in said]
    items = [
        Item(id=str(number), references=tuple(of), subset=domains[number])
        for number, of in enumerate(golds)
    ]
    predictions = [Prediction(str(number), one) for number, one in enumerate(said)]
    ways = {
        "CIDEr, with its three domains": lambda: (
            score(choose_scoring("nocaps", "cider"), items, predictions).value
        )
    }
    if find_spec("pycocoevalcap") is not None:
        from check_metrics import official, quiet, tokenized

        reference = official()

        def theirs() -> float:
            captions = tokenized(reference, golds), tokenized(reference, [[one] for one in said])
            with quiet():
                return reference.cider(*captions)[0]

        ways["CIDEr, pycocoevalcap and java, no domains"] = theirs
    in_turn(ways)


if __name__ == "__main__":
    vqa()
    cider()
