"""Check evaluation prompts: whether templates train on them, and whether their fields stay apart.

A template equals a prompt if both render some record to the same text. The paper trains on some of
its prompts, so a template may declare this by name; `results` shows it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify._util.field_names import read_field_names
from instructify._util.file_names import files_of
from instructify._util.yaml_lines import Node, PlacedError, read_yaml
from instructify.catalog import Catalog
from instructify.lint.as_read import as_bert_reads
from instructify.lint.finding import Finding
from instructify.lint.probes import Row, fits, probes
from instructify.lint.renders import CONSTANTS
from instructify.lint.separators import joins
from instructify.lint.subject import Subject
from instructify.templating import Program, RenderError, mistakes, program


class Prompt(NamedTuple):
    """A prompt of a protocol, with its file and line."""

    dataset: str
    program: Program
    file: str
    line: int


def read_prompts(folder: Path) -> tuple[list[Prompt], list[Finding]]:
    """Read the instructions of all protocols of a folder; faults are returned as findings."""
    prompts: list[Prompt] = []
    findings: list[Finding] = []
    for path in files_of(folder, "*.yaml") if folder.is_dir() else ():
        try:
            top = read_yaml(path)
            own_fields = read_field_names(top.at("fields")) if "fields" in top.entries() else ()
            nodes = list(_instructions(top))
        except PlacedError as error:
            findings.append(Finding("error", "syntax", error.file, error.line, None, error.what))
            continue
        except UserError as error:
            findings.append(Finding("error", "syntax", str(path), None, None, str(error)))
            continue
        for node in nodes:
            text = str(node.value)
            wrong = mistakes(text, own_fields)
            findings += [
                Finding("error", mistake.kind, node.file, node.line, None, str(mistake))
                for mistake in wrong
            ]
            if not wrong:
                prompts.append(Prompt(path.stem, program(text, own_fields), node.file, node.line))
    return prompts, findings


def _instructions(node: Node) -> Iterator[Node]:
    """Yield every text under a key `instruction`."""
    value = node.value
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key == "instruction" and isinstance(child.value, str):
                yield child
            else:
                yield from _instructions(child)
    elif isinstance(value, list):
        for child in value:
            yield from _instructions(child)


def prompt_findings(prompts: Sequence[Prompt], catalog: Catalog) -> Iterator[Finding]:
    """Report prompts with texts that only white space separates."""
    for prompt in prompts:
        dataset = catalog.datasets.get(prompt.dataset)
        if dataset is None:
            continue
        forms = catalog.tasks[dataset.task].forms
        rows = [row for form in forms for row in probes(dataset.task, form)]
        for join in joins(prompt.program, rows, CONSTANTS):
            what = f"{join.what} in the prompt, once white space is a blank"
            yield Finding("warning", "lost-separator", prompt.file, prompt.line, None, what)


def evaluation_findings(
    subjects: Sequence[Subject], prompts: Sequence[Prompt], catalog: Catalog
) -> Iterator[Finding]:
    """Compare training templates with the prompts that held-out datasets are evaluated with."""
    held_out = [item for item in prompts if not _is_held_in(item.dataset, catalog)]
    trained = {dataset.task for dataset in catalog.select(role="held-in")}
    renderings = _Asked()
    for subject in subjects:
        equal: dict[str, Prompt] = {}
        for task, form in subject.serves if subject.template.mode == "instruction" else ():
            if task in trained:
                for prompt in renderings.equal(subject, held_out, task, form):
                    equal.setdefault(prompt.dataset, prompt)
        yield from _equal_findings(subject, equal, subject.template.trains_on_evaluation_prompt)


class _Asked:
    """Renders prompts and templates with made-up records; each prompt once per form."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str, str], list[str | None]] = {}

    def equal(
        self, subject: Subject, prompts: Sequence[Prompt], task: str, form: str
    ) -> Iterator[Prompt]:
        rows = list(probes(task, form))
        rendered = [
            _read(subject.programs["instruction"], row) if fits(subject.template, row) else None
            for row in rows
        ]
        for prompt in prompts:
            key = (prompt.program.source, task, form)
            if key not in self._read:
                self._read[key] = [_read(prompt.program, row) for row in rows]
            both = zip(rendered, self._read[key], strict=True)
            if any(left is not None and left == right for left, right in both):
                yield prompt


def _equal_findings(
    subject: Subject, equal: Mapping[str, Prompt], allowed: Sequence[str]
) -> Iterator[Finding]:
    for dataset, prompt in equal.items():
        if dataset not in allowed:
            what = f"reads as the evaluation prompt of {Path(prompt.file).name}, line {prompt.line}"
            yield subject.finding("warning", "equals-evaluation", what, "instruction")
    for dataset in allowed:
        if dataset not in equal:
            what = f"says that it is the evaluation prompt of {dataset}, which it is not"
            yield subject.finding("warning", "unneeded-permission", what)


def _is_held_in(name: str, catalog: Catalog) -> bool:
    dataset = catalog.datasets.get(name)
    return dataset is not None and dataset.role == "held-in"


def _read(text: Program, row: Row) -> str | None:
    try:
        values = {name: row.get(name, CONSTANTS.get(name)) for name in text.names}
        return as_bert_reads(text.render(values))
    except RenderError:
        return None
