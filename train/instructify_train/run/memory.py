"""Estimate the memory of a run before it starts, and the positions that fit on a device.

Weights, gradients and moments are counted from their sizes. The memory that autograd keeps for the
backward pass is measured: a forward pass runs on the meta device, whose tensors have shapes but no
values, and the sizes of all kept tensors are summed, each once.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from instructify_train.config import TrainConfig
from instructify_train.distributed import Ranks, sharded_layers, shards
from instructify_train.model import (
    InstructBlip,
    Micro,
    Tokens,
    checkpoint_activations,
    collate,
    length_of,
)

_CPU_TOKENS = 8192
_PROBED = 4  # samples of a pass whose memory is counted
_SHORT = (8, 8, 2)  # tokens of the shortest samples of a pass: question twice, answer
_MASTER_BYTES = 4
_ADAM_BYTES = 8  # two moments of 32 bits
_RESERVED = 0.92  # of a device's memory; the driver and fragmentation use the rest
_WORKSPACE_BYTES = 800_000_000  # CUDA context and libraries


class Estimate(NamedTuple):
    """Bytes on one device."""

    weights: int
    optimizer: int
    activations: int
    features: int

    @property
    def total(self) -> int:
        return self.weights + self.optimizer + self.activations + self.features


class Fit(NamedTuple):
    """The size of a pass on a device, and the memory for it.

    `device_tokens` are positions of a pass, or None where passes have a fixed number of samples,
    `device_batch`: otherwise the number of samples of full length that go into a pass.
    """

    device_batch: int
    device_tokens: int | None
    memory: Estimate


def fit(model: InstructBlip, config: TrainConfig, ranks: Ranks, device: torch.device) -> Fit:
    """Choose the size of a pass on a device: the value of the recipe, or what fits."""
    share = -(-config.data.batch // ranks.world)
    fixed = estimate(model, config, 0, shards=shards(ranks))
    full = full_sample(config)
    if config.run.device_batch is not None:
        batch = min(config.run.device_batch, share)
        kept = kept_bytes(model, config, batch, full)
        return Fit(batch, None, fixed._replace(activations=kept))
    of_position = max(
        kept_bytes(model, config, _PROBED, extreme)
        / (_PROBED * length_of(extreme, 1, model.layout))
        for extreme in _extremes(full)
    )
    length = length_of(full, 1, model.layout)
    tokens = min(_room(config, device, fixed.total, of_position), share * length)
    tokens = max(tokens, 1)
    return Fit(
        max(1, min(tokens // length, share)),
        tokens,
        fixed._replace(activations=math.ceil(tokens * of_position)),
    )


def _room(config: TrainConfig, device: torch.device, fixed: int, of_position: float) -> int:
    """Return the number of positions that a pass may have."""
    if config.run.device_tokens is not None:
        return config.run.device_tokens
    if device.type != "cuda":
        return _CPU_TOKENS
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_allocated(device)
    return int((free * _RESERVED - _WORKSPACE_BYTES - fixed) / of_position)


def estimate(
    model: InstructBlip, config: TrainConfig, device_batch: int, *, shards: int = 1
) -> Estimate:
    """Estimate the memory of a process whose samples are as long as the recipe allows.

    With `parallel: fsdp` the sharded layers are divided by `shards`.
    """
    divided: set[int] = set()
    if config.run.parallel == "fsdp":
        layers = sharded_layers(model)
        divided = {id(weight) for layer in layers for weight in layer.parameters()}
    weights = optimizer = 0
    for parameter in model.parameters():
        numbers = parameter.numel() // (shards if id(parameter) in divided else 1)
        weights += numbers * parameter.element_size()
        if parameter.requires_grad:
            optimizer += numbers * (_MASTER_BYTES + _ADAM_BYTES)
    samples = min(device_batch, config.data.batch)
    kept = kept_bytes(model, config, samples, full_sample(config)) if samples else 0
    return Estimate(weights, optimizer, kept, _feature_bytes(model, config))


def kept_bytes(model: InstructBlip, config: TrainConfig, samples: int, like: Tokens) -> int:
    """Count the bytes that a forward pass over samples of one length keeps for the backward pass.

    With activation checkpointing, the activations of one layer are added.
    """
    shadow = meta_copy(model)
    kept = _kept_by(shadow, model, samples, like)
    if config.run.checkpoint_activations:
        for part in (shadow.model.language_model, shadow.model.qformer, shadow.model.vision_model):
            checkpoint_activations(part, enabled=False)
        layers = shadow.model.config.text_config.num_hidden_layers
        kept += _kept_by(shadow, model, samples, like) // layers
    return kept


def _kept_by(shadow: InstructBlip, model: InstructBlip, samples: int, like: Tokens) -> int:
    micro = _shapes([like] * samples, model)
    vision = model.model.config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    dtype = next(model.model.vision_model.encoder.parameters()).dtype
    features = torch.empty(samples, patches, vision.hidden_size, dtype=dtype, device="meta")
    kept: dict[int, int] = {}
    parameters = {parameter.untyped_storage()._cdata for parameter in shadow.parameters()}
    with _counting(kept, parameters):
        losses = shadow(features, micro)
    return int(sum(kept.values()) + losses.numel() * losses.element_size())


def _shapes(samples: Sequence[Tokens], model: InstructBlip) -> Micro:
    """Collate samples on the meta device; masks have 2 dimensions, as transformers reads others."""
    micro = collate(samples, [[at] for at in range(len(samples))], model.layout)
    rows, width = micro.input_ids_BL.shape
    mask = torch.empty(rows, 1, 1, width, dtype=torch.bool, device="meta")
    return replace(micro.to(torch.device("meta")), attention_mask_BL=mask)


def full_sample(config: TrainConfig) -> Tokens:
    """Make a sample of the maximum length that the recipe allows."""
    data = config.data
    return Tokens(
        [1] * data.qformer_tokens, [1] * data.instruction_tokens, [1] * data.response_tokens
    )


def _extremes(full: Tokens) -> list[Tokens]:
    """Return the longest samples and short ones, which cost more for each position outside of the
    language model.
    """
    qformer, instruction, response = (
        [1] * min(few, len(ids))
        for few, ids in zip(_SHORT, (full.qformer, full.instruction, full.response), strict=True)
    )
    return [full, Tokens(qformer, instruction, response)]


def meta_copy(model: InstructBlip) -> InstructBlip:
    """Copy a model's structure without its values."""
    memo: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        shape = torch.empty_like(tensor, device="meta")
        if isinstance(tensor, torch.nn.Parameter):
            memo[id(tensor)] = torch.nn.Parameter(shape, requires_grad=tensor.requires_grad)
        else:
            memo[id(tensor)] = shape
    return copy.deepcopy(model, memo)


@contextmanager
def _counting(kept: dict[int, int], parameters: set[int]) -> Iterator[None]:
    """Count the storage of the tensors that autograd keeps, without parameters."""
    alive: list[torch.Tensor] = []  # so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            alive.append(tensor)
            kept[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield


def _feature_bytes(model: InstructBlip, config: TrainConfig) -> int:
    """Estimate the bytes of a window of features, with a different picture for each sample."""
    vision = model.model.config.vision_config
    if not model.tower_is_frozen:
        return 0
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    size = next(model.model.vision_model.encoder.parameters()).element_size()
    return int(config.data.window * config.data.batch * patches * vision.hidden_size * size)
