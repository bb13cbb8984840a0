"""Read templates from a folder of YAML files; all are checked before the first record is rendered.

A file has the templates of one task, `multitask.yaml` those of the baselines (`mode`, `tasks`), and
a file with `dataset: NAME` those of one dataset, which uses them instead of its task's. Its
`fields` are columns of own data that its templates read. Every mistake is one sentence with file,
line and id.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from instructify._util.errors import UserError
from instructify._util.field_names import read_field_names
from instructify._util.file_names import files_of
from instructify._util.yaml_lines import Node, PlacedError, read_yaml
from instructify._util.yaml_marks import MAY_BE_EMPTY, NOT_NULL, By, format_is
from instructify._util.yaml_typed import decode_all
from instructify.templating.jinja_program import program
from instructify.templating.model import CONDITIONS, MULTITASK, Mode, Template, TemplateSet

FORMAT = 1
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """The top of a template file, which may repeat the name of its task or dataset."""

    format: Annotated[int, format_is(FORMAT)]
    templates: Annotated[tuple[Node, ...], MAY_BE_EMPTY]
    task: Annotated[str | None, NOT_NULL] = None
    dataset: Annotated[str | None, NOT_NULL] = None
    fields: Annotated[tuple[str, ...], By(read_field_names)] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Multitask:
    """The further keys of a baseline's template."""

    mode: Literal["plain", "prefix"]
    tasks: tuple[str, ...]


class PlacedTemplate(NamedTuple):
    """A template and its place in a file."""

    template: Template
    node: Node


class Mistake(NamedTuple):
    """A mistake in a template file, and the id of the template if it is about one."""

    template: str | None
    error: UserError


def load_templates(folder: Path, mode: Mode = "instruction") -> TemplateSet:
    """Read every `<task>.yaml` of a folder; UserError with file and line at the first mistake.

    `mode` selects the templates that `for_task` returns: instructions, or those of a baseline.
    """
    files = files_of(folder, "*.yaml")
    if not files:
        raise UserError(
            f"{folder} holds no template file; expected <task>.yaml, see docs/templates.md"
        )
    templates = [placed.template for file in files for placed in read_file(file, Mistakes())]
    return TemplateSet(folder=str(folder), templates=tuple(templates), mode=mode)


class Mistakes:
    """Raises the first mistake in template files, or collects all of them."""

    def __init__(self, *, collect: bool = False) -> None:
        self.found: list[Mistake] = []
        self._collect = collect

    def attempt(self, read: Callable[[], T], otherwise: T, template: str | None = None) -> T:
        """Read something; if that fails and mistakes are collected, continue with a default."""
        try:
            return read()
        except UserError as error:
            self.tell(error, template)
            return otherwise

    def tell(self, error: UserError, template: str | None = None) -> None:
        """Report a mistake, which may be about the template with this id."""
        if not self._collect:
            raise error
        self.found.append(Mistake(template, error))


def read_file(path: Path, mistakes: Mistakes) -> list[PlacedTemplate]:
    """Read the templates of a file; those with mistakes are left out if these are collected."""
    top = mistakes.attempt(lambda: read_yaml(path), None)
    if top is None:
        return []
    task = path.stem
    file = decode_all(_File, top, mistakes.tell)
    if file is not None:
        mistakes.attempt(partial(_check_top, file, top, task), None)
    dataset = task if top.is_mapping and "dataset" in top.entries() else None
    own_fields = _own_fields(top) if file is None else file.fields
    listed = _listed(top) if file is None else file.templates
    seen: dict[str, int] = {}
    placed = []
    for node in listed:
        template = _read_template(node, task, dataset, own_fields, mistakes)
        if template is None:
            continue
        if template.id in seen:
            what = f"template id '{template.id}' is a duplicate of line {seen[template.id]}"
            mistakes.tell(node.error(what), template.id)
        seen[template.id] = node.line
        placed.append(PlacedTemplate(template, node))
    if len(placed) == len(listed):
        read = {name for template, _ in placed for name in template.fields}
        for name in (name for name in own_fields if name not in read):
            what = f"no template of this file reads the field '{name}'; remove it from 'fields'"
            mistakes.tell(top.at("fields").error(what))
    return placed


def _own_fields(top: Node) -> tuple[str, ...]:
    """Read the fields of a file whose top has other mistakes."""
    try:
        return read_field_names(top.entries()["fields"]) if "fields" in top.entries() else ()
    except UserError:
        return ()


def _listed(top: Node) -> tuple[Node, ...]:
    """List the templates of a file whose top has mistakes, to report their mistakes too."""
    listed = top.entries().get("templates") if top.is_mapping else None
    return tuple(listed.items()) if listed is not None and listed.is_list else ()


def _check_top(file: _File, top: Node, task: str) -> None:
    if file.task is not None and file.dataset is not None:
        raise top.at("task").error("give 'task' or 'dataset': a file has the templates of one")
    for key, given in (("task", file.task), ("dataset", file.dataset)):
        if given is not None and given != task:
            raise top.at(key).error(f"{key} '{given}' belongs into a file of that name")


def _read_template(
    node: Node, task: str, dataset: str | None, own_fields: tuple[str, ...], mistakes: Mistakes
) -> Template | None:
    before = len(mistakes.found)
    given = node.value.get("id") if isinstance(node.value, dict) else None
    name = given.value if given is not None and isinstance(given.value, str) else None
    tell = partial(_tell, mistakes, name)
    more: dict[str, Any] = {"task": task, "dataset": dataset}
    others: tuple[str, ...] = ()
    if task == MULTITASK and node.is_mapping:
        others = tuple(_Multitask.__dataclass_fields__)
        baseline = decode_all(_Multitask, node, tell, others=node.entries())
        more |= {} if baseline is None else dataclasses.asdict(baseline)
    names = {"conditions": (*CONDITIONS, *own_fields), "own": own_fields}
    template = decode_all(Template, node, tell, names=names, given=more, others=others)
    both = () if template is None else set(template.requires) & set(template.excludes)
    if both:
        tell(node.error(f"it both requires and excludes {', '.join(sorted(both))}"))
    if template is None or len(mistakes.found) > before:
        return None
    return (
        dataclasses.replace(template, fields=_read_of(own_fields, template))
        if own_fields
        else template
    )


def _read_of(own_fields: tuple[str, ...], template: Template) -> tuple[str, ...]:
    """Return the fields of own data that a template reads."""
    read = {*template.requires, *template.excludes}
    for condition in (template.begins, template.unless_begins, template.at_most_words):
        read |= {name for name, _ in condition}
    for source in (template.instruction, template.response, template.qformer_instruction):
        read |= set() if source is None else program(source, own_fields).names
    return tuple(name for name in own_fields if name in read)


def _tell(mistakes: Mistakes, name: str | None, error: UserError) -> None:
    """Report a mistake in a template, with its id."""
    if name is not None and isinstance(error, PlacedError):
        error = PlacedError(
            error.file,
            error.line,
            f"template '{name}': {error.what}",
            kind=error.kind,
            text_line=error.text_line,
        )
    mistakes.tell(error, name)
