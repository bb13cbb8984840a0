"""The classes of a template file, and the templates of several folders together."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from instructify._util.errors import UserError, did_you_mean
from instructify._util.yaml_lines import Node
from instructify._util.yaml_marks import NO_KEY, Between, By, Check, Names, OneOf, Spelled
from instructify.templating.jinja_program import Program, mistakes, program
from instructify.templating.language import FIELDS, Kind

FORMS = (
    "caption",
    "caption_set",
    "open",
    "multiple_choice",
    "question_generation",
    "dialog",
    "binary",
    "conversation",
)
MULTITASK = "multitask"
DEFAULT_RESPONSE = "{{ answer }}"

Mode = Literal["instruction", "plain", "prefix"]
Part = Literal["instruction", "response", "qformer_instruction"]
Beginnings = tuple[tuple[str, tuple[str, ...]], ...]  # fields, each with words
Limits = tuple[tuple[str, int], ...]  # fields, each with a number of words
PARTS: tuple[Part, ...] = ("instruction", "qformer_instruction", "response")

# What `requires` and `excludes` may name. No text prints picture keys, but some speak of a picture.
CONDITIONS = (*FIELDS, "pictures")
# What `begins` may ask for: plain words, so that they are no pattern.
_WORDS = re.compile(r"[a-z0-9]+([ '-][a-z0-9]+)*")
_TEXT_FIELDS = tuple(name for name, kind in FIELDS.items() if kind is Kind.TEXT)
# Keys that came later: left out of the hash where they are not used, so that it stays what it was.
_LATER = (
    "begins",
    "unless_begins",
    "at_most_words",
    "trains_on_evaluation_prompt",
    "dataset",
    "fields",
)
_ID = Spelled("template id", re.compile(r"[a-z0-9-]+"), "a-z, 0-9 and - only")
_Conditions = tuple[Annotated[str, OneOf("conditions")], ...]


def _text(node: Node) -> str:
    """Read the source of a text, which may be empty."""
    source = node.scalar()
    if not isinstance(source, str):
        raise node.error(f"'{node.key}' needs a text here, in quotes")
    return source


def _jinja(source: str | None, node: Node, names: Names) -> Iterator[UserError]:
    """Yield all mistakes in the Jinja of a text, which may read the fields `own`."""
    for error in () if source is None else mistakes(source, tuple(names["own"])):
        where = f"line {error.line} of the text: " if error.line > 1 else ""
        yield node.error(f"{where}{error}", kind=error.kind, text_line=error.line)


def _beginnings(node: Node) -> Beginnings:
    """Read which fields must begin with which words."""
    fields = node.entries()
    if not fields:
        raise node.error("name a field and its first words, as in {question: [is, are]}")
    for field in fields.values():
        for word in field.texts():
            if not _WORDS.fullmatch(word):
                raise field.error(f"'{word}' may hold a-z, 0-9, and single blanks, ' or - between")
    return tuple((name, fields[name].texts()) for name in sorted(fields))


def _limits(node: Node) -> Limits:
    """Read the largest number of words of fields."""
    fields = node.entries()
    if not fields:
        raise node.error("name a field and its number of words, as in {answer: 20}")
    return tuple((name, fields[name].integer(minimum=1)) for name in sorted(fields))


def _texts_alone(value: Beginnings | Limits, node: Node, names: Names) -> Iterator[UserError]:
    """Yield the fields that hold no text; those of own data do."""
    yield from node.key_mistakes((), (*_TEXT_FIELDS, *names["own"]))


_TEXT = (By(_text), Check(_jinja))


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One wording of a task, in Jinja.

    `task` is the name of its file: that of a task, or of the `dataset` that alone draws it.
    """

    task: Annotated[str, NO_KEY]
    id: Annotated[str, _ID]
    version: Annotated[int, Between(1)]
    forms: tuple[Annotated[str, OneOf(FORMS)], ...]
    instruction: Annotated[str, *_TEXT]
    response: Annotated[str, *_TEXT] = DEFAULT_RESPONSE
    qformer_instruction: Annotated[str | None, *_TEXT] = None
    brief: bool = False
    requires: _Conditions = ()
    excludes: _Conditions = ()
    allow_empty: bool = False
    mode: Annotated[Mode, NO_KEY] = "instruction"
    tasks: Annotated[tuple[str, ...], NO_KEY] = ()
    begins: Annotated[Beginnings, By(_beginnings), Check(_texts_alone)] = ()
    unless_begins: Annotated[Beginnings, By(_beginnings), Check(_texts_alone)] = ()
    at_most_words: Annotated[Limits, By(_limits), Check(_texts_alone)] = ()
    trains_on_evaluation_prompt: tuple[str, ...] = ()  # datasets that are asked in the same words
    dataset: Annotated[str | None, NO_KEY] = None
    # Of own data, which its texts or conditions read.
    fields: Annotated[tuple[str, ...], NO_KEY] = ()

    def serves(self, task: str) -> bool:
        """Return whether all datasets of a task may draw it."""
        return self.dataset is None and task in (self.task, *self.tasks)

    @property
    def key(self) -> str:
        """The name in samples."""
        return f"{self.task}/{self.id}@{self.version}"

    @property
    def sha256(self) -> str:
        """Hash everything in its file entry: the texts, and the records it is for."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content = {name: value for name, value in content.items() if value or name not in _LATER}
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def program(self, part: Part) -> Program | None:
        """Compile one of its texts; None if the template has no such text."""
        source: str | None = getattr(self, part)
        return None if source is None else program(source, self.fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateSet:
    """All templates of some folders, in the order of folders, files and lines."""

    folder: str
    templates: tuple[Template, ...]
    mode: Mode = "instruction"
    label: str = ""  # what a manifest calls the folders

    def for_task(
        self, task: str, mode: Mode | None = None, *, dataset: str | None = None
    ) -> tuple[Template, ...]:
        """Return the templates of a task in the set's mode, or in another; UserError if there are
        none.

        A `dataset` with templates of its own gets only these.
        """
        mode = mode or self.mode
        of_mode = [t for t in self.templates if t.mode == mode]
        of_dataset = tuple(t for t in of_mode if dataset is not None and t.dataset == dataset)
        templates = of_dataset or tuple(t for t in of_mode if t.serves(task))
        if not templates:
            known = {name for t in of_mode if t.dataset is None for name in (t.task, *t.tasks)}
            hint = did_you_mean(task, known - {MULTITASK})
            raise UserError(f"{self.folder} has no {mode} template for task '{task}'; {hint}")
        return templates


def fitting(templates: Iterable[Template], form: str) -> tuple[Template, ...]:
    """Keep the templates that fit a form of record."""
    return tuple(template for template in templates if form in template.forms)
