"""What a position of each side of the language model costs, and a frame in the Q-Former.

Counted as matrix products: two operations a parameter and position forward, two more backward to
the inputs, two more again for weights that are trained. Attention scores are left out: they are
little at these lengths.
"""

from typing import Any, NamedTuple

from torch import nn

from instructify_train.model.forward import InstructBlip


class Costs(NamedTuple):
    """Operations of a position of the encoder (or only) side, of the decoder, and of a frame."""

    encoder: float
    decoder: float
    frame: float


def costs_of(model: InstructBlip) -> Costs:
    """Count what the parts behind the tower cost, from the shapes of their weights."""
    language = model.model.language_model
    if model.layout.decoder_start is None:
        encoder, decoder = _matrices(language.get_decoder().layers), 0.0
    else:
        encoder = _matrices(language.get_encoder().block)
        decoder = _matrices(language.get_decoder().block)
    return Costs(encoder, decoder, _frame(model))


def _frame(model: InstructBlip) -> float:
    """Queries go through each layer of the Q-Former, and keys of all patches where it looks."""
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
