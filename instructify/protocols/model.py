"""What a protocol fixes: split, prompt, decoding, candidates and scorer, each with its source."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from instructify._util.errors import UserError
from instructify._util.yaml_lines import Node
from instructify._util.yaml_marks import (
    MAY_BE_EMPTY,
    NO_KEY,
    STRIPPED,
    Between,
    By,
    Check,
    Key,
    Names,
    OneOf,
    words,
)
from instructify.build import content_key
from instructify.templating import Mode, mistakes

USUAL = "default"  # the id of a dataset's usual protocol, which is left out of its name
PUBLISHED = "paper"  # the id of the published protocol where the usual one is worded otherwise
Method = Literal["generate", "rank", "restrict"]
Source = Literal["paper", "author", "likely", "lavis", "authors", "ours", "set"]
Kind = Literal["texts", "letters"]
Merge = Literal["max", "sum"]
CandidateSource = Literal["choices", "labels", "vocabulary"]
Ranking = Literal["sum+eos", "sum", "mean", "lavis"]  # as in instructify_train.decode.ranking
_Count = Annotated[int, Between(1)]
_Penalty = Annotated[float, Between(-100, 100)]
_KEEP = words(keep=True, drop=False)


def _first(node: Node) -> int | None:
    """Read how many come first, or `all`."""
    return None if node.value == "all" else node.integer()


def _jinja(text: str | None, node: Node, names: Names) -> Iterator[UserError]:
    """Yield what is wrong with the Jinja of a prompt."""
    for error in () if text is None else mistakes(text):
        yield node.error(str(error), kind=error.kind, text_line=error.line)


def _words(node: Node) -> str:
    """Read a text, which may be empty."""
    text = node.scalar()
    if not isinstance(text, str):
        raise node.error("a text is needed here, in quotes")
    return text


def _given_words(node: Node) -> str | None:
    """Read a prompt, or null where the user is to write it down."""
    return None if node.is_null else _words(node)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """Which of a record's texts the prompt may show.

    `ocr_tokens`: the first N, 0 for none, None for all that the build has. `history`: the last N
    rounds, None for all.
    """

    context: Annotated[bool, _KEEP] = True
    caption: Annotated[bool, _KEEP] = True
    text: Annotated[bool, _KEEP] = True
    ocr_tokens: Annotated[int | None, By(_first)] = None
    history: Annotated[int | None, By(_first)] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decode:
    """How an answer comes about; settings of other methods play no part.

    `generate` and `restrict` search with beams, `rank` takes the likelihood of every candidate.
    """

    method: Method = "generate"
    beams: _Count = 5
    max_new_tokens: _Count = 30
    min_new_tokens: int = 1
    length_penalty: _Penalty = 1.0
    repetition_penalty: _Penalty = 1.0
    mode: Ranking = "sum+eos"
    segments: _Count = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateRule:
    """What may be answered: a record's choices, fixed labels with verbalisers, or a vocabulary.

    `kind`: whether the model sees choices as their `texts` or as the `letters` of the prompt.
    `labels`: the texts that stand for each label. `merge`: how the likelihoods of the texts of one
    label become one, their `max` or their `sum` (of probabilities).
    """

    source: CandidateSource
    kind: Kind = "texts"
    labels: Annotated[Mapping[str, tuple[str, ...]], MAY_BE_EMPTY] = field(default_factory=dict)
    merge: Merge = "max"


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a dataset, or one form of it, is evaluated.

    `sources` says of every setting whether it is the paper's, LAVIS', the dataset's authors' or
    ours (`likely`: probably the paper's; `set`: given on the command line). `instruction` is None
    where the wording is the paper's and left to the user to write down. `prompt`: plain and prefix
    take the texts of the multitask baselines instead of `instruction`.
    """

    dataset: Annotated[str, NO_KEY]
    id: str
    version: _Count
    split: Annotated[str, OneOf("splits")]
    form: Annotated[str, OneOf("forms")]
    instruction: Annotated[str | None, By(_given_words), Check(_jinja)]
    qformer_instruction: Annotated[str | None, By(_words), Check(_jinja)] = None
    prompt: Mode = "instruction"
    fields: Fields = Fields()
    # Questions that A-OKVQA marks so.
    skips_difficult: Annotated[bool, Key("difficult"), words(keep=False, skip=True)] = False
    frames: _Count | None = None  # of a clip; None: as the model was trained
    decode: Decode
    candidates: CandidateRule | None = None
    metric: Annotated[str, NO_KEY]  # the key, or what the dataset has
    variant: Annotated[str, Key("score"), OneOf("scores")]
    sources: Mapping[str, Source]
    note: Annotated[str | None, STRIPPED] = None

    @property
    def name(self) -> str:
        """The name that results and folders carry: the dataset's, or `dataset.id` for a second."""
        return self.dataset if self.id == USUAL else f"{self.dataset}.{self.id}"

    @property
    def key(self) -> str:
        """Hash everything that decides what is asked, answered and scored."""
        return content_key("protocol", self.value(with_words=False))

    def value(self, *, with_words: bool = True) -> dict[str, Any]:
        """Shape it as plain values; without `sources` and `note`, which decide nothing."""
        value = dataclasses.asdict(self)
        value["candidates"] = None if self.candidates is None else _rule_value(self.candidates)
        value["sources"] = dict(self.sources)
        if not with_words:
            del value["sources"], value["note"]
        return value


def prompt_text(protocol: Mapping[str, Any]) -> str:
    """Show the prompt of a protocol, given as plain values."""
    if protocol["prompt"] == "instruction":
        return str(protocol["instruction"] or "the paper's, which is yours to write down")
    return f"the {protocol['prompt']} text of multitask.yaml"


def _rule_value(rule: CandidateRule) -> dict[str, Any]:
    labels = {label: list(texts) for label, texts in rule.labels.items()}
    return {"source": rule.source, "kind": rule.kind, "labels": labels, "merge": rule.merge}
