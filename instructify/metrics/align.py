"""Answers put beside the items they belong to; what is missing, twice there or unknown is named."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify.metrics.model import Answer, Item


class Prediction(NamedTuple):
    """An answer and the id under which it was given; `given` is the id as it was written."""

    id: str
    answer: Answer
    given: str | int | None = None


class Aligned(NamedTuple):
    """Answers in the order of the items, None where there is none."""

    ids: tuple[str | int, ...]
    answers: tuple[Answer, ...]
    missing: int


def by_item(
    predictions: Iterable[Prediction],
    known: Iterable[str],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Prediction]:
    """Find the item of each prediction by its id or by another name that items have.

    Two predictions of one item and predictions of no item are the user's mistake.
    """
    names = dict.fromkeys(known, "")
    found: dict[str, Prediction] = {}
    twice: list[str] = []
    unknown: list[str] = []
    for prediction in predictions:
        name = prediction.id if prediction.id in names else (aliases or {}).get(prediction.id)
        if name is None:
            unknown.append(prediction.id)
        elif name in found:
            twice.append(prediction.id)
        else:
            found[name] = prediction
    if twice:
        raise UserError(f"{_some(twice)} predicted more than once; keep one prediction an item")
    if unknown:
        raise UserError(f"{_some(unknown)} predicted, and no item has that id")
    if not found:
        raise UserError("there are no predictions")
    return found


def align(
    items: Sequence[Item], found: Mapping[str, Prediction], *, allow_missing: bool
) -> Aligned:
    """Put predictions beside their items; a missing one is an error unless it is allowed."""
    if not items:
        raise UserError("there are no items to score")
    missing = [item.id for item in items if item.id not in found]
    if missing and not allow_missing:
        raise UserError(
            f"{_some(missing)} not predicted, of {len(items):,} items; predict all, or count "
            "missing ones as wrong with --allow-missing"
        )
    chosen = [found.get(item.id) for item in items]
    return Aligned(
        tuple(_written(item, one) for item, one in zip(items, chosen, strict=True)),
        tuple(None if one is None else one.answer for one in chosen),
        len(missing),
    )


def _written(item: Item, prediction: Prediction | None) -> str | int:
    """Return an id as its prediction, or its gold, has it: a number stays one."""
    if prediction is not None:
        return prediction.id if prediction.given is None else prediction.given
    return item.id if item.given is None else item.given


def _some(ids: Sequence[str]) -> str:
    """Name the first of some ids."""
    if len(ids) == 1:
        return f"'{ids[0]}' is"
    return f"'{ids[0]}' and {len(ids) - 1:,} more are"
