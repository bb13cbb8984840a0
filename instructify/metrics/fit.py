"""Check whether the references of a set allow a right answer the full score of its metric.

VQA accuracy and iVQA accuracy count annotators who agree. If most items have too few of them, even
a perfect model can't score 1, so such a set is scored by exact match instead.
"""

from collections.abc import Sequence
from typing import NamedTuple

from instructify.metrics.exact import exact_lavis
from instructify.metrics.model import Item, Scorer
from instructify.metrics.vqa import aokvqa_direct_answer

METRIC = "accuracy"
VARIANT = "lavis"  # both sides are normalised by the rules of VQA, and any reference counts
_NEEDED = {"vqa_accuracy": 4, "ivqa_accuracy": 2}  # references, for a right answer to score 1
_NEEDED_BY_AOKVQA = 3


class Replacement(NamedTuple):
    """The metric that replaces a set's own, and the sentence that explains it."""

    scorer: Scorer
    note: str


def replacement(metric: str, scorer: Scorer, items: Sequence[Item]) -> Replacement | None:
    """Return a metric for items with too few references for their own; None: they have enough."""
    needed = _NEEDED_BY_AOKVQA if scorer is aokvqa_direct_answer else _NEEDED.get(metric)
    if needed is None:
        return None
    few = sum(0 < len(item.references) < needed for item in items)
    if 2 * few <= len(items):
        return None
    note = (
        f"{few:,} of {len(items):,} items have fewer than {needed} references, with which "
        f"{metric} gives no answer 1; scored by exact match with any reference instead, both "
        "normalised by the rules of VQA"
    )
    return Replacement(exact_lavis, note)
