"""Count the operations of a position in encoder and decoder, and of a frame in the Q-Former.

Each parameter counts two operations a position in the forward pass, two in the backward pass to the
inputs, and two more if its weights are trained. Attention scores are not counted, since they are a
small part at these lengths.
"""

from typing import Any, NamedTuple

from torch import nn

from instructify_train.model.forward import InstructBlip


class Costs(NamedTuple):
    """Operations of a position in the encoder (or only stack), in the decoder, and of a frame."""

    encoder: float
    decoder: float
    frame: float


def costs_of(model: InstructBlip) -> Costs:
    """Count the operations of the parts after the tower from the shapes of their weights."""
    language = model.model.language_model
    if model.layout.decoder_start is None:
        encoder, decoder = _matrices(language.get_decoder().layers), 0.0
    else:
        encoder = _matrices(language.get_encoder().block)
        decoder = _matrices(language.get_decoder().block)
    return Costs(encoder, decoder, _frame(model))


def _frame(model: InstructBlip) -> float:
    """Count a frame: its queries in all layers, and its patches in those with cross-attention."""
    vision = model.model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    total = 0.0
    for name, weight in model.model.qformer.encoder.layer.named_parameters():
        if weight.dim() != 2:
            continue
        looks = "crossattention" in name and (".key." in name or ".value." in name)
        positions = patches if looks else model.model.config.num_query_tokens
        total += 6.0 * weight.numel() * positions
    return total


def _matrices(layers: nn.Module) -> float:
    total = 0.0
    weight: Any
    for weight in layers.parameters():
        if weight.dim() == 2:
            total += (6.0 if weight.requires_grad else 4.0) * weight.numel()
    return total
