"""VQA accuracy: the score of an answer depends on how many annotators gave it.

For every annotator, min(matches among the others / 3, 1); the mean of these is the score of an
answer: 0, 0.3, 0.6, 0.9 or 1 with ten annotators. The variants differ in the texts that are
compared. Each gold counts as a different annotator's (the official script merges equal ones without
an answer id).
"""

from collections.abc import Callable, Sequence

from instructify.metrics.means import mean_scored, references_of, text_of
from instructify.metrics.model import Answer, Item, Scored
from instructify.metrics.vqa_text import flat, normalise, normalise_mmf, without_marks

_ANNOTATORS = 10
_ENOUGH = 3  # annotators who agree with an answer make it wholly right


def vqa_official(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score like VQA's own evaluation: texts stay unchanged if all golds are the same."""
    normal = remembered(normalise)

    def matches(answer: str, golds: Sequence[str]) -> int:
        flat_golds = [flat(gold) for gold in golds]
        if flat_golds.count(flat_golds[0]) == len(flat_golds):
            return len(golds) if flat(answer) == flat_golds[0] else 0
        wanted = normal(answer)
        return sum(normal(gold) == wanted for gold in golds)

    return _score(items, answers, matches)


def vqa_lavis(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score like LAVIS: the prediction is always normalised, golds only lose their punctuation.

    So neither "two" nor "2" matches a gold "two". If all golds are the same, they stay unchanged.
    """
    normal, stripped = remembered(normalise), remembered(without_marks)

    def matches(answer: str, golds: Sequence[str]) -> int:
        wanted = normal(answer)
        if golds.count(golds[0]) == len(golds):
            return len(golds) if wanted == golds[0] else 0
        return sum(stripped(gold) == wanted for gold in golds)

    return _score(items, answers, matches)


def vqa_mmf(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score like MMF (TextVQA's own scorer): both sides are always normalised."""
    normal = remembered(normalise_mmf)

    def matches(answer: str, golds: Sequence[str]) -> int:
        wanted = normal(answer)
        return sum(normal(gold) == wanted for gold in golds)

    return _score(items, answers, matches)


def aokvqa_direct_answer(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score like A-OKVQA: min(annotators who gave exactly this text / 3, 1), not normalised."""
    texts = (text_of(item, answer) for item, answer in zip(items, answers, strict=True))
    return mean_scored(
        0.0 if text is None else min(references_of(item).count(text) / _ENOUGH, 1)
        for item, text in zip(items, texts, strict=True)
    )


def leave_one_out(matches: int, annotators: int) -> float:
    """Average min(matches among the others / 3, 1) over the annotators."""
    agreeing = matches * min((matches - 1) / _ENOUGH, 1)
    others = (annotators - matches) * min(matches / _ENOUGH, 1)
    return (agreeing + others) / annotators


def remembered(function: Callable[[str], str]) -> Callable[[str], str]:
    """Cache a function of texts, since answers repeat."""
    known: dict[str, str] = {}

    def once(text: str) -> str:
        result = known.get(text)
        if result is None:
            result = known[text] = function(text)
        return result

    return once


def _score(
    items: Sequence[Item],
    answers: Sequence[Answer],
    matches: Callable[[str, Sequence[str]], int],
) -> Scored:
    scores = []
    unusual = 0
    for item, answer in zip(items, answers, strict=True):
        golds, text = references_of(item), text_of(item, answer)
        unusual += len(golds) != _ANNOTATORS
        num_matches = 0 if text is None else matches(text, golds)
        scores.append(leave_one_out(num_matches, len(golds)) if num_matches else 0.0)
    notes = []
    if unusual:
        notes.append(
            f"{unusual:,} items have not ten references; with fewer than four an answer cannot "
            "score 1, with one it scores 0"
        )
    return mean_scored(scores, notes=notes)
