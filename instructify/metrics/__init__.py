"""Scorers: offline, of numpy alone, each in named variants.

scoring = choose_scoring("vqav2", "vqa_accuracy", "lavis")
result = score(scoring, [Item(id="1", references=("cat",) * 10)], [Prediction("1", "cat")])
"""

from instructify.metrics.align import Prediction
from instructify.metrics.files import answer_key, is_gold_for, read_items, read_predictions
from instructify.metrics.items import item_of_row
from instructify.metrics.model import Answer, Interval, Item, Result, Scored, Scorer
from instructify.metrics.scorers import (
    METRICS,
    Scoring,
    choose_scoring,
    metric_of_form,
    score,
    variants,
)

__all__ = [
    "Answer",
    "Interval",
    "Item",
    "METRICS",
    "Prediction",
    "Result",
    "Scored",
    "Scorer",
    "Scoring",
    "answer_key",
    "choose_scoring",
    "is_gold_for",
    "item_of_row",
    "metric_of_form",
    "read_items",
    "read_predictions",
    "score",
    "variants",
]
