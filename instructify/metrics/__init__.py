"""Scorers: offline, of numpy alone, each in named variants.

scoring = choose_scoring("vqav2", "vqa_accuracy", "lavis")
result = score(scoring, [Item(id="1", references=("cat",) * 10)], [Prediction("1", "cat")])
"""

from instructify.metrics.align import Prediction
from instructify.metrics.model import Answer, Interval, Item, Result, Scored, Scorer
from instructify.metrics.scorers import Scoring, choose_scoring, score, variants

__all__ = [
    "Answer",
    "Interval",
    "Item",
    "Prediction",
    "Result",
    "Scored",
    "Scorer",
    "Scoring",
    "choose_scoring",
    "score",
    "variants",
]
