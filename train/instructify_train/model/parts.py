"""Select the trained parameters, set precisions, and count parameters.

By default the parts of the paper are trained: the layer norm after the vision tower, the Q-Former
with its queries, and the projection. Frozen parts have the precision of the forward pass and no
dropout; trained parts have fp32 master weights.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from instructify_train.config import ModelConfig

_PREFIXES = {
    "vision": ("vision_model.",),
    "norm": ("vision_model.post_layernorm.",),
    "qformer": ("qformer.", "query_tokens"),
    "projection": ("language_projection.",),
    "language": ("language_model.",),
}
_TEXT_ONLY = ("embeddings.word_embeddings", "embeddings.position_embeddings")
_LORA = ".lora_"


class Counted(NamedTuple):
    """Numbers of parameters."""

    total: int
    trained: int


def part_of(name: str) -> str:
    """Return the part of a parameter."""
    if name.startswith(_PREFIXES["norm"]):
        return "norm"
    return next(part for part, prefixes in _PREFIXES.items() if name.startswith(prefixes))


def is_text_path(name: str) -> bool:
    """Whether only instructions use a parameter, so that it has no gradient without them."""
    if not name.startswith("qformer."):
        return False
    if any(word in name for word in _TEXT_ONLY):
        return True
    in_layer = name.split(".layer.")[-1].split(".", 1)[-1]
    return ".layer." in name and in_layer.startswith(("intermediate.", "output."))


def choose_trained(model: nn.Module, config: ModelConfig) -> None:
    """Freeze all parameters but those of the parts to train (and adapters)."""
    for name, parameter in model.named_parameters():
        wanted = part_of(name) in config.train or _LORA in name
        if not config.instruction_aware and is_text_path(name):
            wanted = False
        parameter.requires_grad_(wanted)


def set_precision(
    model: nn.Module, precision: torch.dtype, device: torch.device | None = None
) -> None:
    """Keep trained parameters in fp32, cast the others, and move all to a device.

    This moves one parameter at a time, and casts it on the device. Loaded parameters are mapped
    files, which the processes of a node share, so no copy of them is made in host memory.
    """
    for parameter in model.parameters():
        wanted = torch.float32 if parameter.requires_grad else precision
        parameter.data = placed(parameter.data, wanted, device)


def placed(
    tensor: torch.Tensor, precision: torch.dtype, device: torch.device | None
) -> torch.Tensor:
    """Move a tensor to a device and cast it there."""
    return (tensor if device is None else tensor.to(device)).to(precision)


def set_dropout(model: Any, config: ModelConfig) -> None:
    """Disable dropout in frozen parts, and set it in trained parts if a value is given."""
    trained = {
        "vision_model": "vision" in config.train,
        "qformer": "qformer" in config.train,
        "language_model": "language" in config.train,
    }
    for name, is_trained in trained.items():
        if not is_trained:
            _drop(getattr(model, name), 0.0)
        elif config.dropout is not None:
            _drop(getattr(model, name), config.dropout)


def checkpoint_activations(part: Any, *, enabled: bool) -> None:
    """Turn activation checkpointing on or off for the layers of a part.

    transformers renamed the methods in 5.23 and warns of the old names from then on.
    """
    if enabled:
        names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
        _first_method(part, names)({"use_reentrant": False})
    else:
        names = ("activation_checkpointing_disable", "gradient_checkpointing_disable")
        _first_method(part, names)()


def _first_method(part: Any, names: tuple[str, str]) -> Callable[..., None]:
    method: Callable[..., None] = getattr(part, names[0], None) or getattr(part, names[1])
    return method


def trained_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Iterate over the trained parameters with their names."""
    return (
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    )


def count(model: nn.Module) -> Counted:
    """Count parameters, each once."""
    parameters = list(model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return Counted(sum(parameter.numel() for parameter in parameters), trained)


def _drop(module: nn.Module, probability: float) -> None:
    for submodule in module.modules():
        if "lora_" in type(submodule).__name__.lower():
            continue
        if isinstance(submodule, nn.Dropout):
            submodule.p = probability
        for name in ("attention_dropout", "dropout"):
            if isinstance(getattr(submodule, name, None), float):
                setattr(submodule, name, probability)
