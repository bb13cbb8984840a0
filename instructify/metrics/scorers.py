"""The scorers of each dataset with their variants, and the scoring of a whole set.

The first variant of a list is the default. `official` follows the dataset's authors (for VQA
accuracy: the authors of VQA); the other variants follow toolkits with which people compare results.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from instructify._util.errors import UserError, did_you_mean
from instructify.metrics.align import Prediction, align, by_item
from instructify.metrics.auc import auc
from instructify.metrics.cider import cider, cider_scorer
from instructify.metrics.exact import (
    binary,
    exact,
    exact_lavis,
    exact_lmms,
    in_vocabulary,
    ivqa,
    multiple_choice,
)
from instructify.metrics.fit import METRIC, VARIANT, replacement
from instructify.metrics.model import Answer, Item, Result, Scorer
from instructify.metrics.ranking import mrr
from instructify.metrics.vqa import aokvqa_direct_answer, vqa_lavis, vqa_mmf, vqa_official

_VQA: Mapping[str, Scorer] = {"official": vqa_official, "lavis": vqa_lavis, "mmf": vqa_mmf}
_TOOLKITS: Mapping[str, Scorer] = {"lavis": exact_lavis, "lmms": exact_lmms}
_BY_METRIC: Mapping[str, Mapping[str, Scorer]] = {
    "cider": {"official": cider},
    "vqa_accuracy": _VQA,
    "accuracy": {"official": multiple_choice, **_TOOLKITS},
    "ivqa_accuracy": {"official": ivqa},
    "mrr": {"official": mrr},
    "auc": {"official": auc},
}
METRICS = tuple(_BY_METRIC)
_BY_DATASET: Mapping[tuple[str, str], Mapping[str, Scorer]] = {
    ("textvqa", "vqa_accuracy"): {"mmf": vqa_mmf, **_VQA},
    ("aokvqa", "vqa_accuracy"): {**_VQA, "official": aokvqa_direct_answer, "vqa": vqa_official},
    ("gqa", "accuracy"): {"official": exact, **_TOOLKITS},
    ("vsr", "accuracy"): {"official": binary, **_TOOLKITS},
}
_BY_FORM: Mapping[tuple[str, str], Mapping[str, Scorer]] = {
    ("accuracy", "binary"): {"official": binary, **_TOOLKITS},
}
_IN_VOCABULARY = frozenset(["msvd_qa", "msrvtt_qa"])
_SKIPS_DIFFICULT = frozenset([("aokvqa", "vqa_accuracy", "official")])
_SUBSETS_APART = frozenset(["cider", "auc"])  # scored anew: no mean of the items' scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """A dataset's metric in one variant, ready to use."""

    dataset: str
    metric: str
    variant: str
    scorer: Scorer

    @property
    def skips_difficult(self) -> bool:
        return (self.dataset, self.metric, self.variant) in _SKIPS_DIFFICULT


def variants(dataset: str, metric: str, form: str | None = None) -> Mapping[str, Scorer]:
    """List the variants of a dataset's metric on records of a form, the default first."""
    special = _BY_DATASET.get((dataset, metric)) or _BY_FORM.get((metric, form or ""))
    return special or _BY_METRIC[metric]


def metric_of_form(metric: str, form: str | None) -> str:
    """Return the metric of a form: choices and yes or no are scored as right or wrong.

    This holds whatever the metric of the dataset's open answers is (A-OKVQA).
    """
    closed = form in ("multiple_choice", "binary")
    return "accuracy" if closed and metric in ("vqa_accuracy", "ivqa_accuracy") else metric


def choose_scoring(
    dataset: str,
    metric: str,
    variant: str | None = None,
    *,
    form: str | None = None,
    vocabulary: Collection[str] | None = None,
) -> Scoring:
    """Choose a variant by name; `vocabulary` has the possible answers of video questions."""
    known = variants(dataset, metric, form)
    name = next(iter(known)) if variant is None else variant
    if name not in known:
        raise UserError(
            f"{metric} of {dataset} has no variant '{name}'; {did_you_mean(name, known)}"
        )
    scorer = cider_scorer() if metric == "cider" else known[name]
    if dataset in _IN_VOCABULARY and name == "official":
        scorer = in_vocabulary(vocabulary)
    return Scoring(dataset=dataset, metric=metric, variant=name, scorer=scorer)


def score(
    scoring: Scoring,
    items: Sequence[Item],
    predictions: Iterable[Prediction],
    *,
    aliases: Mapping[str, str] | None = None,
    allow_missing: bool = False,
) -> Result:
    """Score predictions of items; `aliases` are further names of items, by name.

    A set with too few references for its metric is scored by exact match, and a note says so.
    UserError for missing, duplicate and unknown predictions; with `allow_missing` a missing one
    counts as wrong. Items that the variant leaves out (difficult questions of A-OKVQA) may be
    predicted and are not counted.
    """
    by_id = by_item(predictions, (item.id for item in items), aliases)
    kept = [item for item in items if not (scoring.skips_difficult and item.difficult)]
    instead = replacement(scoring.metric, scoring.scorer, kept)
    skips = scoring.skips_difficult
    if instead is not None:
        scoring = Scoring(
            dataset=scoring.dataset, metric=METRIC, variant=VARIANT, scorer=instead.scorer
        )
    aligned = align(kept, by_id, allow_missing=allow_missing)
    scored = scoring.scorer(kept, aligned.answers)
    metrics = dict(scored.metrics)
    if skips:
        metrics["difficult_skipped"] = len(items) - len(kept)
    groups = _groups(kept)
    values, notes = _subset_values(scoring, kept, aligned.answers, scored.scores, groups)
    return Result(
        dataset=scoring.dataset,
        metric=scoring.metric,
        variant=scoring.variant,
        value=scored.value,
        interval=scored.interval,
        count=len(kept),
        missing=aligned.missing,
        metrics=metrics,
        subsets=values,
        subset_counts={name: len(rows) for name, rows in groups.items()},
        notes=(*scored.notes, *notes, *([] if instead is None else [instead.note])),
        ids=aligned.ids,
        scores=scored.scores,
    )


def _groups(items: Sequence[Item]) -> dict[str, list[int]]:
    """Return rows by subset, sorted by name; empty if no item has one."""
    groups: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        if item.subset is not None:
            groups.setdefault(item.subset, []).append(row)
    return dict(sorted(groups.items()))


def _subset_values(
    scoring: Scoring,
    items: Sequence[Item],
    answers: Sequence[Answer],
    scores: np.ndarray,
    groups: Mapping[str, Sequence[int]],
) -> tuple[dict[str, float], list[str]]:
    if scoring.metric not in _SUBSETS_APART:
        return {name: float(scores[rows].mean()) for name, rows in groups.items()}, []
    values: dict[str, float] = {}
    notes: list[str] = []
    for name, rows in groups.items():
        try:
            part = scoring.scorer([items[row] for row in rows], [answers[row] for row in rows])
        except UserError as error:
            notes.append(f"subset {name}: {error}")
        else:
            values[name] = part.value
    return values, notes
