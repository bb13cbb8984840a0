"""The optimizer, AdamW with weight decay on matrices only, and its state in checkpoints.

If processes shard the model, weights and moments are gathered before they are saved, and
distributed again when they are restored.
"""

from collections.abc import Mapping

import torch
from torch.optim import AdamW

from instructify._util.errors import UserError
from instructify_train.checkpoint import Checkpoint
from instructify_train.config import OptimizerConfig
from instructify_train.distributed import like, whole

Parameters = Mapping[str, torch.nn.Parameter]
_MOMENTS = ("exp_avg", "exp_avg_sq")


def make_optimizer(parameters: Parameters, config: OptimizerConfig, *, fused: bool) -> AdamW:
    """Make AdamW, without weight decay on biases and norms, as LAVIS has it."""
    decayed = [parameter for name, parameter in parameters.items() if _decays(name, parameter)]
    others = [parameter for name, parameter in parameters.items() if not _decays(name, parameter)]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        fused=fused,
    )


def _decays(name: str, parameter: torch.nn.Parameter) -> bool:
    return parameter.ndim > 1 and not name.endswith(".bias")


def weights_of(parameters: Parameters) -> dict[str, torch.Tensor]:
    """Copy the trained parameters; all processes have to call this."""
    return {name: _to_save(parameter) for name, parameter in parameters.items()}


def moments_of(optimizer: AdamW, parameters: Parameters) -> dict[str, torch.Tensor]:
    """Copy both moments of each parameter; all processes have to call this."""
    return {
        f"{kind}/{name}": _to_save(optimizer.state[parameter][kind])
        for kind in _MOMENTS
        for name, parameter in parameters.items()
    }


def restore(optimizer: AdamW, parameters: Parameters, start: Checkpoint) -> None:
    """Load weights and moments of a checkpoint; raises UserError if its parameters are others."""
    if set(start.weights) != set(parameters):
        odd = sorted(set(start.weights) ^ set(parameters))[:3]
        raise UserError(
            f"the checkpoint trains other parameters than this recipe ({', '.join(odd)} ...); "
            "go on with the recipe of the run, or start a new one"
        )
    for name, parameter in parameters.items():
        with torch.no_grad():
            parameter.copy_(like(start.weights[name], parameter))
        device = parameter.device if optimizer.defaults["fused"] else "cpu"
        optimizer.state[parameter] = {
            "step": torch.tensor(float(start.state.step), device=device),
            **{kind: like(start.optimizer[f"{kind}/{name}"], parameter) for kind in _MOMENTS},
        }


def _to_save(tensor: torch.Tensor) -> torch.Tensor:
    return whole(tensor.detach()).cpu().contiguous().clone()
