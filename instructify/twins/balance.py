"""How much can be answered without the picture: the best guess per question text.

Used by tests: a model must look at a twin's pictures to pass this rate.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Asked(NamedTuple):
    """One question as asked, exact text, and its right answer."""

    question: str
    answer: str


def guess_rate(asked: Iterable[Asked]) -> float:
    """Score the most frequent answer of each question text: the share of questions that it gets right."""
    by_text: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for question, answer in asked:
        by_text[question][answer] += 1
    total = sum(counts.total() for counts in by_text.values())
    return sum(max(counts.values()) for counts in by_text.values()) / total if total else 0.0
