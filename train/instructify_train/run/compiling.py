"""Compile layers with torch, one by one, so that a compilation is used for all equal layers.

`auto` compiles the frozen tower on a GPU, whose inputs always have the same shape and which keeps
no graph. `true` also compiles the layers of Q-Former and language model, for any length. The first
steps then take minutes; rates do not include them.
"""

import torch
from torch import nn

from instructify_train.config import RunConfig
from instructify_train.distributed import repeated_layers
from instructify_train.model import InstructBlip

WARM_UP_STEPS = 3  # not counted in rates if layers are compiled


def layers_to_compile(
    model: InstructBlip, run: RunConfig, device: torch.device
) -> tuple[list[nn.Module], list[nn.Module]]:
    """List the layers with inputs of a fixed shape, and those with inputs of any length."""
    tower = [*model.model.vision_model.encoder.layers]
    on_gpu = device.type == "cuda"
    if run.compile == "false" or (run.compile == "auto" and not on_gpu):
        return [], []
    fixed = tower if model.tower_is_frozen else []
    if run.compile == "auto":
        return fixed, []
    return fixed, [*([] if model.tower_is_frozen else tower), *repeated_layers(model)]


def compile_layers(model: InstructBlip, run: RunConfig, device: torch.device) -> int:
    """Compile the layers that the recipe selects, in place; returns their number."""
    fixed, varying = layers_to_compile(model, run, device)
    for layer in fixed:
        layer.compile()
    for layer in varying:
        layer.compile(dynamic=True)
    return len(fixed) + len(varying)
