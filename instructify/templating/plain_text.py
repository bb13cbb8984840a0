"""Templates as plain text: one per line, with slots such as `{Question}`.

A published list can be used as it is printed. Slots become fields of a record and all other text
stays text; a line with any other brace is refused. Text in square brackets is left out if a record
lacks the field in it: `[Context: {Context} ]Question: {Question}`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean

_HISTORY = (
    "{% for turn in history %}{{ turn.question }} {{ turn.answer }}"
    "{% if not loop.last %}. {% endif %}{% endfor %}"
)
SLOTS: dict[str, tuple[str, str]] = {  # the slot's words => field, Jinja
    "question": ("question", "{{ question }}"),
    "statement": ("question", "{{ question }}"),
    "answer": ("answer", "{{ answer }}"),
    "short answer": ("answer", "{{ answer }}"),
    "options": ("choices", "{{ choices | lettered }}"),
    "choices": ("choices", "{{ choices | lettered }}"),
    "ocr tokens": ("ocr_tokens", "{{ ocr_tokens | join(', ') }}"),
    "context": ("context", "{{ context }}"),
    "caption": ("caption", "{{ caption }}"),
    "text": ("text", "{{ text }}"),
    "dialog history": ("history", _HISTORY),
    "history": ("history", _HISTORY),
}
_OPTIONAL = ("ocr_tokens", "context", "caption", "text", "history")  # what a record may lack
GENERATION = "question_generation"
_IMAGE = re.compile(r"\s*<image>\s*", re.IGNORECASE)
_PIECES = re.compile(r"(\\[\[\]\\]|\\n|\[|\]|\{[^{}]*\}|[{}])")
_BRIEF = re.compile(
    r"\b(short(ly)?|brief(ly)?|concise(ly)?|succinct(ly)?|few words|"
    r"(one|two|three|single|a) words?|no more than \w+ words?)\b",
    re.IGNORECASE,
)
_WORDS_IN_ID = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainTemplate:
    """One line: its text as Jinja, the fields in it, and its conditions on records."""

    id: str
    line: int
    instruction: str
    slots: tuple[str, ...]
    requires: tuple[str, ...]
    brief: bool

    def forms(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the forms of a task that fit: with options, statements, or neither."""
        if {"options", "choices"} & set(self.slots):
            wanted = [form for form in known if form == "multiple_choice"]
        elif "statement" in self.slots:
            wanted = [form for form in known if form == "binary"]
        else:
            wanted = [form for form in known if form != "multiple_choice"]
        return tuple(wanted)


class _Text(NamedTuple):
    jinja: str
    slots: tuple[str, ...]
    required: frozenset[str]  # fields outside of brackets


def read_plain(text: str, where: str, *, asks_for_answer: bool = True) -> list[PlainTemplate]:
    """Read templates from the lines of a text; empty lines and lines that begin with # are skipped.

    `asks_for_answer`: the answer is the response, so its slot may only end a line, where it is
    removed. For question generation the answer is part of the instruction. UserError names the
    line.
    """
    templates: list[PlainTemplate] = []
    lines: dict[str, int] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = _IMAGE.sub("", raw, count=1).strip() if _IMAGE.match(raw) else raw.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{where}, line {number}"
        if line in lines:
            raise UserError(f"{place}: the same as line {lines[line]}; leave one of them out")
        lines[line] = number
        taken = {template.id for template in templates}
        templates.append(_template(line, number, place, taken, asks_for_answer=asks_for_answer))
    if not templates:
        raise UserError(f"{where} holds no template; write one a line, as: Question: {{Question}}")
    return templates


def _template(
    line: str, number: int, place: str, taken: set[str], *, asks_for_answer: bool
) -> PlainTemplate:
    if asks_for_answer:
        line = _without_answer(line, place)
    made = _jinja(line, place)
    if not made.jinja.strip():
        raise UserError(f"{place}: nothing is left of it beside the answer")
    return PlainTemplate(
        id=_id(line, taken),
        line=number,
        instruction=made.jinja,
        slots=made.slots,
        requires=tuple(name for name in _OPTIONAL if name in made.required),
        brief=_BRIEF.search(line) is not None,
    )


def _without_answer(line: str, place: str) -> str:
    """Remove the answer's slot from the end; anywhere else it would give the answer away."""
    cut = re.sub(r"\s*\{\s*(short )?answer\s*\}\s*$", "", line, flags=re.IGNORECASE)
    if re.search(r"\{\s*(short )?answer\s*\}", cut, re.IGNORECASE):
        raise UserError(
            f"{place}: the answer would stand in the instruction; only templates of {GENERATION} "
            "have {Answer} before the end"
        )
    return cut


def _jinja(line: str, place: str) -> _Text:
    parts: list[str] = []
    slots: list[str] = []
    required: set[str] = set()
    opened: int | None = None  # where in `parts` a bracket begins
    inside: list[str] = []
    for piece in _pieces(line):
        if piece == "[":
            if opened is not None:
                raise UserError(f"{place}: a bracket in a bracket; close the first, or write \\[")
            opened, inside = len(parts), []
        elif piece == "]":
            if opened is None or not inside:
                raise UserError(f"{place}: a bracket that holds no slot; write \\[ and \\]")
            parts.insert(opened, f"{{% if {' and '.join(dict.fromkeys(inside))} %}}")
            parts.append("{% endif %}")
            opened = None
        elif piece.startswith("{") and piece.endswith("}") and len(piece) > 1:
            slot = _slot(piece, place)
            slots.append(slot)
            if opened is None:
                required.add(SLOTS[slot][0])
            else:
                inside.append(SLOTS[slot][0])
            parts.append(SLOTS[slot][1])
        elif piece in ("{", "}"):
            raise UserError(f"{place}: a brace without its other one; slots look like {{Question}}")
        else:
            parts.append({"\\n": "\n", "\\[": "[", "\\]": "]", "\\\\": "\\"}.get(piece, piece))
    if opened is not None:
        raise UserError(f"{place}: a bracket is not closed; close it, or write \\[")
    return _Text("".join(parts), tuple(slots), frozenset(required))


def _pieces(line: str) -> Iterator[str]:
    return (piece for piece in _PIECES.split(line) if piece)


def _slot(piece: str, place: str) -> str:
    words = " ".join(piece[1:-1].replace("_", " ").split()).lower()
    if words not in SLOTS:
        known = [slot.capitalize() if slot != "ocr tokens" else "OCR tokens" for slot in SLOTS]
        raise UserError(f"{place}: unknown slot {piece}; {did_you_mean(piece[1:-1], known)}")
    return words


def _id(line: str, taken: set[str]) -> str:
    """Make an id from the first words, with a number if the id is taken."""
    words = re.findall(r"[a-z0-9]+", line.lower())[:_WORDS_IN_ID] or ["template"]
    name = "-".join(words)
    number, candidate = 2, name
    while candidate in taken:
        candidate = f"{name}-{number}"
        number += 1
    return candidate
