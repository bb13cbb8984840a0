"""Training runs: set up, start, train, validate and log.

`launcher` starts or resumes a run, `setup` builds what it needs, `trainer` is the training loop.
"""

from instructify_train.run.launcher import StartOptions, launch
from instructify_train.run.memory import Estimate
from instructify_train.run.setup import Prepared, Setup, prepare_model, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer

__all__ = [
    "Estimate",
    "Prepared",
    "Setup",
    "StartOptions",
    "StopRequest",
    "Trainer",
    "launch",
    "prepare_model",
    "set_up",
]
