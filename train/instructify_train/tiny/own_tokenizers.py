"""Train small tokenizers of the three kinds that InstructBLIP's checkpoints have.

The Q-Former gets a lower-cased WordPiece as BERT's, T5 a Unigram, and Llama a byte-level BPE with
one token as beginning, end and unknown token, as the published InstructBLIP-Vicuna has. The
training text is that of the twins. The same text gives the same tokenizer in every process, and
nothing is downloaded.
"""

import math
import string
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from instructify_train.tiny.twin_text import corpus

LanguageKind = Literal["llama", "t5"]
MOST_TOKENS = 4_096
# Every printable ASCII character has a token of its own, so that names and numbers can be spelled.
_LETTERS = "".join(sorted(set(string.printable) - set(string.whitespace)))
_NEVER_LONGER = 10_000  # no maximum length here: the training settings decide where to cut


def qformer_tokenizer() -> PreTrainedTokenizerFast:
    """Make the Q-Former's tokenizer: `[CLS] text [SEP]`, with `[DEC]` as bos token as in LAVIS."""
    return PreTrainedTokenizerFast(
        tokenizer_object=_copy(_wordpiece()),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        bos_token="[DEC]",
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=_NEVER_LONGER,
        truncation_side="left",
        clean_up_tokenization_spaces=False,
    )


def language_tokenizer(kind: LanguageKind) -> PreTrainedTokenizerFast:
    """Make the language model's tokenizer; the processor adds `<image>` to it."""
    common = {
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": _NEVER_LONGER,
        "truncation_side": "left",
        "clean_up_tokenization_spaces": False,
    }
    if kind == "llama":
        return PreTrainedTokenizerFast(
            tokenizer_object=_copy(_byte_bpe()),
            bos_token="</s>",
            eos_token="</s>",
            unk_token="</s>",
            pad_token="[PAD]",
            **common,
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=_copy(_unigram()),
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        **common,
    )


def _copy(tokenizer: Tokenizer) -> Tokenizer:
    """Copy a tokenizer, since callers may add tokens to it."""
    return Tokenizer.from_str(tokenizer.to_str())


@lru_cache(maxsize=1)
def _text() -> tuple[str, ...]:
    return tuple(corpus())


@lru_cache(maxsize=1)
def _wordpiece() -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # The library's trainer numbers letters inside words in the order of a hash table, which differs
    # from run to run, and decides between equal merges by number. Letters given as special tokens
    # have fixed numbers; the vocabulary is then used without marking them as special.
    letters = [mark + letter for mark in ("", "##") for letter in _lower_letters()]
    trainer = trainers.WordPieceTrainer(
        vocab_size=MOST_TOKENS,
        min_frequency=2,
        special_tokens=special + letters,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_text(), trainer)
    trained = tokenizer.get_vocab()
    out = Tokenizer(models.WordPiece(trained, unk_token="[UNK]"))
    out.normalizer = tokenizer.normalizer
    out.pre_tokenizer = tokenizer.pre_tokenizer
    out.decoder = decoders.WordPiece(prefix="##")
    out.add_special_tokens([AddedToken(token, special=True) for token in special])
    out.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, trained[token]) for token in ("[CLS]", "[SEP]")],
    )
    return out


def _lower_letters() -> Sequence[str]:
    return [letter for letter in _LETTERS if letter == letter.lower()]


@lru_cache(maxsize=1)
def _byte_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    # A space before the first word, as Llama's own tokenizer adds it: `red` is one token at any
    # position of a text.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=MOST_TOKENS,
        min_frequency=2,
        special_tokens=["</s>", "[PAD]"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_text(), trainer)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    end = tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", pair="</s> $A </s>:1 $B:1", special_tokens=[("</s>", end)]
    )
    return tokenizer


@lru_cache(maxsize=1)
def _unigram() -> Tokenizer:
    """Make a Unigram model from word counts.

    The library's trainer sums expected counts in the order of a hash table, so its results differ
    from run to run. Here each of the few hundred words is one piece, so no estimate is needed: the
    most likely scores are the logarithms of the relative frequencies.
    """
    special = ["<pad>", "</s>", "<unk>"]
    normalizer = normalizers.Sequence(
        # As T5 does: each run of white space becomes one space.
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    blanks = pre_tokenizers.Metaspace()
    splitter = pre_tokenizers.Sequence(
        [blanks, pre_tokenizers.Punctuation("isolated"), pre_tokenizers.Digits(True)]
    )
    counts: Counter[str] = Counter()
    for text in _text():
        pieces = splitter.pre_tokenize_str(normalizer.normalize_str(text))
        counts.update(piece for piece, _ in pieces)
    tokenizer = Tokenizer(models.Unigram(_scored(counts, special), unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = blanks
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def _scored(counts: Counter[str], special: Sequence[str]) -> list[tuple[str, float]]:
    """Score words that occur at least twice, and single letters lower than the rarest word."""
    total = counts.total()
    words = sorted(
        (piece for piece, num in counts.items() if num > 1), key=lambda p: (-counts[p], p)
    )
    words = words[: MOST_TOKENS - len(special) - len(_LETTERS) - 1]
    scored = [(token, 0.0) for token in special]
    scored += [(word, math.log(counts[word] / total)) for word in words]
    lowest = math.log(1 / total)
    scored += [(letter, lowest) for letter in ("\u2581", *_LETTERS) if letter not in set(words)]
    return scored
