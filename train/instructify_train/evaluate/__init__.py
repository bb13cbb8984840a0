"""Evaluation: let a trained model answer the questions of a protocol, and score the answers.

`run` evaluates one protocol from build to result. `predict` answers its questions part by part.
`answering` generates the answers, `trained` loads the model, `merge` writes it for transformers,
and `result_folder` reads and writes the folder of results. `questions` compares answers without a
protocol, `model_check` checks a model before use, and `xray` shows the tokens of a sample.
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
