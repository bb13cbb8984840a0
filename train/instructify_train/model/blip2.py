"""Build InstructBLIP from two checkpoints of BLIP-2.

The stage-2 checkpoint has tower, queries, projection and language model. Its Q-Former lacks the
weights for text: word and position embeddings, and the text feed-forward of each layer. These are
in the stage-1 checkpoint (image-text matching). Loading stage 2 alone leaves 74 tensors of a
BERT-base Q-Former random, without a warning (LAVIS issues 344, 414). Here every tensor has a known
source: none may be missing, and only the three heads of stage 1 may be unused.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
)

from instructify._util.errors import UserError
from instructify_train.config import Blip2Config
from instructify_train.model.pretrained import is_local, load_processor, load_weights
from instructify_train.model.tokens import rows_needed
from instructify_train.tiny import PRESETS, Loaded

Weights = dict[str, torch.Tensor]
_HEADS = ("vision_projection.", "text_projection.", "itm_head.")
_FROM_STAGE_2 = ("vision_model.", "query_tokens", "language_projection.", "language_model.")


def assemble(source: Blip2Config) -> Loaded:
    """Build an InstructBLIP model from both checkpoints and their tokenizers."""
    for part in ("stage2", "stage1", "processor"):
        name = getattr(source, part)
        if name in PRESETS:
            raise UserError(
                f"'model.blip2.{part}' is {name}, a preset, which is a whole InstructBLIP; start "
                f"from it by `--set model.blip2=null --set model.name={name}`"
            )
    stage2 = _load(Blip2ForConditionalGeneration, source.stage2)
    stage1 = _load(Blip2ForImageTextRetrieval, source.stage1)
    processor = _processor(source, stage2.config.num_query_tokens)
    return Loaded(assemble_weights(stage1, stage2, processor), processor)


def assemble_weights(stage1: Any, stage2: Any, processor: Any) -> Any:
    """Combine the weights of two loaded models."""
    config = _config(stage1, stage2, processor)
    with torch.device("meta"):
        model = InstructBlipForConditionalGeneration(config)
    weights = merge_weights(stage1.state_dict(), stage2.state_dict())
    _fits(model.state_dict(), weights)
    model.load_state_dict(weights, strict=True, assign=True)
    # Buffers that no checkpoint holds, such as rotary frequencies, come from the language model.
    model.language_model = stage2.language_model
    positions = config.qformer_config.max_position_embeddings
    model.qformer.embeddings.position_ids = torch.arange(positions).expand((1, -1))
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    rows = model.language_model.get_input_embeddings().weight.shape[0]
    if len(processor.tokenizer) > rows:
        model.language_model.resize_token_embeddings(len(processor.tokenizer))
        model.config.text_config.vocab_size = len(processor.tokenizer)
    return model.eval()


def merge_weights(
    stage1: Mapping[str, torch.Tensor], stage2: Mapping[str, torch.Tensor]
) -> Weights:
    """Return every tensor under its name in InstructBLIP; raises UserError if a part is missing."""
    weights: Weights = {}
    for name, value in stage2.items():
        if name.startswith("qformer.layernorm."):
            weights[name.replace("qformer.layernorm.", "qformer.embeddings.layernorm.")] = value
        elif name.startswith((*_FROM_STAGE_2, "qformer.")):
            weights[name] = value
    for name, value in stage1.items():
        if name.startswith("embeddings.") and "embeddings.position_ids" not in name:
            weights[f"qformer.{name}"] = value
        elif _is_text_feed_forward(name):
            weights[name] = value
    if not any(_is_text_feed_forward(name) for name in stage1):
        raise UserError(
            "'model.blip2.stage1' has no text feed-forwards in its Q-Former; give the checkpoint "
            "of image-text matching (stage 1), with use_qformer_text_input"
        )
    return weights


def _is_text_feed_forward(name: str) -> bool:
    if not name.startswith("qformer.encoder.layer."):
        return False
    return name.split(".")[4] in ("intermediate", "output")


def _config(stage1: Any, stage2: Any, processor: Any) -> InstructBlipConfig:
    config = stage2.config
    qformer = {**stage1.config.qformer_config.to_dict(), "model_type": "instructblip_qformer"}
    rows = stage1.embeddings.word_embeddings.weight.shape[0]
    qformer["vocab_size"] = rows
    needed = rows_needed(processor.qformer_tokenizer)
    if needed > rows:
        raise UserError(
            f"the Q-Former's tokenizer has {needed:,} tokens and stage 1 has {rows:,}; they don't "
            "belong together"
        )
    vision = {**config.vision_config.to_dict(), "model_type": "instructblip_vision_model"}
    return InstructBlipConfig(
        vision_config=vision,
        qformer_config=qformer,
        text_config=config.text_config.to_dict(),
        num_query_tokens=config.num_query_tokens,
        image_token_index=processor.tokenizer.convert_tokens_to_ids("<image>"),
    )


def _fits(wanted: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]) -> None:
    for name in sorted({*wanted, *weights}):
        if name not in weights:
            raise UserError(f"neither BLIP-2 checkpoint has '{name}'; they are of another form")
        if name not in wanted:
            raise UserError(f"InstructBLIP has no place for '{name}' of the BLIP-2 checkpoint")
        if wanted[name].shape != weights[name].shape:
            raise UserError(
                f"'{name}' is {list(weights[name].shape)} in the BLIP-2 checkpoint and "
                f"{list(wanted[name].shape)} in InstructBLIP; stage 1 and stage 2 don't fit"
            )


def _load(cls: Any, name: str) -> Any:
    return load_weights(cls, name, f"the BLIP-2 checkpoint '{name}'", local=_is_local(name))


def _is_local(name: str) -> bool:
    return is_local(name, may_be_preset=False)


def _processor(source: Blip2Config, num_query_tokens: int) -> Any:
    if source.processor is not None:
        local = _is_local(source.processor)
        return load_processor(InstructBlipProcessor, source.processor, local=local)
    stage2 = load_processor(Blip2Processor, source.stage2, local=_is_local(source.stage2))
    return InstructBlipProcessor(
        image_processor=stage2.image_processor,
        tokenizer=stage2.tokenizer,
        qformer_tokenizer=load_processor(AutoTokenizer, source.stage1),
        num_query_tokens=num_query_tokens,
    )
