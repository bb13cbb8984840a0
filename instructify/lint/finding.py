"""A finding about a template, and the kinds of findings."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]

# What may be wrong, and the sentence that mends it.
KINDS: dict[str, str] = {
    "syntax": "Mend the line; docs/templates.md shows how a template is written.",
    "construct": "Use what docs/templates.md lists under «What Jinja is allowed».",
    "undefined-field": "Name a field of docs/templates.md, or take it out.",
    "costly-construct": "Write it without; it may take time or memory without end.",
    "slow": "Write it without `in`, loop filters and mixed tests: those render row by row.",
    "unused-field": "Print the field, or take the form out of the template.",
    "null-field": "Ask first, as in {% if context %}, or list the field under requires.",
    "render-fails": "Write it so that every record of the form can be rendered.",
    "empty-render": "Leave some words where the fields are empty, or declare allow_empty: true.",
    "allow-empty": "Take allow_empty out; nothing comes out empty.",
    "answer-leak": "Take the field out of the instruction.",
    "option-letters": "Mark options by `choices | lettered`, answer by `choice_index | letter`.",
    "lost-separator": "Part them by a mark or a label (`field | sentence` puts a full stop).",
    "double-mark": "Let `field | sentence` put the full stop where there is none.",
    "mixed-labels": "Call it the same everywhere, so that a model learns one name for it.",
    "special-token": "Take it out; where the picture and turns go is for the model's code to say.",
    "duplicate": "Delete one of the two.",
    "near-duplicate": "Word one of them otherwise, or delete it.",
    "equals-evaluation": "Word it otherwise, or name these under trains_on_evaluation_prompt.",
    "unneeded-permission": "Take the name out of trains_on_evaluation_prompt.",
    "never-drawn": "Mend forms or conditions, or delete the template.",
    "other-templates": "Run `instructify retemplate` on the build, or name its --templates.",
    "answer-in-instruction": "Look at some with `instructify inspect`; the data says its answers.",
    "truncation": "Shorten the template or its context: training keeps the end of a text alone.",
}


class Finding(NamedTuple):
    """A fault to fix; `line` is None where the fault belongs to no line."""

    severity: Severity
    kind: str
    file: str
    line: int | None
    template: str | None
    what: str

    @property
    def to_do(self) -> str:
        return KINDS[self.kind]
