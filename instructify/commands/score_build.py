"""References of a build for `score`: which samples are scored, and which ids name them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify.build import Build
from instructify.metrics import Item, Prediction, is_gold_for, item_of_row, metric_of_form

_COLUMNS = (
    "sample_id",
    "record_id",
    "form",
    "draw",
    "references",
    "candidates",
    "candidate_set",
    "choice_index",
    "subset",
    "difficult",
    "relevance",
)


_WANTED = {"auc": "labels", "mrr": "true options"}


class Golds(NamedTuple):
    """The items of one split and form, named by their record ids.

    `aliases` maps sample ids and raw ids (such as the number of a question) to record ids.
    """

    items: list[Item]
    aliases: Mapping[str, str]
    form: str
    vocabulary: Collection[str] | None


class _Row(NamedTuple):
    sample_id: str
    item: Item
    form: str
    candidate_set: str | None


def golds_of(
    build: Build,
    name: str,
    metric: str,
    predictions: Sequence[Prediction],
    *,
    split: str | None,
    form: str | None,
) -> Golds:
    """Read the references that belong to the predictions.

    Raises:
        UserError: the split or the form is not clear, or the split has nothing to score against.
    """
    chosen = split if split is not None else _split_of(build, name, predictions)
    rows = _rows(build, name, chosen)
    form = form if form is not None else _form_of(name, chosen, rows, predictions)
    forms = {row.form for row in rows}
    if form not in forms:
        raise UserError(
            f"{name}/{chosen} has no samples of form '{form}'; {did_you_mean(form, forms)}"
        )
    rows = [row for row in rows if row.form == form]
    metric = metric_of_form(metric, form)
    golds = [row for row in rows if is_gold_for(row.item, metric)]
    if not golds:
        raise UserError(
            f"{name}/{chosen} has no {_WANTED.get(metric, 'references')} to score against; authors "
            "keep those of some splits, so score another one with --split"
        )
    sets = {row.candidate_set for row in golds}
    shared = sets.pop() if len(sets) == 1 else None
    return Golds(
        items=[row.item for row in golds],
        aliases=_aliases(name, chosen, golds),
        form=form,
        vocabulary=None if shared is None else build.candidate_sets().get(shared),
    )


def _split_of(build: Build, name: str, predictions: Sequence[Prediction]) -> str:
    """Return the split that the ids of the predictions name, or the only split."""
    splits = list(build.dataset(name).splits)
    named = {
        parts[1]
        for parts in (prediction.id.split("/", 2) for prediction in predictions)
        if len(parts) == 3 and parts[0] == name and parts[1] in splits
    }
    if len(named) == 1:
        return named.pop()
    if len(splits) == 1:
        return splits[0]
    raise UserError(
        f"{name} has the splits {', '.join(splits)} in {build.paths.root}; say which one was "
        "predicted with --split"
    )


def _form_of(name: str, split: str, rows: Sequence[_Row], predictions: Sequence[Prediction]) -> str:
    """Return the form of the predicted samples, or the only form."""
    forms = {row.form for row in rows}
    if len(forms) > 1:
        ids = {prediction.id for prediction in predictions}
        forms = {row.form for row in rows if row.sample_id in ids or row.item.id in ids} or forms
    if len(forms) == 1:
        return forms.pop()
    raise UserError(
        f"{name}/{split} has samples of the forms {', '.join(sorted(forms))}; score one of them, "
        "with --form"
    )


def _rows(build: Build, name: str, split: str) -> list[_Row]:
    """Read the first draw of each record: draws differ in the prompt, not in the reference."""
    table = build.samples(name, split).select(_COLUMNS)
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    rows = (dict(zip(_COLUMNS, values, strict=True)) for values in zip(*columns, strict=True))
    return [
        _Row(row["sample_id"], _item(row), row["form"], row["candidate_set"])
        for row in rows
        if row["draw"] == 0
    ]


def _item(row: Mapping[str, Any]) -> Item:
    is_choice = row["form"] == "multiple_choice"
    return item_of_row(row, row["candidates"] if is_choice else None)


def _aliases(name: str, split: str, rows: Sequence[_Row]) -> dict[str, str]:
    prefix = f"{name}/{split}/"
    by_raw_id = {row.item.id.removeprefix(prefix): row.item.id for row in rows}
    return {**by_raw_id, **{row.sample_id: row.item.id for row in rows}}
