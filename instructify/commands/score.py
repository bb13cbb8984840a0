"""`score`: score predictions of any model against the references of a file or a build."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.terminal import WIDTH, visible
from instructify._util.text_table import FigureColumn, TextColumn, table_lines
from instructify.catalog import Dataset, load_catalog
from instructify.metrics import (
    Prediction,
    Result,
    choose_scoring,
    metric_of_form,
    read_items,
    read_predictions,
    score,
)
from instructify.protocols import evaluated_form, metric_for

_MOST_SUBSETS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRequest:
    """The options of `score`."""

    name: str
    predictions: Path | Sequence[Prediction]
    references: Path | None
    build: Path | None
    split: str | None
    form: str | None
    variant: str | None
    allow_missing: bool
    catalog_file: Path | None


def run_score(request: ScoreRequest, *, with_items: bool, as_json: bool) -> None:
    """Print the score as text or as one JSON object."""
    result = scored(request)
    if as_json:
        print(json.dumps(result.summary(with_items=with_items), indent=1))
        return
    for line in result_lines(result):
        print(line)
    if with_items:
        print()
        for item_id, value in zip(result.ids, result.scores.tolist(), strict=True):
            print(f"{value:<8.4f}{visible(str(item_id))}")


def scored(request: ScoreRequest) -> Result:
    """Read predictions and references, and score the predictions."""
    dataset = load_catalog(extra=request.catalog_file).dataset(request.name)
    if (request.references is None) == (request.build is None):
        raise UserError("give either --references FILE or --build BUILD to score against")
    metric = _metric(dataset, request.form)
    predictions = _predictions(request, metric)
    if request.build is not None:
        return _against_build(request, request.build, metric, predictions)
    if request.split is not None:
        raise UserError("--split is for --build; a file of --references has no splits")
    assert request.references is not None
    metric = metric_of_form(metric, request.form)
    return score(
        choose_scoring(dataset.name, metric, request.variant, form=request.form),
        read_items(request.references, metric),
        predictions,
        allow_missing=request.allow_missing,
    )


def _predictions(request: ScoreRequest, metric: str) -> Sequence[Prediction]:
    if isinstance(request.predictions, Path):
        return read_predictions(request.predictions, metric)
    return request.predictions


def _against_build(
    request: ScoreRequest, folder: Path, metric: str, predictions: Sequence[Prediction]
) -> Result:
    from instructify.build import Build
    from instructify.commands.score_build import golds_of

    build = Build.open(folder)
    golds = golds_of(
        build, request.name, metric, predictions, split=request.split, form=request.form
    )
    metric = metric_of_form(metric, golds.form)
    return score(
        choose_scoring(
            request.name,
            metric,
            request.variant,
            form=golds.form,
            vocabulary=golds.vocabulary,
        ),
        golds.items,
        predictions,
        aliases=golds.aliases,
        allow_missing=request.allow_missing,
    )


def _metric(dataset: Dataset, form: str | None) -> str:
    """Return the metric of the dataset for a form, or for its usual form if `form` is None."""
    return metric_for(dataset, form or evaluated_form(dataset))


def result_lines(result: Result) -> Iterator[str]:
    """Return lines with a result for a terminal."""
    low, high = result.interval
    yield f"{result.dataset}: {result.metric}, variant {result.variant}"
    yield f"{_figure(result.value)}   95 % interval {_figure(low)} to {_figure(high)}"
    missing = f", {result.missing:,} of them missing and counted as wrong" if result.missing else ""
    yield f"{result.count:,} items{missing}"
    if result.metrics:
        yield ""
        rows = [[name, _figure(value)] for name, value in result.metrics.items()]
        yield from table_lines((TextColumn("metric", 24), FigureColumn("score", 11)), rows)
    if result.subsets:
        yield from _subset_lines(result.subsets, result.subset_counts)
    for note in result.notes:
        yield ""
        yield from textwrap.wrap(f"Note: {note}.", WIDTH)


def _subset_lines(subsets: Mapping[str, float], counts: Mapping[str, int]) -> Iterator[str]:
    """Return lines with the largest subsets, sorted by size."""
    yield ""
    names = sorted(subsets, key=lambda name: (-counts[name], name))
    columns = (TextColumn("subset", 48), FigureColumn("score", 11), FigureColumn("items", 11))
    rows = [[name, _figure(subsets[name]), f"{counts[name]:,}"] for name in names[:_MOST_SUBSETS]]
    yield from table_lines(columns, rows)
    if len(names) > _MOST_SUBSETS:
        yield f"and {len(names) - _MOST_SUBSETS} smaller ones; --json has all"


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
