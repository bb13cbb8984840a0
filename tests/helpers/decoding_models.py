"""Tiny random language models of both families, prefixes for them, and the slow way to score.

Shapes: B rows, P positions, D width.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

FAMILIES = ("llama", "t5")
ATTENTION = ("sdpa", "eager")
PAD, END, START = 0, 1, 2
VOCABULARY = 97
WIDTH = 32


def tiny_model(family: str, *, attention: str = "sdpa", vocabulary: int = VOCABULARY) -> Any:
    """Return a random model in evaluation mode whose distributions are far from uniform."""
    torch.manual_seed(11)
    ids = {"pad_token_id": PAD, "eos_token_id": END, "vocab_size": vocabulary}
    if family == "t5":
        config = T5Config(
            d_model=WIDTH,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=8,
            relative_attention_max_distance=12,
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=PAD,
            tie_word_embeddings=False,
            **ids,
        )
        model = T5ForConditionalGeneration(config)
        # Logits of some units, and a position bias that a test can see.
        torch.nn.init.normal_(model.shared.weight, std=0.3)
        torch.nn.init.normal_(
            model.decoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight, std=1.5
        )
    else:
        config = LlamaConfig(
            hidden_size=WIDTH,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            bos_token_id=START,
            initializer_range=0.25,
            **ids,
        )
        model = LlamaForCausalLM(config)
    model.set_attn_implementation(attention)
    return model.eval()


class Batch(NamedTuple):
    """Prefixes [B, P, D] with their mask [B, P]."""

    embeds: Any
    mask: Any

    def row(self, row: int) -> "Batch":
        """Return one row without any padding."""
        keep = self.mask[row].bool()
        return Batch(self.embeds[row, keep][None], self.mask[row, keep][None])


def prefixes(lengths: Sequence[int], *, padding: str = "left", seed: int = 0) -> Batch:
    """Return random prefixes; what stands in padding is wild, so that nobody may look at it.

    `padding`: left, right, or middle (two positions, the padding, the rest).
    """
    random = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    embeds = torch.full((len(lengths), longest, WIDTH), 1e4)
    mask = torch.zeros((len(lengths), longest), dtype=torch.long)
    for row, length in enumerate(lengths):
        places = list(range(longest))
        if padding == "left":
            places = places[longest - length :]
        elif padding == "right":
            places = places[:length]
        else:
            places = places[:2] + places[longest - length + 2 :]
        embeds[row, places] = torch.randn((length, WIDTH), generator=random)
        mask[row, places] = 1
    return Batch(embeds, mask)


def one_by_one(
    model: Any, prefix: Batch, candidate: Sequence[int], *, end: int | None = END
) -> float:
    """Return log p of a candidate (and the end) after one row, by the model's loss on labels."""
    labels = torch.tensor([[*candidate] if end is None else [*candidate, end]])
    with torch.no_grad():
        if model.config.is_encoder_decoder:
            output = model(inputs_embeds=prefix.embeds, attention_mask=prefix.mask, labels=labels)
        else:
            after = model.get_input_embeddings()(labels)
            ignored = torch.full(prefix.mask.shape, -100)
            output = model(
                inputs_embeds=torch.cat([prefix.embeds, after], 1),
                labels=torch.cat([ignored, labels], 1),
            )
    return -float(output.loss) * len(labels[0])


def tiny_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """Return a byte-level (Llama) or a Unigram tokenizer that adds the end token (T5)."""
    special = ["<pad>", "</s>", "<s>", "<unk>"]
    if family == "t5":
        words = [
            "\u2581",
            "\u2581yes",
            "\u2581no",
            "\u2581a",
            "\u2581cat",
            "dog",
            "s",
            *"abcdegnost</>",
        ]
        pieces = [(token, 0.0) for token in special] + [
            (word, -1.0 - place / 10) for place, word in enumerate(dict.fromkeys(words))
        ]
        tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        from tokenizers.processors import TemplateProcessing

        tokenizer.post_processor = TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", END)]
        )
    else:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: place for place, token in enumerate([*special, *alphabet])}
        tokenizer = Tokenizer(models.BPE(vocabulary, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
    )
