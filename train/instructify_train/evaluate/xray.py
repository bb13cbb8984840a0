"""Show the tokens of a sample as the model gets them: ids, query tokens, labels and cuts.

Ids come from `tokens`, layout and labels from `collate`, the code that training uses. Only the
tokenizers and the configuration of the model are loaded, not its weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import InstructBlipConfig, InstructBlipProcessor

from instructify.inspecting import Cut, Piece, ReaderFacts, Reading, Text
from instructify_train.config import DataConfig
from instructify_train.evaluate.answering import QFORMER_TOKENS
from instructify_train.model import (
    Layout,
    LeftOut,
    Limits,
    SampleTokens,
    Tokens,
    collate,
    is_local,
    layout_of,
    limits_of,
    unloadable,
)
from instructify_train.run_folder import is_run, run_recipe
from instructify_train.tiny import PRESETS, build_preset

DEFAULT_MODEL = "tiny-llama"
_BLANKS = ("\u2581", "\u0120")  # how vocabularies write the space before a word
_NO_LIMITS = Limits(qformer=None, instruction=None, response=None)


class XRay:
    """Tokenises samples with the tokenizers of a model; a `page.tokens.TokenReader`."""

    def __init__(self, name: str, processor: Any, layout: Layout, data: DataConfig) -> None:
        limits = limits_of(data)
        self.facts = ReaderFacts(
            name=name,
            is_own=name in PRESETS,
            queries=layout.num_queries,
            frames=data.frames,
            is_decoder_only=layout.decoder_start is None,
            limits={
                "qformer": limits.qformer,
                "instruction": limits.instruction,
                "response": limits.response,
            },
        )
        self._layout = layout
        self._trained = SampleTokens(processor, limits)
        asked = Limits(qformer=QFORMER_TOKENS, instruction=None, response=None)
        self._asked = SampleTokens(processor, asked)
        self._whole = SampleTokens(processor, _NO_LIMITS)
        self._tokenizers = {"qformer": processor.qformer_tokenizer, "language": processor.tokenizer}
        self._drops_breaks = {
            name: _drops_breaks(tokenizer) for name, tokenizer in self._tokenizers.items()
        }

    @classmethod
    def open(cls, name: str, data: DataConfig | None = None) -> "XRay":
        """Open the tokenizers of a preset, a folder, a hub name, or the model of a run.

        Token limits and frames are those of the run, or the defaults of a recipe.
        """
        if is_run(Path(name)):
            recipe = run_recipe(Path(name))
            blip2 = recipe.model.blip2
            model_name = recipe.model.name or (blip2 and (blip2.processor or blip2.stage2))
            return cls.open(str(model_name), recipe.data)
        data = data or DataConfig()
        if name in PRESETS:
            loaded = build_preset(name)
            return cls(name, loaded.processor, layout_of(loaded.model.config), data)
        local = is_local(name)
        try:
            config = InstructBlipConfig.from_pretrained(name, local_files_only=local)
            processor = InstructBlipProcessor.from_pretrained(name, local_files_only=local)
        except (OSError, ValueError) as error:
            raise unloadable(f"the tokenizers of '{name}'", error) from error
        return cls(name, processor, layout_of(config), data)

    def read(self, texts: Sequence[Text]) -> list[Reading | None]:
        """Tokenise samples; those that are not trained on have no response and no labels.

        The result is None for a sample without a picture, which has no query tokens.
        """
        trained = self._encode(self._trained, texts)
        asked = self._encode(self._asked, texts)
        whole = self._encode(self._whole, texts)
        return [
            self._reading(text, trained_on_text if text.is_learnt else prompt, uncut)
            if text.num_frames
            else None
            for text, trained_on_text, prompt, uncut in zip(
                texts, trained, asked, whole, strict=True
            )
        ]

    def pieces(self, tokenizer: str, ids: Sequence[int]) -> list[Piece]:
        """Return ids as the vocabulary spells them, and byte tokens as the text they encode."""
        opened = self._tokenizers[tokenizer]
        special = {int(number) for number in opened.all_special_ids}
        special |= {int(n) for n, token in opened.added_tokens_decoder.items() if token.special}
        return [Piece(_spelled(opened, number), number in special) for number in ids]

    def _encode(self, tokens: SampleTokens, texts: Sequence[Text]) -> list[Tokens]:
        return tokens.encode(
            [text.instruction for text in texts],
            [text.response if text.is_learnt else None for text in texts],
            [text.qformer_instruction for text in texts],
        )

    def _reading(self, text: Text, kept: Tokens, whole: Tokens) -> Reading:
        """Collate one sample alone, without padding."""
        micro = collate([kept], [range(text.num_frames)], self._layout)
        slots = micro.slots_FK.numel()
        decoder = micro.decoder_ids_BD
        first = slots if decoder is None else 0
        cuts = [_cut(left_out) for left_out in self._trained.left_out(kept, whole)]
        return Reading(
            qformer=micro.qformer_ids_BQ[0].tolist(),
            slots=slots,
            language=micro.input_ids_BL[0].tolist()[slots:],
            decoder=None if decoder is None or not kept.response else decoder[0].tolist(),
            label_positions=(micro.label_positions_N - first).tolist(),
            label_ids=micro.label_ids_N.tolist(),
            cut_qformer=cuts[0],
            cut_instruction=cuts[1],
            cut_response=cuts[2],
            lost_breaks=(
                self._lost_breaks("qformer", text.qformer_instruction or text.instruction),
                self._lost_breaks("language", text.instruction),
            ),
        )

    def _lost_breaks(self, tokenizer: str, text: str) -> int:
        return text.strip().count("\n") if self._drops_breaks[tokenizer] else 0


def _drops_breaks(tokenizer: Any) -> bool:
    """Whether a tokenizer replaces a line break by a space or removes it."""
    parted, apart = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a\nb", "a b")
    )
    return bool(parted == apart)


def _cut(left_out: LeftOut) -> Cut:
    return Cut(left_out.at, left_out.ids)


def _spelled(tokenizer: Any, number: int) -> str:
    """Return a piece as text, or as in the vocabulary if it is part of a character's bytes."""
    raw = str(tokenizer.convert_ids_to_tokens(number))
    decoded = str(tokenizer.decode([number], skip_special_tokens=False))
    if raw.startswith("##") or "\ufffd" in decoded or not decoded.strip(" "):
        return raw.replace(_BLANKS[1], _BLANKS[0])
    return _BLANKS[0] + decoded.lstrip(" ") if raw.startswith(_BLANKS) else decoded
