"""Templates beside each other: alike, equal to an evaluation prompt, or out of reach of a draw."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import nodes

from instructify._util.errors import UserError
from instructify._util.file_names import files_of
from instructify._util.yaml_lines import Node, PlacedError, read_yaml
from instructify.catalog import Catalog
from instructify.lint.finding import Finding
from instructify.lint.probes import fits, probes
from instructify.lint.subject import Subject
from instructify.templating import MULTITASK

_ALIKE = 0.6  # share of common words from which two templates are nearly the same
_WORD = re.compile(r"[a-z]+")


def pool_findings(subjects: Sequence[Subject], catalog: Catalog) -> Iterator[Finding]:
    """Compare the templates of each pool, and ask whether each is in one."""
    yield from _alike(subjects)
    for subject in subjects:
        yield from _unreachable(subject, catalog)


def _alike(subjects: Sequence[Subject]) -> Iterator[Finding]:
    pools: dict[tuple[str, str, str], list[Subject]] = {}
    for subject in subjects:
        for task, form in subject.serves:
            pools.setdefault((subject.template.mode, task, form), []).append(subject)
    words = {id(subject): _own_words(subject) for subject in subjects}
    told: set[tuple[int, int]] = set()
    for pool in pools.values():
        for one, other in itertools.combinations(pool, 2):
            pair = (id(one), id(other))
            if pair in told:
                continue
            told.add(pair)
            where = f"'{one.template.id}' of line {one.line()}"
            if _normalised(one) == _normalised(other):
                what = f"is the same as {where}, up to white space"
                yield other.finding("error", "duplicate", what, "instruction")
                continue
            mine, theirs = words[pair[0]], words[pair[1]]
            common, either = len(mine & theirs), len(mine | theirs)
            if common > _ALIKE * either:
                what = f"shares {common} of {either} words with {where}"
                yield other.finding("warning", "near-duplicate", what, "instruction")


def _own_words(subject: Subject) -> frozenset[str]:
    """The words of an instruction that stand outside conditions and loops, but for their others."""
    found: list[str] = []
    body = list(subject.programs["instruction"].tree.body)
    while body:
        node = body.pop()
        if isinstance(node, nodes.Output):
            found += [n.data for n in node.nodes if isinstance(n, nodes.TemplateData)]
        elif isinstance(node, nodes.If):
            body += node.else_
    return frozenset(_WORD.findall(" ".join(found).lower()))


def _normalised(subject: Subject) -> tuple[str, ...]:
    template = subject.template
    texts = (template.instruction, template.response, template.qformer_instruction or "")
    return tuple(same_text(text) for text in texts)


def same_text(text: str) -> str:
    """Bring a template text into a form that leaves white space out of a comparison."""
    return " ".join(re.sub(r"({[{%]|[%}]})", r" \1 ", text).split())


def _unreachable(subject: Subject, catalog: Catalog) -> Iterator[Finding]:
    template = subject.template
    tasks = template.tasks if template.task == MULTITASK else (template.task,)
    unknown = [task for task in tasks if task not in catalog.tasks]
    for task in unknown:
        what = f"no dataset has the task '{task}'"
        yield subject.finding("warning", "never-drawn", what)
    if not subject.serves and not unknown:
        forms = sorted({form for task in tasks for form in catalog.tasks[task].forms})
        what = f"no record of {' or '.join(tasks)} has its forms; there are {', '.join(forms)}"
        yield subject.finding("warning", "never-drawn", what)
    elif subject.serves and not any(
        fits(template, row) for task, form in subject.serves for row in probes(task, form)
    ):
        what = "no record can have what it requires and lack what it excludes"
        yield subject.finding("warning", "never-drawn", what)


def evaluation_findings(
    subjects: Sequence[Subject], folder: Path, catalog: Catalog
) -> Iterator[Finding]:
    """Compare training templates with the prompts that held-out datasets are evaluated with."""
    prompts: dict[str, str] = {}
    for path in files_of(folder, "*.yaml") if folder.is_dir() else ():
        dataset = catalog.datasets.get(path.stem)
        if dataset is not None and dataset.role == "held-in":
            continue
        try:
            for node in _instructions(read_yaml(path)):
                prompts.setdefault(same_text(str(node.value)), f"{path.name}, line {node.line}")
        except PlacedError as error:
            yield Finding("error", "syntax", error.file, error.line, None, error.what)
        except UserError as error:
            yield Finding("error", "syntax", str(path), None, None, str(error))
    trained = {dataset.task for dataset in catalog.select(role="held-in")}
    for subject in subjects:
        if subject.template.mode == "instruction" and trained & {
            task for task, _ in subject.serves
        }:
            where = prompts.get(same_text(subject.template.instruction))
            if where is not None:
                what = f"is the evaluation prompt of {where}, up to white space"
                yield subject.finding("warning", "equals-evaluation", what, "instruction")


def _instructions(node: Node) -> Iterator[Node]:
    """Find every text under a key `instruction`."""
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
