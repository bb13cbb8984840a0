"""Accuracy: answers are right or wrong, by the rules of datasets and of other evaluation tools.

A text that can't be read as one of the allowed answers is wrong, and their number is reported:
ScienceQA's own script guesses at random instead.
"""

import string
from collections.abc import Callable, Collection, Sequence

from instructify._util.errors import UserError
from instructify.metrics.choices import chosen, the_choice
from instructify.metrics.means import mean_scored, references_of, text_of
from instructify.metrics.model import Answer, Item, Scored, Scorer
from instructify.metrics.vqa import remembered
from instructify.metrics.vqa_text import normalise

_BINARY = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Compare texts unchanged (GQA's own script)."""
    return _compared(items, answers, lambda text: text)


def exact_lavis(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Compare texts that are both normalised by the rules of VQA (LAVIS' GQA)."""
    return _compared(items, answers, remembered(normalise))


def exact_lmms(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Compare texts in lower case and without ASCII punctuation (lmms-eval's GQA)."""
    return _compared(items, answers, remembered(_without_case_and_punctuation))


def in_vocabulary(vocabulary: Collection[str] | None) -> Scorer:
    """Score video answers: exact text, and an answer outside the vocabulary is wrong.

    The authors' models choose among the answers of train, so an item whose gold is not among them
    counts as wrong for any prediction. Without a known vocabulary only the texts are compared.
    """
    known = None if vocabulary is None else frozenset(vocabulary)

    def score(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
        plain = exact(items, answers)
        if known is None:
            note = "no answer vocabulary was given, so golds outside of it were not counted wrong"
            return mean_scored(plain.scores, notes=[note])
        inside = [not known.isdisjoint(references_of(item)) for item in items]
        metrics = {"vocabulary": len(known), "gold_outside_vocabulary": inside.count(False)}
        return mean_scored(plain.scores * inside, metrics=metrics)

    return score


def binary(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score yes or no; "true", "1" and "false", "0" are equivalent, in any case, with a period."""
    scores = []
    unparsable = 0
    for item, answer in zip(items, answers, strict=True):
        golds = {_yes_or_no(gold) for gold in references_of(item)}
        if None in golds or len(golds) != 1:
            raise UserError(
                f"'{item.id}' has the references {list(item.references)}; a yes or a no is needed"
            )
        text = text_of(item, answer)
        label = None if text is None else _yes_or_no(text)
        unparsable += text is not None and label is None
        scores.append(float(label in golds))
    return mean_scored(scores, metrics={"unparsable": unparsable})


def multiple_choice(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score the chosen option, given as its text or as its letter; without choices, the text."""
    scores = []
    unparsable = 0
    for item, answer in zip(items, answers, strict=True):
        text = text_of(item, answer)
        if not item.choices:
            golds = [gold.strip() for gold in references_of(item)]
            scores.append(float(text is not None and text.strip() in golds))
            continue
        right = item.choices[the_choice(item)]
        choice = None if text is None else chosen(text, item.choices)
        unparsable += text is not None and choice is None
        scores.append(float(choice is not None and item.choices[choice] == right))
    if any(item.choices for item in items):
        return mean_scored(scores, metrics={"unparsable": unparsable})
    return mean_scored(scores)


def ivqa(items: Sequence[Item], answers: Sequence[Answer]) -> Scored:
    """Score iVQA: min(annotators who gave exactly this text / 2, 1)."""
    scores = []
    for item, answer in zip(items, answers, strict=True):
        golds, text = references_of(item), text_of(item, answer)
        scores.append(0.0 if text is None else min(golds.count(text) / 2, 1.0))
    return mean_scored(scores)


def _compared(
    items: Sequence[Item], answers: Sequence[Answer], seen: Callable[[str], str]
) -> Scored:
    """An answer is right if it is seen the same as one of the references."""
    scores = []
    for item, answer in zip(items, answers, strict=True):
        golds, text = references_of(item), text_of(item, answer)
        scores.append(float(text is not None and seen(text) in map(seen, golds)))
    return mean_scored(scores)


def _without_case_and_punctuation(text: str) -> str:
    return text.lower().translate(_NO_PUNCTUATION).strip()


def _yes_or_no(text: str) -> str | None:
    return _BINARY.get(text.strip().removesuffix(".").lower())
