"""Generate answers by greedy or beam search of transformers, free or restricted to candidates.

The answer of a row does not depend on the other rows of its batch: prefixes are aligned at their
ends and position ids count real tokens. The generation defaults of a checkpoint (temperature,
lengths, banned n-grams) are not used: `Decoding` holds every setting. Scores are those of
transformers' beam search: the sum of log-probabilities divided by
(number of tokens with the end token) ** length_penalty.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from instructify._util.errors import UserError
from instructify_train.decode.prefix import Prefix, align
from instructify_train.decode.restrict import TrieLogitsProcessor
from instructify_train.decode.trie import Trie

# transformers gives beams without a hypothesis -1e9, before or after the division by a length.
_NO_HYPOTHESIS = -5e8


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoding:
    """How answers are generated.

    The best `num_answers` beams are returned. `repetition_penalty` counts only generated tokens.
    `restrict` is a trie of candidates that end with the tokenizer's end token; with it the
    candidates decide the lengths and `max_new_tokens` is not used.
    """

    beams: int = 5
    max_new_tokens: int = 30
    min_new_tokens: int = 1
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    num_answers: int = 1
    restrict: Trie | None = None

    def __post_init__(self) -> None:
        """Refuse settings that no search can satisfy."""
        if self.beams < 1 or not 1 <= self.num_answers <= self.beams:
            raise UserError(
                f"decoding: {self.num_answers} answers of {self.beams} beams: at least one, "
                "and not more answers than beams"
            )
        if not 0 <= self.min_new_tokens <= self.max_new_tokens or self.max_new_tokens < 1:
            raise UserError(
                f"decoding: min_new_tokens {self.min_new_tokens} and max_new_tokens "
                f"{self.max_new_tokens} leave no length; at least 0 and 1, the first not larger"
            )
        if self.repetition_penalty <= 0:
            raise UserError("decoding: repetition_penalty must be larger than 0; 1 is none")
        if self.restrict is not None and self.min_new_tokens > 1:
            raise UserError(
                "decoding: min_new_tokens above 1 would cut candidates off; leave it out, "
                "the candidates decide the length"
            )

    @property
    def longest(self) -> int:
        """The number of tokens after which the search stops."""
        return self.max_new_tokens if self.restrict is None else self.restrict.max_depth


class Answer(NamedTuple):
    """One answer: tokens without end and padding, text, the beam's score (None for greedy).

    `candidate` is the first candidate of the row's set with these tokens, None in free decoding.
    """

    tokens: list[int]
    text: str
    score: float | None
    candidate: int | None


class _Ends(NamedTuple):
    """The end tokens and the padding token; the end token if the tokenizer has no padding token."""

    end: int
    pad: int

    @classmethod
    def of(cls, tokenizer: Any) -> "_Ends":
        end = tokenizer.eos_token_id
        if end is None:
            raise UserError("the tokenizer has no end token (eos_token), so no answer would end")
        pad = tokenizer.pad_token_id
        return cls(int(end), int(end if pad is None else pad))

    def strip(self, tokens: Sequence[int]) -> list[int]:
        """Remove the first end token and all that follows, and padding before it."""
        kept = list(tokens)
        if self.end in kept:
            kept = kept[: kept.index(self.end)]
        while kept and kept[-1] == self.pad:
            kept.pop()
        return kept


def generate_texts(
    language_model: Any,
    tokenizer: Any,
    inputs_embeds: Any,
    attention_mask: Any,
    decoding: Decoding,
    *,
    sets: Sequence[int] | None = None,
) -> list[str]:
    """Return the best answer's text of each row; see `generate_answers`."""
    answers = generate_answers(
        language_model, tokenizer, inputs_embeds, attention_mask, decoding, sets=sets
    )
    return [best[0].text for best in answers]


def generate_answers(
    language_model: Any,
    tokenizer: Any,
    inputs_embeds: Any,
    attention_mask: Any,
    decoding: Decoding,
    *,
    sets: Sequence[int] | None = None,
) -> list[list[Answer]]:
    """Return each row's answers, best first; fewer than `num_answers` if there are no more.

    `language_model` is a T5ForConditionalGeneration or LlamaForCausalLM; `inputs_embeds`
    [rows, positions, width] and `attention_mask` [rows, positions] may be padded anywhere. If
    `decoding.restrict` has several candidate sets, `sets` gives the set of each row.
    """
    prefix = align(inputs_embeds, attention_mask)
    numbers = [0] * len(prefix.mask)
    ends = _Ends.of(tokenizer)
    start = int(language_model.config.is_encoder_decoder)
    processors = LogitsProcessorList()
    if decoding.repetition_penalty != 1.0:
        # Without this, `generate` reduces the number of new tokens by the left padding of a row.
        processors.append(
            RepetitionPenaltyLogitsProcessor(
                float(decoding.repetition_penalty), prompt_ignore_length=start
            )
        )
    if decoding.restrict is not None:
        if not (decoding.restrict.token[decoding.restrict.ends] == ends.end).all():
            raise ValueError(f"build the trie with end={ends.end}, the tokenizer's end token")
        numbers = decoding.restrict.sets_of_rows(sets, len(prefix.mask))
        processor = TrieLogitsProcessor(
            decoding.restrict,
            start=start,
            num_beams=decoding.beams,
            after_end=ends,
            sets=numbers,
            device=prefix.mask.device,
        )
        processors.append(processor)
    ids, scores = _search(language_model, prefix, decoding, ends, processors)
    rows = ids[:, start:].view(len(prefix.mask), decoding.num_answers, -1).tolist()
    return [
        _answers(tokenizer, ends, decoding, row_ids, of_row, number)
        for row_ids, of_row, number in zip(rows, scores, numbers, strict=True)
    ]


def _search(
    language_model: Any,
    prefix: Prefix,
    decoding: Decoding,
    ends: _Ends,
    processors: LogitsProcessorList,
) -> tuple[Any, list[list[float | None]]]:
    """Run transformers' search; ids [rows x answers, L] and scores by row."""
    config = GenerationConfig(
        do_sample=False,
        num_beams=decoding.beams,
        num_return_sequences=decoding.num_answers,
        max_new_tokens=decoding.longest,
        min_new_tokens=decoding.min_new_tokens,
        length_penalty=decoding.length_penalty if decoding.beams > 1 else None,
        repetition_penalty=1.0,  # our processor is in the list
        eos_token_id=ends.end,
        pad_token_id=ends.pad,
        decoder_start_token_id=getattr(language_model.config, "decoder_start_token_id", None),
        use_cache=True,
        return_dict_in_generate=True,
        output_scores=decoding.beams > 1,
    )
    with _own_defaults(language_model), torch.no_grad():
        output = language_model.generate(
            inputs_embeds=prefix.embeds,
            attention_mask=prefix.mask,
            generation_config=config,
            logits_processor=processors,
        )
    num_rows = len(prefix.mask)
    if decoding.beams == 1:
        return output.sequences, [[None]] * num_rows
    return output.sequences, output.sequences_scores.view(num_rows, -1).tolist()


@contextmanager
def _own_defaults(language_model: Any) -> Iterator[None]:
    """Disable the checkpoint's generation defaults, which would replace missing settings."""
    saved = language_model.generation_config
    language_model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        language_model.generation_config = saved


def _answers(
    tokenizer: Any,
    ends: _Ends,
    decoding: Decoding,
    sequences: Sequence[Sequence[int]],
    scores: Sequence[float | None],
    number: int,
) -> list[Answer]:
    """Strip and decode answers, without beams that have no hypothesis and without repetitions."""
    answers: list[Answer] = []
    for sequence, score in zip(sequences, scores, strict=True):
        tokens = ends.strip(sequence)
        candidate = None
        if decoding.restrict is not None:
            candidate = decoding.restrict.find([*tokens, ends.end], number)
        is_outside = decoding.restrict is not None and candidate is None
        is_repeated = any(tokens == other.tokens for other in answers)
        if is_outside or is_repeated or _is_void(score, len(tokens), decoding.length_penalty):
            continue
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        answers.append(Answer(tokens, text.strip(), score, candidate))
    if not answers:
        raise UserError(
            "a search ended without any answer: the model's scores are not finite; "
            "check its weights and the precision it runs in"
        )
    return answers


def _is_void(score: float | None, num_tokens: int, length_penalty: float) -> bool:
    """Tell whether a score belongs to no hypothesis: far too low, itself or as a sum, or NaN."""
    if score is None:
        return False
    return not min(score, score * (num_tokens + 1) ** length_penalty) > _NO_HYPOTHESIS
