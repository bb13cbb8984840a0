"""Evaluation: a trained model answers the questions of a protocol, and is scored.

`run` evaluates one protocol from build to result, `predict` answers its questions part by part,
`answering` is a model that answers, `trained` loads it, `merge` writes it
for plain transformers, `result_folder` holds what comes out.
`questions` is a first look without a protocol, `model_check` says whether a model is whole, `xray`
shows what the model reads of a sample.
"""

from instructify_train.evaluate.answering import Answerer, answerer_of
from instructify_train.evaluate.merge import merge, precisions
from instructify_train.evaluate.model_check import Checked, check_model
from instructify_train.evaluate.predict import Evaluator
from instructify_train.evaluate.questions import ask, share_right
from instructify_train.evaluate.result_folder import check_out
from instructify_train.evaluate.run import (
    EvaluationOptions,
    evaluate_protocol,
    evaluated_model,
    score_predictions,
)
from instructify_train.evaluate.trained import load_trained
from instructify_train.evaluate.xray import DEFAULT_MODEL, XRay

__all__ = [
    "Answerer",
    "Checked",
    "DEFAULT_MODEL",
    "EvaluationOptions",
    "Evaluator",
    "XRay",
    "answerer_of",
    "ask",
    "check_model",
    "check_out",
    "evaluate_protocol",
    "evaluated_model",
    "load_trained",
    "merge",
    "precisions",
    "score_predictions",
    "share_right",
]
