"""Map names of tensors between LAVIS' checkpoints and transformers' InstructBLIP.

All tensors are equal except the bias of the vision tower's attention: LAVIS has one for queries and
one for values, and transformers has one tensor with zeros for the keys between the two.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from instructify._util.errors import UserError
from instructify_train.config import ModelConfig
from instructify_train.model.parts import part_of

Weights = dict[str, torch.Tensor]

PROJECTIONS = {"llm_proj": "llama", "t5_proj": "t5"}
TOWER = ("vision_model.embeddings.", "vision_model.encoder.")
LANGUAGE = "language_model."
_LANGUAGE_NAMES = {"llama": "llm_model.", "t5": "t5_model."}
_PROJECTION_NAMES = {family: name for name, family in PROJECTIONS.items()}
# Buffers that older versions of transformers stored; they are no weights and are made again.
_BUFFERS = re.compile(r"(.*\.)?(position_ids|rotary_emb\.inv_freq)|temp")
_HEADS = ("Qformer.cls.", "vision_proj.", "text_proj.", "itm_head.")
# Pairs of names in LAVIS and in transformers, for tensors of the vision tower.
_IN_TOWER = (
    ("cls_token", "embeddings.class_embedding"),
    ("pos_embed", "embeddings.position_embedding"),
    ("patch_embed.proj.", "embeddings.patch_embedding."),
    ("blocks.", "encoder.layers."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".attn.qkv.", ".self_attn.qkv."),
    (".attn.proj.", ".self_attn.projection."),
)
_IN_QFORMER = (
    ("embeddings.LayerNorm.", "embeddings.layernorm."),
    ("attention.self.", "attention.attention."),
)
_BIAS = re.compile(r"visual_encoder\.blocks\.(\d+)\.attn\.([qv])_bias")
_OUR_BIAS = re.compile(r"vision_model\.encoder\.layers\.(\d+)\.self_attn\.qkv\.bias")


def from_lavis(weights: Mapping[str, torch.Tensor]) -> tuple[Weights, list[str]]:
    """Rename tensors as in transformers.

    The second value lists tensors that InstructBLIP does not use: heads of stage 1 and old buffers.
    An unknown name is kept, so that the check for unused tensors can report it.
    """
    named: Weights = {}
    left_out: list[str] = []
    biases: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in weights.items():
        if bias := _BIAS.fullmatch(name):
            biases.setdefault(bias[1], {})[bias[2]] = value
        elif _BUFFERS.fullmatch(name) or name.startswith(_HEADS):
            left_out.append(name)
        else:
            named[_ours(name)] = value
    for layer, pair in biases.items():
        for part, value in pair.items():
            if len(pair) == 1:
                named[f"visual_encoder.blocks.{layer}.attn.{part}_bias"] = value
        if len(pair) == 2:
            keys = torch.zeros_like(pair["q"])
            joined = torch.cat([pair["q"], keys, pair["v"]])
            named[f"vision_model.encoder.layers.{layer}.self_attn.qkv.bias"] = joined
    return named, left_out


def to_lavis(weights: Mapping[str, torch.Tensor], family: str) -> Weights:
    """Rename tensors as in LAVIS, for a language model of the family `llama` or `t5`.

    Raises UserError if a bias of keys is not zero, since LAVIS has no such bias.
    """
    named: Weights = {}
    for name, value in weights.items():
        bias = _OUR_BIAS.fullmatch(name)
        if bias is None:
            named[_theirs(name, family)] = value
            continue
        queries, keys, values = value.chunk(3)
        if keys.count_nonzero():
            raise UserError(
                f"'{name}' has a bias for keys, and LAVIS' vision tower has none; such a tower "
                "can't be written in LAVIS' format"
            )
        named[f"visual_encoder.blocks.{bias[1]}.attn.q_bias"] = queries.clone()
        named[f"visual_encoder.blocks.{bias[1]}.attn.v_bias"] = values.clone()
    return named


def _ours(name: str) -> str:
    first, _, rest = name.partition(".")
    if first == "visual_encoder":
        return f"vision_model.{_replaced(rest, _IN_TOWER)}"
    if first == "ln_vision":
        return f"vision_model.post_layernorm.{rest}"
    if name.startswith("Qformer.bert."):
        return f"qformer.{_replaced(name.removeprefix('Qformer.bert.'), _IN_QFORMER)}"
    if first in PROJECTIONS:
        return f"language_projection.{rest}"
    if first in ("llm_model", "t5_model"):
        return f"{LANGUAGE}{rest}"
    return name


def _theirs(name: str, family: str) -> str:
    first, _, rest = name.partition(".")
    if name.startswith("vision_model.post_layernorm."):
        return name.replace("vision_model.post_layernorm.", "ln_vision.")
    if first == "vision_model":
        return f"visual_encoder.{_replaced(rest, [(ours, its) for its, ours in _IN_TOWER])}"
    if first == "qformer":
        return f"Qformer.bert.{_replaced(rest, [(ours, its) for its, ours in _IN_QFORMER])}"
    if first == "language_projection":
        return f"{_PROJECTION_NAMES[family]}.{rest}"
    if first == "language_model":
        return f"{_LANGUAGE_NAMES[family]}{rest}"
    return name


def _replaced(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        name = name.replace(old, new)
    return name


def lavis_parts(model: Any, config: ModelConfig, *, whole: bool) -> Weights:
    """Return the tensors that LAVIS saves, and all other trained ones, under LAVIS' names.

    `whole`: also the vision tower and the language model.
    """
    family = model.config.text_config.model_type
    if family not in _LANGUAGE_NAMES:
        raise UserError(f"LAVIS has no InstructBLIP with a language model of the kind {family}")
    kept = {"norm", "qformer", "projection", *config.train}
    if config.lora is not None:
        kept.add("language")
    weights = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
        if whole or part_of(name) in kept
    }
    return to_lavis(weights, family)
