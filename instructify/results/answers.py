"""The answers of an evaluation with their questions and references, read from its folder.

The files may come from a stranger: their size is limited, they are decoded into fixed types, and a
damaged file raises UserError.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_values, read_regular

PREDICTIONS = "predictions.jsonl"
REFERENCES = "references.jsonl"
_MOST_BYTES = 1 << 30
_MOST_LETTERS = 4_000  # of a text

T = TypeVar("T")


class _Prediction(msgspec.Struct):
    id: str | int
    prediction: str | None = None
    score: float | None = None
    scores: list[float] | None = None
    instruction: str | None = None
    item_score: float | None = None


class _Reference(msgspec.Struct):
    id: str | int
    references: list[str] = []
    choices: list[str] = []
    label: int | None = None
    gold: int | None = None


class AnsweredItem(NamedTuple):
    """A question, the answer of the model, the accepted answers, and the score of the item.

    `candidate` is the index of the candidate ranked first, whose text may be in the build only.
    """

    id: str
    question: str
    answer: str
    accepted: tuple[str, ...]
    score: float | None
    candidate: int | None = None


def read_answers(folder: Path) -> list[AnsweredItem]:
    """Read the answers of one evaluation; empty if the folder has no file of answers.

    Raises:
        UserError: a file is damaged.
    """
    predictions = list(_rows(folder / PREDICTIONS, _Prediction))
    references = {row.id: row for row in _rows(folder / REFERENCES, _Reference)}
    return [_item(row, references.get(row.id)) for row in predictions]


def _rows(path: Path, kind: type[T]) -> Iterator[T]:
    try:
        data = read_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            try:
                yield msgspec.convert(decode_values(line), kind)
            except (NotReadableError, msgspec.ValidationError) as error:
                raise UserError(
                    f"{path}, line {number} is damaged ({error}); evaluate again into another --out"
                ) from error


def _item(row: _Prediction, gold: _Reference | None) -> AnsweredItem:
    score = row.item_score if row.item_score is not None and math.isfinite(row.item_score) else None
    question, answer = (
        (text or "")[:_MOST_LETTERS] for text in (row.instruction, _answer(row, gold))
    )
    accepted = tuple(text[:_MOST_LETTERS] for text in _accepted(gold))
    best = _best(row.scores) if row.scores and row.prediction is None else None
    return AnsweredItem(str(row.id)[:_MOST_LETTERS], question, answer, accepted, score, best)


def _answer(row: _Prediction, gold: _Reference | None) -> str:
    if row.prediction is not None:
        return row.prediction
    if row.scores:
        return _ranked(row.scores, gold)
    return "" if row.score is None else f"probability {row.score:.3f}"


def _ranked(scores: Sequence[float], gold: _Reference | None) -> str:
    """Return the candidate with the highest score as text, with the rank of the right one."""
    best = _best(scores)
    choices = gold.choices if gold is not None else []
    text = choices[best] if best < len(choices) else f"candidate {best + 1} of {len(scores)}"
    right = None if gold is None else gold.gold
    if right is None or not 0 <= right < len(scores):
        return text
    rank = 1 + sum(score > scores[right] for score in scores)
    return f"{text}; the right one ranks {rank}"


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _accepted(gold: _Reference | None) -> tuple[str, ...]:
    if gold is None:
        return ()
    if gold.references:
        return tuple(gold.references)
    if gold.gold is not None and 0 <= gold.gold < len(gold.choices):
        return (gold.choices[gold.gold],)
    return () if gold.label is None else (f"label {gold.label}",)


def counted_texts(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Count equal texts, in the order of their first occurrence."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return list(counts.items())


def choose_items(items: Sequence[AnsweredItem], most: int) -> list[AnsweredItem]:
    """Choose items to show, wrong ones first: two thirds are wrong if there are that many.

    Both kinds are spread over the questions in their order, so the choice is always the same.
    """
    wrong = [item for item in items if item.score is not None and item.score < 1]
    right = [item for item in items if item.score is not None and item.score >= 1]
    others = [item for item in items if item.score is None]
    num_right = min(len(right), max(most // 3, most - len(wrong)))
    num_wrong = min(len(wrong), most - num_right)
    chosen = sorted(_spread(wrong, num_wrong), key=lambda item: item.score or 0.0)
    chosen += _spread(right, num_right)
    return chosen + _spread(others, most - len(chosen))


def _spread(items: Sequence[AnsweredItem], number: int) -> list[AnsweredItem]:
    number = min(number, len(items))
    return [items[len(items) * at // number] for at in range(number)]
