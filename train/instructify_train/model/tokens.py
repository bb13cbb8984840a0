"""From texts to token ids; special tokens are added here and nowhere else.

Text is data. Whatever it spells (`<image>`, `</s>`, `[SEP]`), it never becomes a token that means
something to the model: special tokens are only those that the tokenizer itself puts around a text,
found once by asking it, and the end of a response. Text alone is truncated, before anything is
put around it: questions from the left, responses from the right, their end token kept.
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
    """The most tokens, special ones included; None: no limit (the paper: 128, 128, 256)."""

    qformer: int | None = 128
    instruction: int | None = 128
    response: int | None = 256


def limits_of(data: DataConfig) -> Limits:
    """Take the limits of a recipe."""
    return Limits(
        qformer=data.qformer_tokens,
        instruction=data.instruction_tokens,
        response=data.response_tokens,
    )


class Tokens(NamedTuple):
    """A sample as ids; `response` is empty where there is none. `cut` counts ids left out."""

    qformer: Ids
    instruction: Ids
    response: Ids
    cut_qformer: int = 0
    cut_instruction: int = 0
    cut_response: int = 0


class LeftOut(NamedTuple):
    """Ids that truncation left out, and where among the kept ones they stood."""

    at: int
    ids: Ids


class Frame(NamedTuple):
    """The special ids that a tokenizer puts before and behind a text."""

    prefix: Ids
    suffix: Ids


class TextTokens:
    """One tokenizer as we use it: plain text in, ids out, nothing special ever made of text."""

    def __init__(self, tokenizer: Any, what: str) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                f"the {what} tokenizer has no fast form; save it with a tokenizer.json beside it"
            )
        # A copy: truncation, padding and the treatment of special tokens are settings of its own.
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
        """Turn texts into ids, without any special token."""
        encodings = self._text.encode_batch_fast([*texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        for at, sequence in enumerate(ids):
            if not self._forbidden.isdisjoint(sequence):
                ids[at] = self._broken(texts[at])
        return ids

    def framed(self, ids: Ids, limit: int | None) -> tuple[Ids, int]:
        """Truncate from the left and put the special tokens around; also says how many were cut."""
        room = len(ids) if limit is None else max(limit - len(self.prefix) - len(self.suffix), 0)
        cut = max(len(ids) - room, 0)
        return [*self.prefix, *ids[cut:], *self.suffix], cut

    def _broken(self, text: str) -> Ids:
        """Break up what spells a special token, for vocabularies that hold it as a plain piece."""
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
    """Both tokenizers of a processor: what the Q-Former reads, and what the language model does."""

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
        """Turn samples into ids; a Q-Former instruction of None is the instruction itself."""
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
        """Say what stands around an instruction in the language model."""
        return Frame(self._language.prefix, self._language.suffix)

    @property
    def qformer_frame(self) -> Frame:
        """Say what stands around an instruction in the Q-Former."""
        return Frame(self._qformer.prefix, self._qformer.suffix)

    def left_out(self, kept: Tokens, whole: Tokens) -> tuple[LeftOut, LeftOut, LeftOut]:
        """Tell what truncation left out of a sample: Q-Former's ids, instruction's, response's.

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
        """Cut from the right; the end is learnt even so, or the model would never learn to stop."""
        if answer is None:
            return [], 0
        limit = self.limits.response
        kept = answer if limit is None else answer[: limit - 1]
        return [*kept, self.end], len(answer) - len(kept)


def rows_needed(tokenizer: Any) -> int:
    """Count the embedding rows that texts can reach; special tokens at the end are left out.

    Processors put `<image>` at the end of tokenizers whose model never sees it.
    """
    special = {
        int(number) for number, token in tokenizer.added_tokens_decoder.items() if token.special
    }
    rows = len(tokenizer)
    while rows - 1 in special:
        rows -= 1
    return rows


def _frame(tokenizer: Any, what: str) -> tuple[Ids, Ids]:
    """Ask a tokenizer what it puts before and after a text."""
    bare: Ids = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    whole: Ids = tokenizer(_PROBE)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if bare and whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise UserError(f"the {what} tokenizer does not put its special tokens around a text")
