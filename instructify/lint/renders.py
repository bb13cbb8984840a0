"""Check what a template renders from probe records: failures, empty texts, and leaked answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jinja2 import nodes

from instructify.lint.finding import Finding
from instructify.lint.probes import Row, fits, optional_fields, probes, with_own_fields
from instructify.lint.separators import joins
from instructify.lint.subject import Subject
from instructify.lint.texts import targets
from instructify.templating import (
    NullPrintedError,
    Part,
    RenderError,
    refuses_empty,
    value_of,
)

CONSTANTS = {
    "dataset": "probe",
    "split": "train",
    "task": "probe",
    "form": "probe",
    "task_name": "Probe task",
    "dataset_name": "Probe",
}
_CHOICES = ("box", "ball", "lamp", "kettle", "harbour")
_LABEL = re.compile(r"(?<![A-Za-z0-9])\(?\[?([A-Za-z]|[0-9]{1,2})[)\].:]\s*$")
_SEQUENCES = ("abcde", "ABCDE", "12345", "01234")
_LETTER_WORD = re.compile(r"\bletters?\b", re.IGNORECASE)

Real = Mapping[tuple[str, str], Sequence[Row]]  # records of a build by task and form


def render_findings(subject: Subject, real: Real) -> Iterator[Finding]:
    """Render every text of a template with made-up records, and with those of a build."""
    yield from _failures(subject, real)
    yield from _leaks(subject)
    yield from _separators(subject)
    if any(form == "multiple_choice" for _, form in subject.serves):
        yield from _options(subject)


class _Outcome(NamedTuple):
    """The result of a rendering: a text, or the reason why there is none."""

    text: str | None
    null: bool = False
    reason: str = ""


def _render(subject: Subject, part: Part, row: Row) -> _Outcome:
    program = subject.programs[part]
    values: dict[str, Any] = {n: row.get(n, CONSTANTS.get(n)) for n in program.names}
    values |= {n: value_of(row, n) for n in program.names.intersection(subject.template.fields)}
    try:
        return _Outcome(program.render(values))
    except NullPrintedError as error:
        return _Outcome(None, True, str(error))
    except RenderError as error:
        return _Outcome(None, False, str(error))


def _rows(subject: Subject, real: Real) -> Iterator[tuple[str, Row]]:
    for task, form in subject.serves:
        made_up = with_own_fields(probes(task, form), subject.template.fields)
        for row in (*made_up, *real.get((task, form), ())):
            if fits(subject.template, row):
                yield f"{task} {form}", row


def _failures(subject: Subject, real: Real) -> Iterator[Finding]:
    """Report each kind of failure of a text once, with the field that causes it."""
    came_out_empty = False
    reported: set[tuple[str, str]] = set()
    for where, row in _rows(subject, real):
        for part in subject.programs:
            outcome = _render(subject, part, row)
            if outcome.text is not None and outcome.text.strip():
                continue
            if outcome.text is not None and not refuses_empty(subject.template, part):
                came_out_empty = True
                continue
            if part == "response" and outcome.null and row.get("answer") is None:
                continue  # for inference only
            finding = _failure(subject, part, where, row, outcome)
            if (finding.kind, finding.what) not in reported:
                reported.add((finding.kind, finding.what))
                yield finding
    if subject.template.allow_empty and not came_out_empty and subject.serves:
        yield subject.finding("warning", "allow-empty", "allow_empty is declared without need")


def _failure(subject: Subject, part: Part, where: str, row: Row, outcome: _Outcome) -> Finding:
    if outcome.text is not None:
        what = f"nothing is left of the {part} of a record of {where}{_without(subject, part, row)}"
        return subject.finding("error", "empty-render", what, part)
    if not outcome.null:
        what = f"the {part} fails on a record of {where}: {outcome.reason}"
        return subject.finding("error", "render-fails", what, part)
    nulls = [name for name in sorted(subject.programs[part].names) if value_of(row, name) is None]
    nulls = [name for name in nulls if name not in CONSTANTS]
    printed = [name for name in nulls if _is_to_blame(subject, part, row, name)] or nulls
    what = f"the {part} prints '{printed[0]}', which a record of {where} may lack"
    line = subject.line_of_field(part, printed[0])
    return subject.finding("error", "null-field", what, part, line)


def _is_to_blame(subject: Subject, part: Part, row: Row, name: str) -> bool:
    """Return whether the text would render if this field were present."""
    return _render(subject, part, {**row, name: _example(name)}).text is not None


def _example(name: str) -> object:
    if name in ("choices", "references", "ocr_tokens"):
        return ["x"]
    return {"history": [{"question": "x", "answer": "x"}], "choice_index": 0}.get(name, "x")


def _without(subject: Subject, part: Part, row: Row) -> str:
    read = subject.programs[part].names
    absent = sorted({n for s in subject.serves for n in optional_fields(s[0])} & read - row.keys())
    return f" without {', '.join(absent)}" if absent else ""


def _leaks(subject: Subject) -> Iterator[Finding]:
    """Change what the response gives; an instruction that changes too gives the answer away."""
    hidden = targets(subject)
    for part in ("instruction", "qformer_instruction"):
        program = subject.programs.get(part)
        read = sorted(program.names & hidden) if program is not None else []
        if not read:
            continue
        shown = next((row for _, row in _rows(subject, {}) if _varies(subject, part, row)), None)
        field = read[0]
        line = subject.line_of_field(part, field)
        if shown is not None:
            what = f"the {part} depends on '{field}', which the response gives"
            yield subject.finding("error", "answer-leak", what, part, line)
        else:
            what = (
                f"the {part} reads '{field}', which the response gives, though it prints the same"
            )
            yield subject.finding("warning", "answer-leak", what, part, line)


def _varies(subject: Subject, part: Part, row: Row) -> bool:
    if targets(subject) == {"question"}:
        others: list[Row] = [{**row, "question": "Who threw the kettle?"}]
    else:
        others = [
            {**row, "answer": "no", "references": ["no"], "choice_index": 0},
            {**row, "answer": "kettle", "references": ["kettle", "pot"], "choice_index": 2},
        ]
    first = _render(subject, part, row)
    return any(_render(subject, part, other) != first for other in others)


def _separators(subject: Subject) -> Iterator[Finding]:
    """Report texts that only white space separates, which tokenizers drop."""
    rows = [row for _, row in _rows(subject, {})]
    for part in ("instruction", "qformer_instruction"):
        program = subject.programs.get(part)
        for join in joins(program, rows, CONSTANTS) if program is not None else ():
            field = join.before or join.after
            line = subject.line_of_field(part, field) if field else 1
            what = f"{join.what} in the {part}, once white space is a blank"
            yield subject.finding("warning", "lost-separator", what, part, line)


def _options(subject: Subject) -> Iterator[Finding]:
    """Render two to five choices, and check that the answer is one of the marks shown."""
    asks = any(
        _LETTER_WORD.search(data.data)
        for data in subject.programs["instruction"].tree.find_all(nodes.TemplateData)
    )
    for count in (2, 3, 5):
        for right in range(count):
            what = _option_trouble(subject, _CHOICES[:count], right, asks)
            if what is not None:
                yield subject.finding("error", "option-letters", what, "instruction")
                return


def _option_trouble(subject: Subject, choices: Sequence[str], right: int, asks: bool) -> str | None:
    row = {
        "question": "Which is it?",
        "answer": choices[right],
        "choices": list(choices),
        "choice_index": right,
    }
    row |= {name: _example(name) for name in subject.template.requires if name not in row}
    text = _render(subject, "instruction", row).text
    response = _render(subject, "response", row).text
    if text is None or response is None:
        return f"with {len(choices)} choices it can't be rendered"
    places = [text.rfind(choice) for choice in choices]
    if max(places) >= 0 and min(places) < 0:
        shown = sum(place >= 0 for place in places)
        return f"of {len(choices)} choices the instruction shows {shown}"
    if min(places) < 0:
        return None  # a field that is never read is reported as such
    labels = [_label(text[:place]) for place in places]
    if any(labels) and not any("".join(map(str, labels)) == s[: len(labels)] for s in _SEQUENCES):
        marks = ", ".join(label or "none" for label in labels)
        return f"the options are marked {marks}"
    if choices[right] in response:
        return "the instruction asks for a letter, but the response is the text" if asks else None
    response_mark = response.strip().strip("()[].:")
    if labels[right] is None:
        return f"the response is {response_mark!r}, but the options carry no marks"
    if response_mark != labels[right]:
        return f"the response is {response_mark!r} where the option is marked {labels[right]!r}"
    return None


def _label(before: str) -> str | None:
    match = _LABEL.search(before)
    return match[1] if match else None
