"""."""

from instructify_train.run.launcher import launch

__all__ = [
    "launch",
]
