"""Build small InstructBLIP models with random weights, without a download.

`tiny-llama` and `tiny-t5` can be trained on the twins with two CPU cores; `scaled` has the size
that the CPU benchmarks use. The weights depend only on (name, seed), and the caller's random state
is not changed. docs/tiny-models.md gives the reasons for the sizes and the initialisation, with
measurements.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import nn
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from instructify._util.errors import UserError, did_you_mean
from instructify_train.tiny.own_tokenizers import (
    LanguageKind,
    language_tokenizer,
    qformer_tokenizer,
)

Preset = Literal["tiny-llama", "tiny-t5", "scaled"]
PRESETS: tuple[Preset, ...] = ("tiny-llama", "tiny-t5", "scaled")
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training pictures, as in BLIP-2
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
QUERY_SIGMA = 0.5
POSITION_SIGMA = 0.3
SCALED_VOCABULARY = 32_001  # Vicuna's 32,000 and [PAD]


class Loaded(NamedTuple):
    """A model in evaluation mode and its processor."""

    model: InstructBlipForConditionalGeneration
    processor: InstructBlipProcessor


class _Sizes(NamedTuple):
    """Sizes of the parts; a width is a hidden size, attention heads have 32 or 64 dimensions."""

    language: LanguageKind
    picture: int  # pixels a side
    patch: int
    vision: tuple[int, int]  # width, layers
    qformer: tuple[int, int]
    cross_attention_every: int
    queries: int
    language_model: tuple[int, int]
    language_inner: int  # width of the language model's feed-forward part
    head: int
    vocabulary: int | None = None  # rows of the embedding; None: one for each token


_SIZES: dict[str, _Sizes] = {
    "tiny-llama": _Sizes("llama", 48, 16, (128, 2), (128, 2), 1, 8, (128, 2), 384, 32),
    "tiny-t5": _Sizes("t5", 48, 16, (128, 2), (128, 2), 1, 8, (128, 2), 512, 32),
    "scaled": _Sizes(
        "llama", 224, 14, (512, 4), (256, 6), 2, 32, (512, 6), 1368, 64, SCALED_VOCABULARY
    ),
}


def build_preset(name: str, *, seed: int = 0, queries: int | None = None) -> Loaded:
    """Build a preset with random weights and tokenizers trained on the twins' text.

    `queries` overrides the number of query tokens. Raises UserError for an unknown name.
    """
    if name not in _SIZES:
        raise UserError(f"there is no preset '{name}'; {did_you_mean(name, PRESETS)}")
    sizes = _SIZES[name]
    if queries is not None:
        sizes = sizes._replace(queries=queries)
    processor = _processor(sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = InstructBlipForConditionalGeneration(_config(sizes, processor))
        _initialise(model)
    return Loaded(model.eval(), processor)


def _processor(sizes: _Sizes) -> InstructBlipProcessor:
    # The processor for PIL pictures: the other one needs torchvision.
    pictures = BlipImageProcessorPil(
        size={"height": sizes.picture, "width": sizes.picture},
        image_mean=list(CLIP_MEAN),
        image_std=list(CLIP_STD),
    )
    return InstructBlipProcessor(
        image_processor=pictures,
        tokenizer=language_tokenizer(sizes.language),
        qformer_tokenizer=qformer_tokenizer(),
        num_query_tokens=sizes.queries,
    )


def _config(sizes: _Sizes, processor: InstructBlipProcessor) -> InstructBlipConfig:
    tokenizer, qformer_words = processor.tokenizer, processor.qformer_tokenizer
    width, layers = sizes.vision
    vision = InstructBlipVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // sizes.head,
        image_size=sizes.picture,
        patch_size=sizes.patch,
        initializer_range=1 / math.sqrt(width),
    )
    width, layers = sizes.qformer
    qformer = InstructBlipQFormerConfig(
        vocab_size=len(qformer_words),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // sizes.head,
        intermediate_size=4 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=1 / math.sqrt(width),
        pad_token_id=qformer_words.pad_token_id,
        cross_attention_frequency=sizes.cross_attention_every,
    )
    return InstructBlipConfig(
        vision_config=vision,
        qformer_config=qformer,
        text_config=_language_config(sizes, tokenizer),
        num_query_tokens=sizes.queries,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        initializer_range=1 / math.sqrt(width),
    )


def _language_config(sizes: _Sizes, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig | T5Config:
    width, layers = sizes.language_model
    rows = sizes.vocabulary or len(tokenizer)
    if sizes.language == "llama":
        return LlamaConfig(
            vocab_size=rows,
            hidden_size=width,
            intermediate_size=sizes.language_inner,
            num_hidden_layers=layers,
            num_attention_heads=width // sizes.head,
            num_key_value_heads=width // sizes.head,
            max_position_embeddings=2048,
            initializer_range=1 / math.sqrt(width),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
        )
    return T5Config(
        vocab_size=rows,
        d_model=width,
        d_kv=sizes.head,
        d_ff=sizes.language_inner,
        num_layers=layers,
        num_heads=width // sizes.head,
        dropout_rate=0.0,
        feed_forward_proj="relu",
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )


def _initialise(model: InstructBlipForConditionalGeneration) -> None:
    """Initialise parameters that transformers sets to zero or too small for random weights.

    Query tokens of zero enter a layer norm, whose gradient at zero is a million times any other.
    """
    with torch.no_grad():
        nn.init.normal_(model.query_tokens, std=QUERY_SIGMA)
        embeddings = model.vision_model.embeddings
        nn.init.normal_(embeddings.position_embedding, std=POSITION_SIGMA)
        nn.init.normal_(embeddings.class_embedding, std=POSITION_SIGMA)
