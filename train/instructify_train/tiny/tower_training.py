"""Train a tower with AdamW, warm-up and cosine decay over a fixed number of steps.

Training never stops by time, so the same seed gives the same weights with the same number of
threads.
"""

import math
from collections.abc import Callable, Iterable

import torch

BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.01
CLIP = 1.0
WARM_UP = 60


def fit_tower(
    parameters: Iterable[torch.nn.Parameter],
    loss_of: Callable[[int], torch.Tensor],
    *,
    steps: int,
    rate: float,
    on_step: Callable[[int, float], None],
) -> None:
    """Minimise `loss_of(step)` in `steps` steps; `on_step(step, loss)` is called after each."""
    taught = [parameter for parameter in parameters if parameter.requires_grad]
    optimizer = torch.optim.AdamW(taught, lr=rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * _share(step, steps)
        loss = loss_of(step)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(taught, CLIP)
        optimizer.step()
        on_step(step + 1, loss.item())


def _share(step: int, steps: int) -> float:
    """Return the factor of the learning rate: linear warm-up, then half a cosine to zero."""
    warm_up = min(WARM_UP, max(1, steps // 5))
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
