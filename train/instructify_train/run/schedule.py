"""The learning rate as a function of the step.

Linear warm-up, then a cosine to zero. The paper (section 2.6) gives 1e-8 to 1e-5 in 1,000 steps,
then cosine decay to 0. LAVIS, which the paper used, updates its cosine only every 3,000 steps and
so never reaches 0: `staircase`.
"""

import math

from instructify_train.config import OptimizerConfig


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """Return the rate of step 0, 1, ... of a run of `steps`."""
    if step < config.warmup_steps:
        return config.warmup_from + (config.lr - config.warmup_from) * step / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    if config.schedule == "staircase":
        stairs = max(1, math.ceil(steps / config.stair_steps))
        return _cosine(config.lr, (step // config.stair_steps) / stairs)
    rest = max(1, steps - config.warmup_steps)
    return _cosine(config.lr, (step - config.warmup_steps) / rest)


def _cosine(lr: float, part: float) -> float:
    return lr * (1 + math.cos(math.pi * min(part, 1.0))) / 2
