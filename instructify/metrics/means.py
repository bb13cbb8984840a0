"""Combine scores of items into a `Scored` whose value is their mean."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from instructify._util.errors import UserError
from instructify.metrics.bootstrap import mean_interval
from instructify.metrics.model import Answer, Floats, Item, Scored


def mean_scored(
    scores: Iterable[float] | Floats,
    *,
    metrics: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
) -> Scored:
    """Return the mean of scores, its interval, and the scores."""
    column = np.asarray(scores if isinstance(scores, np.ndarray) else list(scores), np.float64)
    return Scored(
        value=float(column.mean()),
        scores=column,
        interval=mean_interval(column),
        metrics=metrics or {},
        notes=tuple(notes),
    )


def text_of(item: Item, answer: Answer) -> str | None:
    """Return the answer as a text, None if it is missing; UserError for another type."""
    if answer is None or isinstance(answer, str):
        return answer
    raise UserError(f"the prediction of '{item.id}' is no text; this metric needs `prediction`")


def references_of(item: Item) -> tuple[str, ...]:
    """Return the references; UserError if there are none."""
    if not item.references:
        raise UserError(
            f"'{item.id}' has no references; leave it out of the references and the predictions"
        )
    return item.references
