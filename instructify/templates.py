"""Templates: read from a folder of YAML files, checked whole before the first record is rendered.

A file holds the templates of one task, `multitask.yaml` those of the baselines (`mode`, `tasks`).
Every mistake is one sentence with file, line and id. `render_row` is the reference for what a
template means; `instructify.columns` renders whole columns to the same bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from instructify.errors import UserError, did_you_mean
from instructify.template_check import FIELDS, CheckError
from instructify.template_filters import RenderError
from instructify.template_program import NullPrintedError, Program, program
from instructify.yaml_lines import Node, read_yaml

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

Mode = Literal["instruction", "plain", "prefix"]
Part = Literal["instruction", "response", "qformer_instruction"]
PARTS: tuple[Part, ...] = ("instruction", "qformer_instruction", "response")

# What `requires` and `excludes` may name. No text prints picture keys, but some speak of a picture.
CONDITIONS = (*FIELDS, "pictures")
_ID = re.compile(r"[a-z0-9-]+")
_NO_CONSTANTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One way to ask and to answer, in Jinja."""

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

    @property
    def key(self) -> str:
        """The name that samples carry."""
        return f"{self.task}/{self.id}@{self.version}"

    @property
    def sha256(self) -> str:
        """Hash everything that decides what is rendered, and for which records."""
        content = {name: getattr(self, name) for name in self.__dataclass_fields__}
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def program(self, part: Part) -> Program | None:
        """Compile one of its texts; None where the template has no such text."""
        source: str | None = getattr(self, part)
        return None if source is None else program(source)


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
    """All templates of a folder, in the order of files and lines."""

    folder: str
    templates: tuple[Template, ...]

    def for_task(self, task: str, mode: Mode = "instruction") -> tuple[Template, ...]:
        """Give the templates of a task; UserError where the folder has none."""
        found = tuple(t for t in self.templates if t.mode == mode and task in (t.task, *t.tasks))
        if not found:
            known = {name for t in self.templates if t.mode == mode for name in (t.task, *t.tasks)}
            hint = did_you_mean(task, known - {MULTITASK})
            raise UserError(f"{self.folder} has no {mode} template for task '{task}'; {hint}")
        return found


def fitting(templates: Iterable[Template], form: str) -> tuple[Template, ...]:
    """Keep the templates that fit a form of record."""
    return tuple(template for template in templates if form in template.forms)


def load_templates(folder: Path) -> TemplateSet:
    """Read every `<task>.yaml` of a folder; UserError with file and line at the first mistake."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise UserError(
            f"{folder} holds no template file; expected <task>.yaml, see docs/templates.md"
        )
    templates = [template for file in files for template in _read_file(file)]
    return TemplateSet(folder=str(folder), templates=tuple(templates))


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


def _read_file(path: Path) -> list[Template]:
    top = read_yaml(path).fields(required=("format", "templates"), optional=("task",))
    if top["format"].integer() != FORMAT:
        raise top["format"].error(f"template format {FORMAT} is known, not {top['format'].value}")
    task = path.stem
    if "task" in top and top["task"].text() != task:
        raise top["task"].error(f"task '{top['task'].value}' belongs into a file of that name")
    seen: dict[str, int] = {}
    templates = []
    for node in top["templates"].items():
        template = _read_template(node, task)
        if template.id in seen:
            raise node.error(
                f"template id '{template.id}' is a duplicate of line {seen[template.id]}"
            )
        seen[template.id] = node.line
        templates.append(template)
    return templates


def _read_template(node: Node, task: str) -> Template:
    is_multitask = task == MULTITASK
    entries = node.fields(
        required=(
            "id",
            "version",
            "forms",
            "instruction",
            *(("mode", "tasks") if is_multitask else ()),
        ),
        optional=(
            "response",
            "qformer_instruction",
            "brief",
            "requires",
            "excludes",
            "allow_empty",
        ),
    )
    name = entries["id"].text()
    if not _ID.fullmatch(name):
        raise entries["id"].error(f"template id '{name}' may hold a-z, 0-9 and - only")
    mode: Mode = "instruction"
    if is_multitask:
        mode = "plain" if entries["mode"].choice(("plain", "prefix")) == "plain" else "prefix"
    template = Template(
        task=task,
        id=name,
        version=entries["version"].integer(minimum=1),
        forms=_names(entries["forms"], FORMS),
        instruction=_jinja(entries["instruction"], name),
        response=_jinja(entries["response"], name) if "response" in entries else DEFAULT_RESPONSE,
        qformer_instruction=(
            _jinja(entries["qformer_instruction"], name)
            if "qformer_instruction" in entries
            else None
        ),
        brief=_flag(entries, "brief"),
        requires=_names(entries["requires"], CONDITIONS) if "requires" in entries else (),
        excludes=_names(entries["excludes"], CONDITIONS) if "excludes" in entries else (),
        allow_empty=_flag(entries, "allow_empty"),
        mode=mode,
        tasks=entries["tasks"].texts() if is_multitask else (),
    )
    both = set(template.requires) & set(template.excludes)
    if both:
        raise node.error(f"template '{name}' both requires and excludes {', '.join(sorted(both))}")
    return template


def _names(node: Node, allowed: Iterable[str]) -> tuple[str, ...]:
    allowed = tuple(allowed)
    for name in node.texts():
        if name not in allowed:
            raise node.error(f"'{name}' is not allowed here; {did_you_mean(name, allowed)}")
    return node.texts()


def _flag(entries: Mapping[str, Node], name: str) -> bool:
    return entries[name].boolean() if name in entries else False


def _jinja(node: Node, template_id: str) -> str:
    source = node.scalar()
    if not isinstance(source, str):
        raise node.error(f"template '{template_id}' needs a text here, in quotes")
    try:
        program(source)
    except CheckError as error:
        where = f", line {error.line} of the text" if error.line > 1 else ""
        raise node.error(f"template '{template_id}'{where}: {error}") from error
    return source
