"""Published settings of evaluations, and where a protocol departs from them.

`published.yaml` lists the facts by source. Prompts are compared as rendered for one probe record,
without the fields that the protocol removes. So the text counts, not how the Jinja is written or
whether it comes from `--set`, from a file or from the built-in protocols.
"""

import dataclasses
import functools
import hashlib
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from instructify._util.yaml_lines import Node, read_yaml
from instructify._util.yaml_marks import format_is
from instructify._util.yaml_typed import decode
from instructify.protocols.model import Fields
from instructify.protocols.read import OF_METHOD
from instructify.templating import RenderError, mistakes, program

FORMAT = 1
MOST_SHOWN = 90  # characters of a prompt
PROBE: Mapping[str, Any] = MappingProxyType(
    {
        "question": "Which One is it?",
        "text": "So, THIS is it",
        "choices": ["a Red hat", "blue"],
        "context": "Some Context is here.",
        "caption": "A Probe of captions",
        "ocr_tokens": ["STOP", "exit"],
        "history": [
            {"question": "is the hat Red", "answer": "yes, It is"},
            {"question": "how many are there", "answer": "only Two"},
        ],
    }
)
SOURCES = ("paper", "author", "authors", "lavis", "likely")
_NAMES = {
    "paper": "the paper",
    "author": "an author",
    "authors": "the dataset's authors",
    "lavis": "LAVIS",
    "likely": "likely the paper",
}


class Departure(NamedTuple):
    """One setting of an evaluation that differs from what is published.

    `part` is the group of the setting: split, prompt, fields, frames, decode, candidates or score.
    `published` is the published value, and `source` says by whom it is published.
    """

    part: str
    setting: str
    value: str
    published: str
    source: str

    def __str__(self) -> str:
        return f"{self.setting} {self.value} ({self.source}: {self.published})"


class Fact(NamedTuple):
    """The values of a setting that count as published, with their sources."""

    values: tuple[tuple[str, Any], ...]

    def allows(self, value: object) -> bool:
        """Return whether a value is one of the published values."""
        return any(published == value for _, published in self.values)

    @property
    def first(self) -> tuple[str, Any]:
        """The source and the value to show."""
        return self.values[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """The facts by setting: those of each dataset, and those of each kind of dataset."""

    format: Annotated[int, format_is(FORMAT)]
    kinds: Mapping[str, Mapping[str, Node]]
    protocols: Mapping[str, Mapping[str, Node]]


@functools.cache
def published_facts() -> Mapping[str, Mapping[str, Fact]]:
    """Read the published facts of each dataset, by setting."""
    path = Path(__file__).parent / "published.yaml"
    file = decode(_File, read_yaml(path))
    return {name: _facts(entries, file.kinds) for name, entries in file.protocols.items()}


def departures(
    protocol: Mapping[str, Any], language_model: str | None = None
) -> tuple[Departure, ...]:
    """List where a protocol, given as plain values, departs from the published settings.

    `language_model` is the evaluated kind (`t5`, `llama`): the reference code has another ranking
    rule for each kind. Without it the rule is not compared. A dataset without published settings,
    such as a held-in one, has no departures.
    """
    facts = published_facts().get(protocol["dataset"])
    if facts is None:
        return ()
    return tuple(_compared(protocol, facts, language_model))


def is_published_prompt(dataset: str, instruction: str) -> bool | None:
    """Return whether a prompt is the published one; None if no prompt is published."""
    facts = published_facts().get(dataset, {})
    if not any(name.startswith("prompt") for name in facts):
        return None
    rendered = _rendered(instruction, _values(None))
    return rendered is not None and any(True for _ in _matching(facts, rendered))


def _compared(
    protocol: Mapping[str, Any], facts: Mapping[str, Fact], language_model: str | None
) -> Iterator[Departure]:
    yield from _differs(facts, "split", "split", protocol["split"])
    yield from _prompt(protocol, facts)
    yield from _differs(facts, "fields", "fields.ocr_tokens", protocol["fields"]["ocr_tokens"])
    if protocol["frames"] is not None:
        yield from _differs(facts, "frames", "frames", protocol["frames"])
    yield from _decoding(protocol["decode"], facts, language_model)
    rule = protocol["candidates"] or {}
    yield from _differs(facts, "candidates", "candidates.source", rule.get("source"))
    labels = {label: sorted(texts) for label, texts in rule.get("labels", {}).items()}
    yield from _differs(facts, "candidates", "candidates.labels", labels)
    yield from _differs(facts, "score", "score", protocol["variant"])


def _differs(facts: Mapping[str, Fact], part: str, name: str, value: object) -> Iterator[Departure]:
    fact = facts.get(name)
    if fact is None or fact.allows(value):
        return
    source, published = fact.first
    setting = name.removeprefix("decode.")
    yield Departure(part, setting, _shown(value), _shown(published), _NAMES[source])


def _decoding(
    decode: Mapping[str, Any], facts: Mapping[str, Fact], language_model: str | None
) -> Iterator[Departure]:
    """Compare the method, and if it is the published one also its settings."""
    method = list(_differs(facts, "decode", "decode.method", decode["method"]))
    yield from method
    if method:
        return
    for name in OF_METHOD[decode["method"]]:
        key = f"decode.mode.{language_model}" if name == "mode" else f"decode.{name}"
        for differ in _differs(facts, "decode", key, decode[name]):
            yield differ._replace(setting=name)


def _prompt(protocol: Mapping[str, Any], facts: Mapping[str, Fact]) -> Iterator[Departure]:
    """Compare the text of the prompt, and check that the Q-Former reads the same text."""
    source, published = _published_prompt(facts)
    if source is None:
        return
    name = _NAMES[source]
    if protocol["prompt"] != "instruction":
        shown = f"{protocol['prompt']} text of multitask.yaml"
        yield Departure("prompt", "prompt", shown, published, name)
        return
    values = _values(protocol["fields"])
    rendered = _rendered(protocol["instruction"], values)
    if rendered is None or not any(True for _ in _matching(facts, rendered)):
        shown = _quoted(str(protocol["instruction"]) if rendered is None else rendered)
        yield Departure("prompt", "prompt", shown, published, name)
    second = protocol["qformer_instruction"]
    if second is not None and _rendered(second, values) != rendered:
        yield Departure("prompt", "qformer_instruction", "a second text", "the same text", name)


def _published_prompt(facts: Mapping[str, Fact]) -> tuple[str | None, str]:
    """Return the source of the published prompt, and its text if the facts hold the text."""
    if "prompt" in facts:
        source, text = facts["prompt"].first
        return source, _quoted(_rendered(text, _values(None)) or text)
    if "prompt_sha256" in facts:
        return facts["prompt_sha256"].first[0], "other words"
    if "prompt_pattern" in facts:
        return facts["prompt_pattern"].first[0], "the dialogue, then the question"
    return None, ""


def _matching(facts: Mapping[str, Fact], rendered: str) -> Iterator[str]:
    """Yield the sources that publish this prompt."""
    if "prompt" in facts:
        for source, text in facts["prompt"].values:
            if _rendered(text, _values(None)) == rendered:
                yield source
    if "prompt_sha256" in facts:
        hashed = hashlib.sha256(rendered.encode()).hexdigest()
        yield from (
            source for source, prompt_hash in facts["prompt_sha256"].values if prompt_hash == hashed
        )
    if "prompt_pattern" in facts:
        for source, pattern in facts["prompt_pattern"].values:
            if re.fullmatch(_filled(pattern), rendered):
                yield source


def _filled(pattern: str) -> str:
    """Insert the texts of the probe into a pattern."""
    first, second = PROBE["history"]
    texts = {
        "{q1}": first["question"], "{a1}": first["answer"],
        "{q2}": second["question"], "{a2}": second["answer"], "{q}": PROBE["question"],
    }  # fmt: skip
    for slot, text in texts.items():
        pattern = pattern.replace(slot, re.escape(text))
    return pattern


def _values(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the probe without the fields that the protocol removes."""
    values: dict[str, Any] = dict(PROBE)
    shown = dataclasses.asdict(Fields()) | dict(fields or {})
    for name in ("context", "caption", "text"):
        if not shown[name]:
            values[name] = None
    if shown["ocr_tokens"] is not None:
        values["ocr_tokens"] = values["ocr_tokens"][: shown["ocr_tokens"]] or None
    if shown["history"] is not None:
        num_rounds = shown["history"]
        values["history"] = values["history"][-num_rounds:] if num_rounds else None
    return values


def _rendered(text: str | None, values: Mapping[str, Any]) -> str | None:
    """Render a prompt for the probe; None if that fails."""
    if text is None or mistakes(text):
        return None
    compiled = program(text)
    try:
        return compiled.render({name: values.get(name, "") for name in compiled.names})
    except RenderError:
        return None


def _facts(entries: Mapping[str, Node], kinds: Mapping[str, Mapping[str, Node]]) -> dict[str, Fact]:
    nodes = dict(kinds[entries["kind"].choice(tuple(kinds))])
    nodes |= {name: node for name, node in entries.items() if name != "kind"}
    return {name: _fact(node) for name, node in nodes.items()}


def _fact(node: Node) -> Fact:
    values: list[tuple[str, Any]] = []
    for source, published in node.fields(optional=SOURCES).items():
        listed = published.items() if published.is_list else [published]
        values += [(source, _plain(each)) for each in listed]
    if not values:
        raise node.error("a published value needs its source")
    return Fact(tuple(values))


def _plain(node: Node) -> Any:
    """Return a value, or labels with their texts in sorted order."""
    if node.is_mapping:
        return {label: sorted(node_of.texts()) for label, node_of in node.entries().items()}
    return node.scalar()


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{label}: {', '.join(texts)}" for label, texts in value.items())
    return "all" if value is None else str(value)


def _quoted(text: str) -> str:
    return f"'{textwrap.shorten(text, MOST_SHOWN, placeholder=' ...')}'"
