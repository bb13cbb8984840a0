"""The candidates of questions, and predictions from the likelihoods of candidates.

The texts that a model scores are not always the answers: `yes` and `true` both mean yes, and `(b)`
means the second choice.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify.protocols.model import CandidateRule
from instructify.templating import letter

Scores = Sequence[float] | NDArray[np.float64]


class CandidateSet(NamedTuple):
    """Texts to score, and for each text the index of its value in `values`."""

    texts: tuple[str, ...]
    stands_for: tuple[int, ...]
    values: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash of texts, values and their order."""
        content = json.dumps([self.texts, self.stands_for, self.values], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def of_choices(choices: Sequence[str], rule: CandidateRule) -> CandidateSet:
    """Make the candidates of the choices of a record."""
    values = tuple(choices)
    texts = values
    if rule.kind == "letters":
        texts = tuple(f"({letter(at)})" for at in range(len(values)))
    return CandidateSet(texts, tuple(range(len(values))), values)


def of_labels(labels: Mapping[str, Sequence[str]]) -> CandidateSet:
    """Make the candidates of fixed labels and the texts that stand for them."""
    pairs = [(text, at) for at, texts in enumerate(labels.values()) for text in texts]
    return CandidateSet(
        tuple(text for text, _ in pairs), tuple(at for _, at in pairs), tuple(labels)
    )


def of_vocabulary(values: Sequence[str]) -> CandidateSet:
    """Make the candidates of an answer vocabulary."""
    return CandidateSet(tuple(values), tuple(range(len(values))), tuple(values))


def value_scores(scores: Scores, candidates: CandidateSet, merge: str) -> NDArray[np.float64]:
    """Merge the log-likelihoods of the texts of each value: the maximum, or the log of the sum."""
    likelihoods = np.asarray(scores, np.float64)[: len(candidates.texts)]
    if len(candidates.values) == len(candidates.texts):
        return likelihoods
    merged = np.full(len(candidates.values), -np.inf)
    reduce = np.maximum if merge == "max" else np.logaddexp
    for score, at in zip(likelihoods, candidates.stands_for, strict=True):
        merged[at] = reduce(merged[at], score)
    return merged


def prediction_of(
    scores: Scores, candidates: CandidateSet, *, merge: str, metric: str
) -> dict[str, Any]:
    """Turn log-likelihoods into a prediction for a metric; the first of equal values wins.

    `auc` gets the probability of the first of two values, `mrr` a score for each option.
    """
    merged = value_scores(scores, candidates, merge)
    if metric == "auc":
        return {"score": _sigmoid(float(merged[0] - merged[1]))}
    if metric == "mrr":
        return {"scores": [float(score) for score in merged]}
    return {"prediction": candidates.values[int(merged.argmax())]}


def _sigmoid(value: float) -> float:
    """Return the sigmoid in a form that keeps small probabilities distinct; near 1 they may tie."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))


def vocabulary_of(
    sets: Mapping[str, Sequence[str]], name: str | None, dataset: str
) -> CandidateSet:
    """Make the candidates of the answer vocabulary of a split."""
    if name is None or name not in sets:
        raise UserError(
            f"{dataset} has no answer vocabulary in this build: it is made of the answers of "
            "train, so convert again with the train annotations below the raw root"
        )
    return of_vocabulary(sets[name])
