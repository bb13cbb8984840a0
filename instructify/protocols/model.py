"""The settings of a protocol: split, prompt, decoding, candidates, scorer, and their sources."""

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

USUAL = "default"  # the id of the usual protocol of a dataset; its name has no id
PUBLISHED = "paper"  # the id of the published protocol if the usual one has another prompt
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
    """Read a number, or `all` as None."""
    return None if node.value == "all" else node.integer()


def _jinja(text: str | None, node: Node, names: Names) -> Iterator[UserError]:
    """Yield the errors in the Jinja of a prompt, which may read the fields `own`."""
    for error in () if text is None else mistakes(text, tuple(names["own"])):
        yield node.error(str(error), kind=error.kind, text_line=error.line)


def _words(node: Node) -> str:
    """Read a text, which may be empty."""
    text = node.scalar()
    if not isinstance(text, str):
        raise node.error("a text is needed here, in quotes")
    return text


def _given_words(node: Node) -> str | None:
    """Read a prompt, or null if the user has to write it."""
    return None if node.is_null else _words(node)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """The texts of a record that the prompt may use.

    `ocr_tokens`: the first N tokens, 0 for none, None for all of the build. `history`: the last N
    rounds, None for all.
    """

    context: Annotated[bool, _KEEP] = True
    caption: Annotated[bool, _KEEP] = True
    text: Annotated[bool, _KEEP] = True
    ocr_tokens: Annotated[int | None, By(_first)] = None
    history: Annotated[int | None, By(_first)] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decode:
    """How answers are decoded; settings of other methods have no effect.

    `generate` and `restrict` use beam search, `rank` computes the likelihood of every candidate.
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
    """The possible answers: choices of a record, fixed labels with verbalisers, or a vocabulary.

    `kind`: whether the model scores the `texts` of choices or the `letters` of the prompt.
    `labels`: the texts of each label. `merge`: how the likelihoods of the texts of one label are
    merged, as their `max` or their `sum` (of probabilities).
    """

    source: CandidateSource
    kind: Kind = "texts"
    labels: Annotated[Mapping[str, tuple[str, ...]], MAY_BE_EMPTY] = field(default_factory=dict)
    merge: Merge = "max"


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a dataset, or one form of it, is evaluated.

    `sources` says for every setting whether it comes from the paper, from LAVIS, from the authors
    of the dataset or from this project (`likely`: probably from the paper; `set`: given on the
    command line). `instruction` is None if the wording is the paper's, which the user has to write.
    `prompt`: plain and prefix use the texts of the multitask baselines instead of `instruction`.
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
    # Whether questions that A-OKVQA marks as difficult are left out.
    skips_difficult: Annotated[bool, Key("difficult"), words(keep=False, skip=True)] = False
    frames: _Count | None = None  # of a clip; None: as in the training of the model
    decode: Decode
    candidates: CandidateRule | None = None
    metric: Annotated[str, NO_KEY]  # from the key `metric`, or else from the dataset
    variant: Annotated[str, Key("score"), OneOf("scores")]
    sources: Mapping[str, Source]
    note: Annotated[str | None, STRIPPED] = None
    own_fields: Annotated[tuple[str, ...], NO_KEY] = ()  # of own data, which its prompt may read

    @property
    def name(self) -> str:
        """The name in results and folders: `dataset` for the usual protocol, else `dataset.id`."""
        return self.dataset if self.id == USUAL else f"{self.dataset}.{self.id}"

    @property
    def key(self) -> str:
        """The hash of all settings that affect prompts, answers and scores."""
        return content_key("protocol", self.value(with_words=False))

    def value(self, *, with_words: bool = True) -> dict[str, Any]:
        """Return plain values; without `with_words` they lack `sources` and `note`."""
        value = dataclasses.asdict(self)
        value["candidates"] = None if self.candidates is None else _rule_value(self.candidates)
        value["sources"] = dict(self.sources)
        del value["own_fields"]  # the prompt says which of them it reads
        if not with_words:
            del value["sources"], value["note"]
        return value


def prompt_text(protocol: Mapping[str, Any]) -> str:
    """Return the prompt of a protocol that is given as plain values."""
    if protocol["prompt"] == "instruction":
        return str(
            protocol["instruction"] or "the paper's wording, which you have to write yourself"
        )
    return f"the {protocol['prompt']} text of multitask.yaml"


def _rule_value(rule: CandidateRule) -> dict[str, Any]:
    labels = {label: list(texts) for label, texts in rule.labels.items()}
    return {"source": rule.source, "kind": rule.kind, "labels": labels, "merge": rule.merge}
