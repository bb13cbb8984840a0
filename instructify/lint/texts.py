"""Check the source of a template, without rendering it."""

import itertools
import re
from collections.abc import Iterator

from jinja2 import nodes

from instructify.columns import is_columnar
from instructify.lint.finding import Finding
from instructify.lint.probes import BROUGHT, needed
from instructify.lint.subject import Subject
from instructify.templating import FIELDS, Kind, Part

ANSWERS = frozenset({"answer", "references", "choice_index"})

_TOKEN = re.compile(
    r"<[^<>\s][^<>]*>|\[/?(?:INST|PAD|CLS|SEP|MASK|UNK|DEC|ENC|BOS|EOS|IMG)\]|<<\w+>>"
)
_MARKS = (".", "!", "?")
_ROLE = re.compile(r"^(?:USER|ASSISTANT|SYSTEM|Human|Assistant|###\s*\w+)\s*:|^###\s", re.MULTILINE)
_LISTS = {name for name, kind in FIELDS.items() if kind in (Kind.TEXTS, Kind.TURNS)}


def targets(subject: Subject) -> frozenset[str]:
    """Return the fields that the response gives, and those that would give them away."""
    read = subject.programs["response"].names
    if read & ANSWERS:
        return ANSWERS
    return frozenset({"question"}) & read


def text_findings(subject: Subject) -> Iterator[Finding]:
    """Check a template by its source."""
    yield from _tokens(subject)
    yield from _double_marks(subject)
    yield from _unused(subject)
    yield from _slow(subject)


def _tokens(subject: Subject) -> Iterator[Finding]:
    """Find special tokens in literal text; a `<` in a comparison does not count."""
    for part, program in subject.programs.items():
        for text, line in _written(program.tree):
            for match in _TOKEN.finditer(text):
                what = f"the {part} holds the special token {match[0]!r}"
                at = line + text[: match.start()].count("\n")
                yield subject.finding("error", "special-token", what, part, at)
            for match in _ROLE.finditer(text):
                what = f"the {part} holds {match[0]!r}, which looks like a role of a chat"
                at = line + text[: match.start()].count("\n")
                yield subject.finding("warning", "special-token", what, part, at)


def _written(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    for data in tree.find_all(nodes.TemplateData):
        yield data.data, data.lineno
    for const in tree.find_all(nodes.Const):
        if isinstance(const.value, str):
            yield const.value, const.lineno


def _double_marks(subject: Subject) -> Iterator[Finding]:
    """Find a mark after a text that may end with one: choices may be whole sentences."""
    for part, program in subject.programs.items():
        for output in program.tree.find_all(nodes.Output):
            for value, data in itertools.pairwise(output.nodes):
                if not isinstance(data, nodes.TemplateData) or data.data[:1] not in _MARKS:
                    continue
                name = _printed_text(value)
                if name is not None:
                    what = f"'{data.data[0]}' follows '{name}', which may end with a mark"
                    yield subject.finding("warning", "double-mark", what, part, value.lineno)


def _printed_text(value: nodes.Expr) -> str | None:
    """Return the field whose text is printed; None for numbers, letters and constants."""
    if isinstance(value, nodes.Filter) and value.name in ("length", "letter"):
        return None
    if isinstance(value, nodes.Name):
        return value.name if value.name in FIELDS and value.name != "choice_index" else None
    inner = value.node if isinstance(value, nodes.Filter | nodes.Getitem) else None
    if isinstance(value, nodes.Getattr) and value.attr in ("question", "answer"):
        return value.attr
    return _printed_text(inner) if isinstance(inner, nodes.Expr) else None


def _unused(subject: Subject) -> Iterator[Finding]:
    template = subject.template
    read = subject.programs["instruction"].names
    for field, forms in _lacking(subject, read, {}).items():
        what = f"the instruction never reads '{field}', which every record of {forms} has"
        yield subject.finding("error", "unused-field", what, "instruction")
    for field, forms in _lacking(subject, read, BROUGHT).items():
        what = f"the instruction ignores '{field}', which records of {forms} bring along"
        yield subject.finding("warning", "unused-field", what, "instruction")
    if not targets(subject):
        what = "the response reads neither answer nor question: it is the same for every record"
        yield subject.finding("error", "unused-field", what, "response")
    for name in {name for name, _ in (*template.begins, *template.unless_begins)}:
        if name in targets(subject) and not _is_stem(template.instruction):
            what = f"a condition looks at '{name}', which the response gives"
            yield subject.finding("warning", "answer-leak", what)
    everything = frozenset().union(*(program.names for program in subject.programs.values()))
    for field in template.requires:
        if field != "pictures" and field not in everything:
            what = f"'{field}' is required, but no text reads it"
            yield subject.finding("warning", "unused-field", what)


def _is_stem(instruction: str) -> bool:
    """Return whether the response continues the sentence, which limits how it can begin."""
    return instruction.rstrip()[-1:].isalpha()


def _lacking(
    subject: Subject, read: frozenset[str], brought: dict[tuple[str, str], tuple[str, ...]]
) -> dict[str, str]:
    """Return the fields that are not read, with the tasks and forms that have them."""
    lacking: dict[str, list[str]] = {}
    target_fields = targets(subject)
    for task, form in subject.serves:
        for field in brought.get((task, form), ()) if brought else needed(task, form):
            if field not in read and field not in target_fields:
                lacking.setdefault(field, []).append(f"{task} {form}")
    return {field: " and ".join(forms) for field, forms in lacking.items()}


def _slow(subject: Subject) -> Iterator[Finding]:
    for part, program in subject.programs.items():
        if not is_columnar(program.tree):
            what = f"the {part} is rendered row by row, some hundred times slower"
            yield subject.finding("warning", "slow", what, part)
        yield from _growing(subject, part, program.tree)


def _growing(subject: Subject, part: Part, tree: nodes.Template) -> Iterator[Finding]:
    """Find a whole list printed once for every item of a list."""
    for loop in tree.find_all(nodes.For):
        for body in loop.body:
            for filtered in body.find_all(nodes.Filter):
                inside = filtered.find(nodes.Name)
                if filtered.name in ("join", "lettered") and inside and inside.name in _LISTS:
                    what = (
                        f"'{inside.name}' is printed whole for each item of a loop: the text grows "
                        "with the square of the list"
                    )
                    line = filtered.lineno
                    yield subject.finding("warning", "costly-construct", what, part, line)
