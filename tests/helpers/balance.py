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
    """Score the best guess per question text: the share of questions that it gets right.

    A text that was asked once would always be guessed by its own answer. So the guesses for the
    even questions come from the odd ones and the other way round; a text that the other half
    lacks gets that half's commonest answer.
    """
    rows = list(asked)
    if len(rows) < 2:
        return 0.0
    halves = (rows[::2], rows[1::2])
    right = _score(halves[0], halves[1]) + _score(halves[1], halves[0])
    return right / len(rows)


def _score(known: list[Asked], test: list[Asked]) -> int:
    by_text: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for question, answer in known:
        by_text[question][answer] += 1
    default = Counter(answer for _, answer in known).most_common(1)[0][0]
    best = {text: counts.most_common(1)[0][0] for text, counts in by_text.items()}
    return sum(best.get(question, default) == answer for question, answer in test)
