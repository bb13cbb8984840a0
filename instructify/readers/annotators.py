"""What a release's annotators answered: all of it for scoring, one of it as the training target."""

from collections.abc import Iterable
from typing import NamedTuple

from instructify.readers.base import Option, ReadContext
from instructify.readers.text import clean, most_common, weighted_choice

TARGET = Option(
    kind="choice",
    help="the training target: the most common answer, or one drawn by how often it was given",
    choices=("most_common", "weighted"),
)


class Answers(NamedTuple):
    """The answers that are not empty, as typed; `chosen` is the index of the target."""

    texts: list[str]
    chosen: int

    @property
    def target(self) -> str:
        return self.texts[self.chosen]


def collect_answers(context: ReadContext, raw_id: str, answers: Iterable[str]) -> Answers | None:
    """Clean the answers and choose the target as option `target` says; None if all are empty."""
    texts = [text for text in map(clean, answers) if text]
    if not texts:
        return None
    if context.options.get("target") == "weighted":
        record_id = f"{context.dataset}/{context.split}/{raw_id}"
        return Answers(texts, weighted_choice(texts, record_id, context.seed))
    return Answers(texts, most_common(texts))
