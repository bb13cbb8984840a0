"""A training run: set up, started, trained, validated, logged.

`launcher` starts or resumes a run, `setup` makes everything that it needs, `trainer` is the loop.
"""

from instructify_train.run.launcher import StartOptions, launch

__all__ = [
    "StartOptions",
    "launch",
]
