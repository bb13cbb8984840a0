"""The configurations of the published models, for what needs their sizes and not their weights."""

from transformers import (
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    T5Config,
)

LANGUAGE = {
    "flan-t5-xl": T5Config(
        d_model=2048, d_kv=64, d_ff=5120, num_layers=24, num_heads=32, vocab_size=32128,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    ),
    "flan-t5-xxl": T5Config(
        d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64, vocab_size=32128,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    ),
    "vicuna-7b": LlamaConfig(
        hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
        vocab_size=32001, pad_token_id=0, eos_token_id=2,
    ),
    "vicuna-13b": LlamaConfig(
        hidden_size=5120, intermediate_size=13824, num_hidden_layers=40, num_attention_heads=40,
        vocab_size=32001, pad_token_id=0, eos_token_id=2,
    ),
}  # fmt: skip


def full_config(name: str, image_token: int = 32000) -> InstructBlipConfig:
    """Configure a published size; the vision tower's weights are drawn so that they see."""
    return InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(initializer_range=0.02),
        qformer_config=InstructBlipQFormerConfig(vocab_size=30523),
        text_config=LANGUAGE[name],
        num_query_tokens=32,
        image_token_index=image_token,
    )
