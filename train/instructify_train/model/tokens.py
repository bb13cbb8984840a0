"""Tokenise texts; special tokens are added here and nowhere else.

A special token that is written in a text (`<image>`, `</s>`, `[SEP]`) is tokenised as plain
characters. The only special tokens are those that the tokenizer itself adds around a text, which
are read from it once, and the end token of a response. Truncation comes before these are added:
questions lose their beginning, responses their end, but never the end token.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from instructify._util.errors import UserError
from instructify_train.config import DataConfig

Ids = list[int]
_PROBE = "a"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Maximum numbers of tokens, special tokens included; None: no limit (paper: 128, 128, 256)."""

    qformer: int | None = 128
    instruction: int | None = 128
    response: int | None = 256


def limits_of(data: DataConfig) -> Limits:
    """Return the limits of a recipe."""
    return Limits(
        qformer=data.qformer_tokens,
        instruction=data.instruction_tokens,
        response=data.response_tokens,
    )


class Tokens(NamedTuple):
    """A sample as ids; `response` is empty if there is none. `cut` counts truncated ids."""

    qformer: Ids
    instruction: Ids
    response: Ids
    cut_qformer: int = 0
    cut_instruction: int = 0
    cut_response: int = 0


class LeftOut(NamedTuple):
    """Ids that truncation removed, and their place among the kept ids."""

    at: int
    ids: Ids


class Frame(NamedTuple):
    """The special ids that a tokenizer adds before and after a text."""

    prefix: Ids
    suffix: Ids


class TextTokens:
    """A tokenizer that never makes special tokens of text."""

    def __init__(self, tokenizer: Any, what: str) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                f"the {what} tokenizer has no fast form; save it with a tokenizer.json beside it"
            )
        # A copy, since truncation, padding and special tokens are set differently here.
        self._text = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._text.no_padding()
        self._text.no_truncation()
        self._text.encode_special_tokens = True
        self.prefix, self.suffix = _frame(tokenizer, what)
        special = {int(special_id) for special_id in tokenizer.all_special_ids}
        for number, token in tokenizer.added_tokens_decoder.items():
            if token.special:
                special.add(int(number))
        meaningful = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
        self._forbidden = special - ({tokenizer.unk_token_id} - meaningful)
        names = [tokenizer.convert_ids_to_tokens(token) for token in sorted(special)]
        spelled = sorted((name for name in names if len(name) > 1), key=len, reverse=True)
        self._spelled = re.compile("|".join(map(re.escape, spelled)) or "(?!)", re.IGNORECASE)

    def plain(self, texts: Sequence[str]) -> list[Ids]:
        """Tokenise texts without special tokens."""
        encodings = self._text.encode_batch_fast([*texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        for at, sequence in enumerate(ids):
            if not self._forbidden.isdisjoint(sequence):
                ids[at] = self._broken(texts[at])
        return ids

    def framed(self, ids: Ids, limit: int | None) -> tuple[Ids, int]:
        """Truncate from the left and add special tokens; also returns the number of removed ids."""
        room = len(ids) if limit is None else max(limit - len(self.prefix) - len(self.suffix), 0)
        cut = max(len(ids) - room, 0)
        return [*self.prefix, *ids[cut:], *self.suffix], cut

    def _broken(self, text: str) -> Ids:
        """Split the spelling of a special token, if the vocabulary has it as an ordinary piece."""
        parts: list[str] = []
        start = 0
        for match in self._spelled.finditer(text):
            parts += [text[start : match.start() + 1], text[match.start() + 1 : match.end()]]
            start = match.end()
        parts.append(text[start:])
        pieces = [part for part in parts if part]
        encodings = self._text.encode_batch_fast(pieces, add_special_tokens=False) if pieces else []
        return [
            token
            for encoding in encodings
            for token in encoding.ids
            if token not in self._forbidden
        ]


class SampleTokens:
    """Both tokenizers of a processor: that of the Q-Former and that of the language model."""

    def __init__(self, processor: Any, limits: Limits) -> None:
        self.limits = limits
        self._qformer = TextTokens(processor.qformer_tokenizer, "Q-Former's")
        self._language = TextTokens(processor.tokenizer, "language model's")
        self.end: int = processor.tokenizer.eos_token_id
        if self.end is None:
            raise UserError("the language model's tokenizer names no end token (eos_token)")

    def encode(
        self,
        instructions: Sequence[str],
        responses: Sequence[str | None],
        qformer_instructions: Sequence[str | None] | None = None,
    ) -> list[Tokens]:
        """Tokenise samples; a Q-Former instruction of None means the instruction itself."""
        qformer_texts = [
            instruction if other is None else other
            for instruction, other in zip(
                instructions, qformer_instructions or [None] * len(instructions), strict=True
            )
        ]
        qformer_ids = self._qformer.plain(qformer_texts)
        instruction_ids = self._language.plain(instructions)
        response_ids = self._language.plain([response or "" for response in responses])
        return [
            self._sample(qformer, text, None if response is None else answer)
            for qformer, text, answer, response in zip(
                qformer_ids, instruction_ids, response_ids, responses, strict=True
            )
        ]

    @property
    def frame(self) -> Frame:
        """The special ids around an instruction in the language model."""
        return Frame(self._language.prefix, self._language.suffix)

    @property
    def qformer_frame(self) -> Frame:
        """The special ids around an instruction in the Q-Former."""
        return Frame(self._qformer.prefix, self._qformer.suffix)

    def left_out(self, kept: Tokens, whole: Tokens) -> tuple[LeftOut, LeftOut, LeftOut]:
        """Return the ids that truncation removed from Q-Former text, instruction and response.

        `whole` is the same sample without limits.
        """
        start, begin = len(self._qformer.prefix), len(self._language.prefix)
        end = max(len(kept.response) - 1, 0)
        return (
            LeftOut(start, whole.qformer[start : start + kept.cut_qformer]),
            LeftOut(begin, whole.instruction[begin : begin + kept.cut_instruction]),
            LeftOut(end, whole.response[end : end + kept.cut_response]),
        )

    def _sample(self, qformer_ids: Ids, instruction_ids: Ids, response_ids: Ids | None) -> Tokens:
        qformer, cut_qformer = self._qformer.framed(qformer_ids, self.limits.qformer)
        instruction, cut_instruction = self._language.framed(
            instruction_ids, self.limits.instruction
        )
        response, cut_response = self._response(response_ids)
        return Tokens(qformer, instruction, response, cut_qformer, cut_instruction, cut_response)

    def _response(self, answer: Ids | None) -> tuple[Ids, int]:
        """Truncate a response from the right but keep its end token, which has to be learned."""
        if answer is None:
            return [], 0
        limit = self.limits.response
        kept = answer if limit is None else answer[: limit - 1]
        return [*kept, self.end], len(answer) - len(kept)


def rows_needed(tokenizer: Any) -> int:
    """Count the embedding rows that a tokenizer needs, without special tokens at its end.

    Processors add `<image>` at the end of tokenizers, and the model gets no embedding for it.
    """
    special = {
        int(number) for number, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    rows = len(tokenizer)
    while rows - 1 in special:
        rows -= 1
    return rows


def _frame(tokenizer: Any, what: str) -> tuple[Ids, Ids]:
    """Return the special ids that a tokenizer adds before and after a text."""
    bare: Ids = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    whole: Ids = tokenizer(_PROBE)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if bare and whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise UserError(f"the {what} tokenizer does not put its special tokens around a text")
