"""Layers compiled by torch, each by itself, so that one compilation serves all of its repetitions.

`auto` compiles the frozen tower on a GPU: it always sees groups of one shape, and keeps no graph.
`true` also compiles the layers of Q-Former and language model, for any length. The first steps then
take minutes; they are left out of the rates.
"""

import torch
from torch import nn

from instructify_train.config import RunConfig
from instructify_train.distributed import repeated_layers
from instructify_train.model import InstructBlip

WARM_UP_STEPS = 3  # not counted in rates where layers are compiled


def layers_to_compile(
    model: InstructBlip, run: RunConfig, device: torch.device
) -> tuple[list[nn.Module], list[nn.Module]]:
    """List the layers that see one shape, and those that see any length."""
    tower = [*model.model.vision_model.encoder.layers]
    on_gpu = device.type == "cuda"
    if run.compile == "false" or (run.compile == "auto" and not on_gpu):
        return [], []
    fixed = tower if model.tower_is_frozen else []
    if run.compile == "auto":
        return fixed, []
    return fixed, [*([] if model.tower_is_frozen else tower), *repeated_layers(model)]


def compile_layers(model: InstructBlip, run: RunConfig, device: torch.device) -> int:
    """Compile in place what the recipe says; returns how many layers that is."""
    fixed, varying = layers_to_compile(model, run, device)
    for layer in fixed:
        layer.compile()
    for layer in varying:
        layer.compile(dynamic=True)
    return len(fixed) + len(varying)
