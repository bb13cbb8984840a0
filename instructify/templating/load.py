"""Templates: read from a folder of YAML files, checked whole before the first record is rendered.

A file holds the templates of one task, `multitask.yaml` those of the baselines (`mode`, `tasks`),
and one that says `dataset: NAME` those of one dataset, which takes them instead of its task's. Its
`fields` are columns of own data that its templates read.
Every mistake is one sentence with file, line and id. `render_row` is the reference for what a
template means; `instructify.columns` renders whole columns to the same bytes.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from instructify._util.errors import UserError, did_you_mean
from instructify._util.field_names import check_field_names
from instructify._util.file_names import files_of
from instructify._util.yaml_lines import Node, Scalar, read_yaml
from instructify.templating.filters import RenderError
from instructify.templating.jinja_program import NullPrintedError, Program, program
from instructify.templating.jinja_program import mistakes as all_mistakes
from instructify.templating.language import FIELDS, Kind
from instructify.templating.own_values import value_of

FORMAT = 1
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

T = TypeVar("T")
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
_ID = re.compile(r"[a-z0-9-]+")
_NO_CONSTANTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One way to ask and to answer, in Jinja.

    `task` is the name of its file: a task's, or the name of the `dataset` that alone draws it.
    """

    task: str
    id: str
    version: int
    forms: tuple[str, ...]
    instruction: str
    response: str = DEFAULT_RESPONSE
    qformer_instruction: str | None = None
    brief: bool = False
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    allow_empty: bool = False
    mode: Mode = "instruction"
    tasks: tuple[str, ...] = ()
    begins: Beginnings = ()
    unless_begins: Beginnings = ()
    at_most_words: Limits = ()
    trains_on_evaluation_prompt: tuple[str, ...] = ()  # datasets that are asked in the same words
    dataset: str | None = None
    fields: tuple[str, ...] = ()  # of own data, which its texts or conditions read

    def serves(self, task: str) -> bool:
        """Tell whether all datasets of a task may draw it."""
        return self.dataset is None and task in (self.task, *self.tasks)

    @property
    def key(self) -> str:
        """The name that samples carry."""
        return f"{self.task}/{self.id}@{self.version}"

    @property
    def sha256(self) -> str:
        """Hash all that the file says of it: what is rendered, and for which records."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        content = {name: value for name, value in content.items() if value or name not in _LATER}
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def program(self, part: Part) -> Program | None:
        """Compile one of its texts; None where the template has no such text."""
        source: str | None = getattr(self, part)
        return None if source is None else program(source, self.fields)


class PlacedTemplate(NamedTuple):
    """A template and where it stands in its file."""

    template: Template
    node: Node


class Mistake(NamedTuple):
    """Something wrong in a template file, and the id of the template if it is about one."""

    template: str | None
    error: UserError


class Rendered(NamedTuple):
    """The texts of one sample; without response: for inference only."""

    instruction: str
    response: str | None
    qformer_instruction: str | None


class RenderFailedError(Exception):
    """A record that a template cannot render; `reason` is a code of `instructify.rejects`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


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
        """Give the templates of a task in the set's mode, or another; UserError without any.

        A `dataset` that has templates of its own gets these alone.
        """
        mode = mode or self.mode
        of_mode = [t for t in self.templates if t.mode == mode]
        own = tuple(t for t in of_mode if dataset is not None and t.dataset == dataset)
        found = own or tuple(t for t in of_mode if t.serves(task))
        if not found:
            known = {name for t in of_mode if t.dataset is None for name in (t.task, *t.tasks)}
            hint = did_you_mean(task, known - {MULTITASK})
            raise UserError(f"{self.folder} has no {mode} template for task '{task}'; {hint}")
        return found


def fitting(templates: Iterable[Template], form: str) -> tuple[Template, ...]:
    """Keep the templates that fit a form of record."""
    return tuple(template for template in templates if form in template.forms)


def load_templates(folder: Path, mode: Mode = "instruction") -> TemplateSet:
    """Read every `<task>.yaml` of a folder; UserError with file and line at the first mistake.

    `mode` is which of them `for_task` gives: instructions, or one of the baselines.
    """
    files = files_of(folder, "*.yaml")
    if not files:
        raise UserError(
            f"{folder} holds no template file; expected <task>.yaml, see docs/templates.md"
        )
    templates = [placed.template for file in files for placed in read_file(file, Mistakes())]
    return TemplateSet(folder=str(folder), templates=tuple(templates), mode=mode)


def render_row(
    template: Template, row: Mapping[str, Any], constants: Mapping[str, str] = _NO_CONSTANTS
) -> Rendered:
    """Render one record by Jinja, or raise RenderFailedError; a field that `row` lacks is null."""
    texts: dict[Part, str | None] = {}
    for part in PARTS:
        compiled = template.program(part)
        if compiled is None:
            texts[part] = None
            continue
        values = {name: row.get(name, constants.get(name)) for name in compiled.names}
        for name in compiled.names.intersection(template.fields):
            values[name] = value_of(row, name)
        texts[part] = _render_part(template, part, compiled, values)
    instruction = texts["instruction"]
    return Rendered(instruction or "", texts["response"], texts["qformer_instruction"])


def _render_part(
    template: Template, part: Part, compiled: Program, values: dict[str, Any]
) -> str | None:
    try:
        text = compiled.render(values)
    except NullPrintedError as error:
        if part == "response":
            return None
        raise RenderFailedError(
            "render-failed", failure_detail(template, part, str(error))
        ) from error
    except RenderError as error:
        raise RenderFailedError(
            "render-failed", failure_detail(template, part, str(error))
        ) from error
    if not text.strip() and refuses_empty(template, part):
        raise RenderFailedError("empty-render", failure_detail(template, part, "nothing is left"))
    return text


def failure_detail(template: Template, part: Part, what: str) -> str:
    """Say which text of which template failed, and why.

    The key, not file and line: a ledger of rejects must be the same wherever the templates lie.
    """
    return f"template {template.key}, {part}: {what}"


def refuses_empty(template: Template, part: Part) -> bool:
    """Tell whether a text of white space alone is a failure."""
    return part == "response" or not template.allow_empty


class Mistakes:
    """What is wrong with template files: raises the first mistake, or collects them all."""

    def __init__(self, *, collect: bool = False) -> None:
        self.found: list[Mistake] = []
        self._collect = collect

    def attempt(self, read: Callable[[], T], otherwise: T, template: str | None = None) -> T:
        """Read something; where that fails and mistakes are collected, go on with another value."""
        try:
            return read()
        except UserError as error:
            self.tell(error, template)
            return otherwise

    def tell(self, error: UserError, template: str | None = None) -> None:
        """Take a mistake, which may be about a template of this id."""
        if not self._collect:
            raise error
        self.found.append(Mistake(template, error))


def read_file(path: Path, mistakes: Mistakes) -> list[PlacedTemplate]:
    """Read the templates of a file; those with mistakes are left out where these are collected."""
    top = mistakes.attempt(lambda: read_yaml(path), None)
    if top is None:
        return []
    entries = _keys(top, ("format", "templates"), ("task", "dataset", "fields"), mistakes)
    task = path.stem
    mistakes.attempt(lambda: _check_top(entries, task), None)
    no_fields: tuple[str, ...] = ()
    own = mistakes.attempt(lambda: _own_fields(entries), no_fields)
    dataset = task if "dataset" in entries else None
    seen: dict[str, int] = {}
    placed = []
    nothing: list[Node] = []
    listed = entries["templates"].items if "templates" in entries else lambda: nothing
    items = mistakes.attempt(listed, nothing)
    for node in items:
        template = _read_template(node, task, dataset, own, mistakes)
        if template is None:
            continue
        if template.id in seen:
            what = f"template id '{template.id}' is a duplicate of line {seen[template.id]}"
            mistakes.tell(node.error(what), template.id)
        seen[template.id] = node.line
        placed.append(PlacedTemplate(template, node))
    if len(placed) == len(items):
        _tell_unread(entries, own, placed, mistakes)
    return placed


def _own_fields(entries: Mapping[str, Node]) -> tuple[str, ...]:
    """Read which columns of own data the templates of a file may read."""
    if "fields" not in entries:
        return ()
    return check_field_names(entries["fields"], entries["fields"].texts())


def _tell_unread(
    entries: Mapping[str, Node],
    own: Iterable[str],
    placed: Sequence[PlacedTemplate],
    mistakes: Mistakes,
) -> None:
    """Say which of the fields that a file names no template of it reads."""
    read = {name for one in placed for name in one.template.fields}
    for name in own:
        if name not in read:
            what = f"no template of this file reads the field '{name}'; remove it from 'fields'"
            mistakes.tell(entries["fields"].error(what))


def _check_top(entries: Mapping[str, Node], task: str) -> None:
    if "format" in entries and entries["format"].integer() != FORMAT:
        given = entries["format"]
        raise given.error(f"template format {FORMAT} is known, not {given.value}")
    if "task" in entries and "dataset" in entries:
        raise entries["task"].error("give 'task' or 'dataset': a file has the templates of one")
    for key in ("task", "dataset"):
        if key in entries and entries[key].text() != task:
            given = entries[key]
            raise given.error(f"{key} '{given.value}' belongs into a file of that name")


def _keys(
    node: Node,
    required: Sequence[str],
    optional: Sequence[str],
    mistakes: Mistakes,
    template: str | None = None,
) -> Mapping[str, Node]:
    """Check the keys of a mapping one by one; return those that are allowed."""
    nothing: dict[str, Node] = {}
    entries = mistakes.attempt(node.entries, nothing, template)
    allowed = (*required, *optional)
    for key, value in entries.items():
        if key not in allowed:
            alone = dataclasses.replace(node, value={key: value})
            mistakes.attempt(partial(alone.fields, optional=allowed), nothing, template)
    empty = dataclasses.replace(node, value=nothing)
    for key in required if node.is_mapping else ():
        if key not in entries:
            mistakes.attempt(partial(empty.fields, required=(key,)), nothing, template)
    return {key: value for key, value in entries.items() if key in allowed}


def _read_template(
    node: Node, task: str, dataset: str | None, own: tuple[str, ...], mistakes: Mistakes
) -> Template | None:
    is_multitask = task == MULTITASK
    before = len(mistakes.found)
    given = node.value.get("id") if isinstance(node.value, dict) else None
    name = given.value if given is not None and isinstance(given.value, str) else None
    required = (*_REQUIRED, *(("mode", "tasks") if is_multitask else ()))
    entries = _keys(node, required, _OPTIONAL, mistakes, name)
    values: dict[str, Any] = {}
    for key, entry in entries.items():
        if key in PARTS:
            values[key] = _jinja(entry, name or "", own, mistakes)
        elif key in ("requires", "excludes"):
            allowed = (*CONDITIONS, *own)
            values[key] = mistakes.attempt(partial(_names, entry, allowed), None, name)
        else:
            values[key] = mistakes.attempt(partial(_READ[key], entry), None, name)
    both = set(values.get("requires") or ()) & set(values.get("excludes") or ())
    if both:
        what = f"template '{name}' both requires and excludes {', '.join(sorted(both))}"
        mistakes.tell(node.error(what), name)
    if len(mistakes.found) > before:
        return None
    return Template(task=task, dataset=dataset, fields=_read_of(own, values), **values)


def _read_of(own: tuple[str, ...], values: Mapping[str, Any]) -> tuple[str, ...]:
    """Keep the fields of own data that a template reads."""
    if not own:
        return ()
    read = {*(values.get("requires") or ()), *(values.get("excludes") or ())}
    for part in PARTS:
        source = values.get(part)
        read |= program(source, own).names if isinstance(source, str) else set()
    return tuple(name for name in own if name in read)


def _id(node: Node) -> str:
    name = node.text()
    if not _ID.fullmatch(name):
        raise node.error(f"template id '{name}' may hold a-z, 0-9 and - only")
    return name


def _names(node: Node, allowed: Iterable[str]) -> tuple[str, ...]:
    allowed = tuple(allowed)
    for name in node.texts():
        if name not in allowed:
            raise node.error(f"'{name}' is not allowed here; {did_you_mean(name, allowed)}")
    return node.texts()


def _beginnings(node: Node) -> Beginnings:
    """Read which fields begin with which words."""
    asked = node.fields(optional=_TEXT_FIELDS)
    if not asked:
        raise node.error("name a field and its first words, as in {question: [is, are]}")
    for field in asked.values():
        for word in field.texts():
            if not _WORDS.fullmatch(word):
                raise field.error(f"'{word}' may hold a-z, 0-9, and single blanks, ' or - between")
    return tuple((name, asked[name].texts()) for name in sorted(asked))


def _limits(node: Node) -> Limits:
    """Read how many words fields may have."""
    asked = node.fields(optional=_TEXT_FIELDS)
    if not asked:
        raise node.error("name a field and its number of words, as in {answer: 20}")
    return tuple((name, asked[name].integer(minimum=1)) for name in sorted(asked))


def _jinja(node: Node, template_id: str, own: tuple[str, ...], mistakes: Mistakes) -> str:
    empty: Scalar = ""
    source = mistakes.attempt(node.scalar, empty, template_id)
    if not isinstance(source, str):
        what = f"template '{template_id}' needs a text here, in quotes"
        mistakes.tell(node.error(what), template_id)
        return ""
    for error in all_mistakes(source, own):
        where = f", line {error.line} of the text" if error.line > 1 else ""
        what = f"template '{template_id}'{where}: {error}"
        mistakes.tell(node.error(what, kind=error.kind, text_line=error.line), template_id)
    return source


_REQUIRED = ("id", "version", "forms", "instruction")
_READ: Mapping[str, Callable[[Node], Any]] = MappingProxyType(
    {
        "id": _id,
        "version": lambda node: node.integer(minimum=1),
        "forms": lambda node: _names(node, FORMS),
        "brief": Node.boolean,
        "begins": _beginnings,
        "unless_begins": _beginnings,
        "at_most_words": _limits,
        "trains_on_evaluation_prompt": Node.texts,
        "allow_empty": Node.boolean,
        "mode": lambda node: node.choice(("plain", "prefix")),
        "tasks": Node.texts,
    }
)
_OPTIONAL = (
    *("response", "qformer_instruction", "brief", "allow_empty"),
    *("requires", "excludes", "begins", "unless_begins", "at_most_words"),
    "trains_on_evaluation_prompt",
)
