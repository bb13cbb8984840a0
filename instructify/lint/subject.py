"""A template with its file, the lines of its texts, and the tasks and forms it serves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jinja2 import nodes

from instructify._util.errors import UserError
from instructify._util.outside import read_given
from instructify._util.yaml_lines import PlacedError
from instructify.catalog import Catalog
from instructify.lint.finding import Finding, Severity
from instructify.templating import (
    MULTITASK,
    PARTS,
    Mistakes,
    Part,
    PlacedTemplate,
    Program,
    Template,
    read_file,
)

_BLOCK = re.compile(r":\s*[|>][-+0-9]*\s*(#.*)?$")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A template that was read without errors."""

    placed: PlacedTemplate
    lines: Sequence[str]
    serves: tuple[tuple[str, str], ...]  # pairs of task and form that the catalog knows

    @property
    def template(self) -> Template:
        return self.placed.template

    @cached_property
    def programs(self) -> Mapping[Part, Program]:
        """The compiled texts that the template has."""
        programs = {part: self.template.program(part) for part in PARTS}
        return {part: program for part, program in programs.items() if program is not None}

    def line(self, part: Part | None = None, text_line: int = 1) -> int:
        """Return the line of the file for a line of one of the texts."""
        entry = self.placed.node.entries().get(part or "")
        if entry is None:
            return self.placed.node.line
        return line_in_file(self.lines, entry.line, text_line)

    def finding(
        self, severity: Severity, kind: str, what: str, part: Part | None = None, text_line: int = 1
    ) -> Finding:
        """Make a finding about this template."""
        line = self.line(part, text_line)
        return Finding(severity, kind, self.placed.node.file, line, self.template.id, what)

    def line_of_field(self, part: Part, name: str) -> int:
        """Return the line of a text on which a field is read first."""
        program = self.programs.get(part)
        names = program.tree.find_all(nodes.Name) if program else ()
        return next((node.lineno for node in names if node.name == name), 1)


def line_in_file(lines: Sequence[str], key_line: int, text_line: int) -> int:
    """Count on from the line of a key: a block of text begins on the next line."""
    is_block = 0 < key_line <= len(lines) and _BLOCK.search(lines[key_line - 1])
    return key_line + text_line if is_block else key_line


def read_subjects(files: Sequence[Path], catalog: Catalog) -> tuple[list[Subject], list[Finding]]:
    """Read template files; what a conversion would refuse is returned as findings."""
    subjects: list[Subject] = []
    findings: list[Finding] = []
    for path in files:
        mistakes = Mistakes(collect=True)
        placed = read_file(path, mistakes)
        lines = _lines_of(path)
        findings += [
            _finding(path, lines, mistake.template, mistake.error) for mistake in mistakes.found
        ]
        subjects += [
            Subject(placed=entry, lines=lines, serves=_serves(entry.template, catalog))
            for entry in placed
        ]
    return subjects, findings


def _serves(template: Template, catalog: Catalog) -> tuple[tuple[str, str], ...]:
    return tuple(
        (task, form)
        for task in tasks_of(template, catalog)
        for form in template.forms
        if task in catalog.tasks and form in catalog.tasks[task].forms
    )


def tasks_of(template: Template, catalog: Catalog) -> tuple[str, ...]:
    """Return the tasks of a template; if it is for one dataset alone, the task of that dataset."""
    if template.dataset is not None:
        known = catalog.datasets.get(template.dataset)
        return () if known is None else (known.task,)
    return template.tasks if template.task == MULTITASK else (template.task,)


def _lines_of(path: Path) -> list[str]:
    try:
        return read_given(path).decode().splitlines()
    except (OSError, UnicodeDecodeError, UserError):
        return []  # the loader has said so


def _finding(path: Path, lines: Sequence[str], template: str | None, error: Exception) -> Finding:
    if not isinstance(error, PlacedError):
        return Finding("error", "syntax", str(path), None, template, str(error))
    line = error.line
    if error.text_line > 1 or error.what.startswith("template '"):
        line = line_in_file(lines, error.line, error.text_line)
    what = error.what.partition(": ")[2] if error.what.startswith("template '") else ""
    return Finding("error", error.kind, error.file, line, template, what or error.what)
