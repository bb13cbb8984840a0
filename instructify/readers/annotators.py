"""Answers of a release's annotators: all of them for scoring, one of them as training target.

Some of ten answers may be empty: an annotator gave none, or the authors' clean-up removed all of
it. The same rule holds for every reader: the record stays, all answers stay references in their
order, the target is chosen among the answers that are not empty, and a question whose answers are
all empty is a reject.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from instructify.readers.base import Option, ReadContext
from instructify.readers.text import clean, most_common, weighted_choice

TARGET = Option(
    kind="choice",
    help="the training target: the most common answer, or one drawn by how often it was given",
    choices=("most_common", "weighted"),
    needs="labels",
)


class Answers(NamedTuple):
    """All answers, as published; `chosen` is the index of the target, which is not empty."""

    texts: list[str]
    chosen: int

    @property
    def target(self) -> str:
        return self.texts[self.chosen]


def collect_answers(context: ReadContext, raw_id: str, answers: Iterable[str]) -> Answers | None:
    """Clean the answers and choose the target by the option `target`; None if all are empty."""
    texts = [clean(answer) for answer in answers]
    chosen = choose_answer(context, raw_id, texts)
    return None if chosen is None else Answers(texts, chosen)


def choose_answer(context: ReadContext, raw_id: str, texts: Sequence[str]) -> int | None:
    """Return the index of the target among clean answers; None if all are empty."""
    if not any(texts):
        return None
    if context.options.get("target") != "weighted":
        return most_common(texts)
    given = [index for index, text in enumerate(texts) if text]
    record_id = f"{context.dataset}/{context.split}/{raw_id}"
    return given[weighted_choice([texts[i] for i in given], record_id, context.seed)]
