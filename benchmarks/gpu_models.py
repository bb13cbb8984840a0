"""Full-size models with random weights, and the floating-point operations that a sample needs.

Operations are counted from the configuration, two a multiplication and addition: no padding, no
embeddings, the head where labels are, scores of attention included. Backwards, a frozen layer costs
as much as forward (the gradient of what it reads), a trained one twice that; the tower costs
nothing, since it is frozen.
"""

from typing import Any, NamedTuple

import torch
from full_sizes import full_config
from transformers import InstructBlipForConditionalGeneration

from instructify_train.tiny.presets import Loaded, build_preset

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense bf16, vendors' figures
BATCHES = {"flan-t5-xl": 192, "vicuna-7b": 128}  # the paper's
TINY = {"flan-t5-xl": "tiny-t5", "vicuna-7b": "tiny-llama"}


class Counts(NamedTuple):
    """Operations of a sample by part, forward and backward."""

    tower: float
    qformer: float
    language: float

    @property
    def total(self) -> float:
        return sum(self)


def load_sized(name: str, *, dry: bool) -> Loaded:
    """Build a model of full size in bf16 on the GPU; `dry` takes a tiny one instead."""
    small = build_preset(TINY[name])
    if dry:
        return small
    processor = small.processor
    processor.num_query_tokens = 32
    config = full_config(name, processor.tokenizer.convert_tokens_to_ids("<image>"))
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            model = InstructBlipForConditionalGeneration(config)
            torch.nn.init.normal_(model.query_tokens, std=0.02)
    finally:
        torch.set_default_dtype(before)
    return Loaded(model.eval(), processor)


def sample_flops(config: Any, *, asked: int, read: int, answered: int) -> Counts:
    """Count a sample with one picture of its own.

    `asked` are the Q-Former's tokens of the instruction, `read` the language model's, `answered`
    the response's, its end included.
    """
    vision = config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2 + 1
    return Counts(
        _tower(vision, patches),
        3 * _qformer(config, patches, asked),
        _language(config.text_config, config.num_query_tokens + read, answered),
    )


def _tower(vision: Any, patches: int) -> float:
    width, inner = vision.hidden_size, vision.intermediate_size
    layer = 2 * patches * (4 * width**2 + 2 * width * inner) + 4 * patches**2 * width
    stem = 2 * (patches - 1) * 3 * vision.patch_size**2 * width
    return float(vision.num_hidden_layers * layer + stem)


def _qformer(config: Any, patches: int, asked: int) -> float:
    shape, queries = config.qformer_config, config.num_query_tokens
    width, inner = shape.hidden_size, shape.intermediate_size
    rows = queries + asked
    each = 2 * rows * (4 * width**2 + 2 * width * inner) + 4 * rows**2 * width
    seen = 2 * (2 * queries * width**2 + 2 * patches * width * shape.encoder_hidden_size)
    seen += 4 * queries * patches * width
    crossed = -(-shape.num_hidden_layers // shape.cross_attention_frequency)
    projected = 2 * queries * width * config.text_config.hidden_size
    return float(shape.num_hidden_layers * each + crossed * seen + projected)


def _language(text: Any, prefix: int, answered: int) -> float:
    if hasattr(text, "d_model"):
        return _t5(text, prefix, answered)
    width, inner, layers = text.hidden_size, text.intermediate_size, text.num_hidden_layers
    rows = prefix + answered - 1  # nothing is read behind the end token
    forward = layers * (2 * rows * (4 * width**2 + 3 * width * inner) + 2 * rows**2 * width)
    return float(2 * (forward + 2 * answered * width * text.vocab_size))


def _t5(text: Any, prefix: int, answered: int) -> float:
    width, inner = text.d_model, text.num_heads * text.d_kv
    gates = 3 if text.is_gated_act else 2
    feed = gates * width * text.d_ff
    encoder = 2 * prefix * (4 * width * inner + feed) + 4 * prefix**2 * inner
    decoder = 2 * answered * (4 * width * inner + 2 * width * inner + feed)
    decoder += 2 * prefix * 2 * width * inner  # keys and values of what the encoder gave
    decoder += 2 * answered**2 * inner + 4 * answered * prefix * inner
    forward = text.num_layers * encoder + text.num_decoder_layers * decoder
    return float(2 * (forward + 2 * answered * width * text.vocab_size))
