"""Load a model with its tokenizers: a preset, a folder, a hub name, or BLIP-2 in two parts.

For every source, token ids, vocabulary sizes and numbers of queries are checked, since a model with
a mismatch (such as the wrong Vicuna) trains without an error and gives useless answers.
"""

import math
from typing import Any

import torch
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor
from transformers.utils import logging

from instructify._util.errors import UserError, first_line
from instructify_train.config import ModelConfig
from instructify_train.model.blip2 import assemble
from instructify_train.model.names import HUB_EXAMPLE
from instructify_train.model.pretrained import is_local, load_processor, load_weights
from instructify_train.model.tokens import rows_needed
from instructify_train.tiny import PRESETS, Loaded, build_preset

IMAGE_TOKEN = "<image>"


def load_model(config: ModelConfig) -> Loaded:
    """Load the model of a recipe in the precision in which it is stored."""
    logging.disable_progress_bar()
    if config.blip2 is not None:
        loaded = assemble(config.blip2)
    elif config.name is None:
        raise UserError(
            "the recipe names no model; add `--set model.name=NAME`: "
            f"{', '.join(PRESETS)}, a folder, or a hub name as {HUB_EXAMPLE}"
        )
    elif config.name in PRESETS:
        loaded = build_preset(config.name, seed=config.seed)
    else:
        loaded = _pretrained(config.name)
    check_fit(loaded, config.name or "the assembled model")
    _set_attention(loaded.model, config.attention)
    return loaded


def unloadable(what: str, error: Exception) -> UserError:
    """Raise a UserError that says why a folder or hub name can't be loaded and what to give."""
    return UserError(
        f"{what} can't be loaded ({first_line(error)}); give the folder of a downloaded copy, "
        "or a name of the hub where this machine reaches it"
    )


def _pretrained(name: str) -> Loaded:
    local = is_local(name)  # the hub is asked once
    what = f"the model '{name}'"
    return Loaded(
        load_weights(InstructBlipForConditionalGeneration, name, what, local=local),
        load_processor(InstructBlipProcessor, name, local=local),
    )


def check_fit(loaded: Loaded, name: str) -> None:
    """Refuse a model and a processor that do not fit each other."""
    model, processor = loaded
    tokenizer, config = processor.tokenizer, model.config
    rows = model.language_model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise UserError(
            f"{name}: the tokenizer has {len(tokenizer):,} tokens and the language model "
            f"{rows:,}; this tokenizer belongs to another language model"
        )
    image = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    if config.image_token_index != image:
        raise UserError(
            f"{name}: config.json says that picture tokens are number {config.image_token_index}, "
            f"and the tokenizer says {image}; use the processor that belongs to the model"
        )
    own_rows = config.qformer_config.vocab_size
    needed = rows_needed(processor.qformer_tokenizer)
    if needed > own_rows:
        raise UserError(
            f"{name}: the Q-Former's tokenizer has {needed:,} tokens and the Q-Former "
            f"{own_rows:,}; use the tokenizer that belongs to the model"
        )
    if processor.num_query_tokens != config.num_query_tokens:
        raise UserError(
            f"{name}: the processor counts {processor.num_query_tokens} queries and the model "
            f"{config.num_query_tokens}; use the processor that belongs to the model"
        )


def _set_attention(model: Any, attention: str) -> None:
    try:
        model.set_attn_implementation(attention)
    except (ImportError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"attention '{attention}' is not to be had here ({reason}); use "
            "`--set model.attention=sdpa`"
        ) from error


def pixel_mean_std(processor: Any) -> tuple[list[float], list[float]]:
    """Return a channel's mean and standard deviation, of values from 0 to 1.

    Raises:
        UserError: They are not three finite numbers each, or a deviation is not above 0.
    """
    picture = processor.image_processor
    try:
        mean = [float(value) for value in picture.image_mean]
        std = [float(value) for value in picture.image_std]
    except (TypeError, ValueError):
        mean, std = [], []
    if len(mean) != 3 or len(std) != 3 or not all(map(math.isfinite, mean + std)) or min(std) <= 0:
        raise UserError(
            "the model's processor_config.json has no image_mean and image_std of three numbers "
            "each, above 0 for image_std; use the processor that belongs to the model"
        )
    return mean, std


def device_of(choice: str) -> torch.device:
    """Choose the device of this process: its GPU if there is one, else the CPU."""
    if choice == "auto":
        choice = "cuda" if torch.cuda.is_available() else "cpu"
    if choice == "cuda" and not torch.cuda.is_available():
        raise UserError("there is no CUDA device here; use `--set run.device=cpu`")
    return torch.device(choice)


def precision_of(choice: str, device: torch.device) -> torch.dtype:
    """Choose the precision of the forward pass: bf16 on GPUs that support it, else fp32."""
    if choice == "auto":
        good = device.type == "cuda" and torch.cuda.is_bf16_supported()
        choice = "bf16" if good else "fp32"
    return torch.bfloat16 if choice == "bf16" else torch.float32
