"""The tokens of a sample, as a page shows them; `instructify_train` makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Text(NamedTuple):
    """The texts of a sample; `is_learnt` if it is trained on and so has labels."""

    instruction: str
    qformer_instruction: str | None
    response: str | None
    num_frames: int
    is_learnt: bool


class Cut(NamedTuple):
    """Ids that truncation removed, and their place among the ids that stay."""

    at: int
    ids: Sequence[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A sample as token ids.

    `language` holds the ids after the `slots` query slots, of a decoder-only model or an encoder.
    `label_ids` are the targets at `label_positions`, which count from the first id after the slots,
    or along `decoder` if that is not None. `lost_breaks` counts line breaks of the instruction that
    the tokenizers of the Q-Former and of the language model read as blanks.
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
        """Whether truncation removed any token."""
        return any(cut.ids for cut in (self.cut_qformer, self.cut_instruction, self.cut_response))


class Piece(NamedTuple):
    """A token as its vocabulary spells it; `is_special` if no text gives this token."""

    text: str
    is_special: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderFacts:
    """The tokenizers and their limits."""

    name: str
    is_own: bool  # a small tokenizer of this project, made for the few words of twins
    queries: int
    frames: int
    is_decoder_only: bool
    limits: Mapping[str, int | None]


class TokenReader(Protocol):
    """Tokenises samples: as in training if they are trained on, else as in generation."""

    @property
    def facts(self) -> ReaderFacts:
        """The tokenizers and their limits."""

    def read(self, texts: Sequence[Text]) -> list[Reading | None]:
        """Turn samples into ids; None for a sample without a picture, which has no query slots."""

    def pieces(self, tokenizer: str, ids: Sequence[int]) -> list[Piece]:
        """Return the spelling of ids of the `qformer` or the `language` tokenizer."""
