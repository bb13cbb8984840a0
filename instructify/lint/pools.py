"""Compare templates with each other: duplicates, inconsistent labels, and templates never drawn."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from jinja2 import nodes

from instructify.catalog import Catalog
from instructify.lint.as_read import as_bert_reads
from instructify.lint.finding import Finding
from instructify.lint.probes import fits, probes
from instructify.lint.subject import Subject, tasks_of
from instructify.lint.variety import own_text

_ALIKE = 0.6  # share of common words from which two templates are nearly the same
_WORD = re.compile(r"[a-z]+")
_LABEL = re.compile(r"([^\s.:;!?][^.:;!?]*):\s*$")
_LABELLED = ("ocr_tokens",)  # what datasets of several tasks bring, so that one name serves all


def pool_findings(subjects: Sequence[Subject], catalog: Catalog) -> Iterator[Finding]:
    """Compare the templates of each pool, and report those that belong to none."""
    yield from _alike(subjects)
    yield from _labels(subjects)
    for subject in subjects:
        yield from _unreachable(subject, catalog)


def conflict_findings(added: Sequence[Subject], known: Sequence[Subject]) -> Iterator[Finding]:
    """Find templates of an added folder with the name of another template but other texts."""
    names = {
        (known_subject.template.task, known_subject.template.id): known_subject
        for known_subject in known
    }
    for subject in added:
        other = names.get((subject.template.task, subject.template.id))
        if other is not None and other.template.sha256 != subject.template.sha256:
            what = f"{other.placed.node.file} has another template of this id"
            yield subject.finding("error", "duplicate", what)


def _alike(subjects: Sequence[Subject]) -> Iterator[Finding]:
    pools: dict[tuple[str, str | None, str, str], list[Subject]] = {}
    for subject in subjects:
        for task, form in subject.serves:
            pool_of = (subject.template.mode, subject.template.dataset, task, form)
            pools.setdefault(pool_of, []).append(subject)
    words = {id(subject): _own_words(subject) for subject in subjects}
    reported: set[tuple[int, int]] = set()
    for pool in pools.values():
        for first, second in itertools.combinations(pool, 2):
            pair = (id(first), id(second))
            if pair in reported:
                continue
            reported.add(pair)
            where = f"'{first.template.id}' of line {first.line()}"
            if _normalised(first) == _normalised(second):
                what = f"reads the same as {where}, up to case and white space"
                yield second.finding("error", "duplicate", what, "instruction")
                continue
            mine, theirs = words[pair[0]], words[pair[1]]
            common, either = len(mine & theirs), len(mine | theirs)
            if common > _ALIKE * either:
                what = f"shares {common} of {either} words with {where}"
                yield second.finding("warning", "near-duplicate", what, "instruction")


def _own_words(subject: Subject) -> frozenset[str]:
    """Return the words of an instruction outside of conditions and loops, and in their `else`."""
    return frozenset(_WORD.findall(own_text(subject)))


def _normalised(subject: Subject) -> tuple[str, ...]:
    template = subject.template
    texts = (template.instruction, template.response, template.qformer_instruction or "")
    return tuple(same_text(text) for text in texts)


def same_text(text: str) -> str:
    """Return a template text in a form without the differences that tokenizers drop."""
    return as_bert_reads(text)


def _labels(subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Find a list of words for which a folder uses several labels."""
    named: dict[str, list[tuple[Subject, str]]] = {}
    for subject in subjects:
        for field, label in labels(subject).items():
            named.setdefault(field, []).append((subject, label))
    for field, all_ in named.items():
        usual, _ = Counter(label.lower() for _, label in all_).most_common(1)[0]
        for subject, label in all_:
            if label.lower() != usual:
                what = f"'{field}' is called '{label}' here and '{usual}' elsewhere"
                yield subject.finding("warning", "mixed-labels", what, "instruction")


def labels(subject: Subject) -> dict[str, str]:
    """Return the label in front of each list of OCR tokens, if there is one."""
    by_name = {}
    for output in subject.programs["instruction"].tree.find_all(nodes.Output):
        for before, node in pairwise(output.nodes):
            name = node.find(nodes.Name) if isinstance(node, nodes.Filter) else None
            if name is None or name.name not in _LABELLED:
                continue
            match = _LABEL.search(before.data) if isinstance(before, nodes.TemplateData) else None
            if match is not None:
                by_name[name.name] = match[1]
    return by_name


def _unreachable(subject: Subject, catalog: Catalog) -> Iterator[Finding]:
    template = subject.template
    tasks = tasks_of(template, catalog)
    if template.dataset is not None and not tasks:
        what = f"no catalog has the dataset '{template.dataset}'; give your own by --catalog"
        yield subject.finding("warning", "never-drawn", what)
        return
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
