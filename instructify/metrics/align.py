"""Assign answers to items, and name the ids that are missing, duplicate or unknown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify.metrics.model import Answer, Item


class Prediction(NamedTuple):
    """An answer with the id of its item; `given` is the id as it was written."""

    id: str
    answer: Answer
    given: str | int | None = None


class Aligned(NamedTuple):
    """Answers in the order of the items, None if there is none."""

    ids: tuple[str | int, ...]
    answers: tuple[Answer, ...]
    missing: int


def by_item(
    predictions: Iterable[Prediction],
    known: Iterable[str],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Prediction]:
    """Return predictions by the id of their item, found by this id or by another name of the item.

    UserError for two predictions of an item, and for predictions of no item.
    """
    names = dict.fromkeys(known, "")
    by_id: dict[str, Prediction] = {}
    twice: list[str] = []
    unknown: list[str] = []
    for prediction in predictions:
        name = prediction.id if prediction.id in names else (aliases or {}).get(prediction.id)
        if name is None:
            unknown.append(prediction.id)
        elif name in by_id:
            twice.append(prediction.id)
        else:
            by_id[name] = prediction
    if twice:
        raise UserError(f"{_some(twice)} predicted more than once; keep one prediction an item")
    if unknown:
        raise UserError(f"{_some(unknown)} predicted, and no item has that id")
    if not by_id:
        raise UserError("there are no predictions")
    return by_id


def align(
    items: Sequence[Item], predictions: Mapping[str, Prediction], *, allow_missing: bool
) -> Aligned:
    """Put predictions in the order of their items; a missing one is an error unless allowed."""
    if not items:
        raise UserError("there are no items to score")
    missing = [item.id for item in items if item.id not in predictions]
    if missing and not allow_missing:
        raise UserError(
            f"{_some(missing)} not predicted, of {len(items):,} items; predict all, or count "
            "missing ones as wrong with --allow-missing"
        )
    chosen = [predictions.get(item.id) for item in items]
    return Aligned(
        tuple(_written(item, prediction) for item, prediction in zip(items, chosen, strict=True)),
        tuple(None if prediction is None else prediction.answer for prediction in chosen),
        len(missing),
    )


def _written(item: Item, prediction: Prediction | None) -> str | int:
    """Return an id as its prediction, or its gold, has it: a number stays one."""
    if prediction is not None:
        return prediction.id if prediction.given is None else prediction.given
    return item.id if item.given is None else item.given


def _some(ids: Sequence[str]) -> str:
    """Return the first of some ids, for a message."""
    if len(ids) == 1:
        return f"'{ids[0]}' is"
    return f"'{ids[0]}' and {len(ids) - 1:,} more are"
