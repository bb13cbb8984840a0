"""What a model reads of a sample, as a page shows it; made by `train`, which tokenises texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Text(NamedTuple):
    """The texts of a sample. `is_learnt`: it is trained on, so that it has labels."""

    instruction: str
    qformer_instruction: str | None
    response: str | None
    num_frames: int
    is_learnt: bool


class Cut(NamedTuple):
    """Ids that truncation left out, and the place among the kept ones where they stood."""

    at: int
    ids: Sequence[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A sample as ids.

    `language` are the ids behind the `slots` query slots, of the decoder-only model or of the
    encoder. `label_ids` are what has to be said next at `label_positions`, which count from the
    first id behind the slots, or along `decoder` where there is one. `lost_breaks` counts line
    breaks of the instruction that are read as blanks, by the Q-Former and the language model.
    """

    qformer: Sequence[int]
    slots: int
    language: Sequence[int]
    decoder: Sequence[int] | None
    label_positions: Sequence[int]
    label_ids: Sequence[int]
    cut_qformer: Cut
    cut_instruction: Cut
    cut_response: Cut
    lost_breaks: tuple[int, int] = (0, 0)

    @property
    def is_cut(self) -> bool:
        """Tell whether truncation left anything out."""
        return any(cut.ids for cut in (self.cut_qformer, self.cut_instruction, self.cut_response))


class Piece(NamedTuple):
    """A token as its vocabulary spells it; `is_special`: it is none that a text can make."""

    text: str
    is_special: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderFacts:
    """Which tokenizers read, and within which limits."""

    name: str
    is_own: bool  # a small one of ours, made for the twins' few words
    queries: int
    frames: int
    is_decoder_only: bool
    limits: Mapping[str, int | None]


class TokenReader(Protocol):
    """Reads samples as training or, where they are not trained on, as generation does."""

    @property
    def facts(self) -> ReaderFacts:
        """Which tokenizers these are."""

    def read(self, texts: Sequence[Text]) -> list[Reading | None]:
        """Turn samples into ids; None where there is no picture and so no place for queries."""

    def pieces(self, tokenizer: str, ids: Sequence[int]) -> list[Piece]:
        """Spell ids of the `qformer` or the `language` tokenizer."""
