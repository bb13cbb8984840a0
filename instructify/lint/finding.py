"""A finding about a template, and the kinds of findings."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]

# The kinds of findings, each with a sentence that says how to fix it.
KINDS: dict[str, str] = {
    "syntax": "Correct the line; docs/templates.md shows how to write a template.",
    "construct": "Use what docs/templates.md lists under «What Jinja is allowed».",
    "undefined-field": "Name a field listed in docs/templates.md, or remove it.",
    "costly-construct": "Remove it; it may need unlimited time or memory.",
    "slow": "Write it without `in`, loop filters and mixed tests: those render row by row.",
    "unused-field": "Print the field, or remove the form from the template.",
    "null-field": "Test the field first, as in {% if context %}, or list it under requires.",
    "render-fails": "Write it so that every record of the form can be rendered.",
    "empty-render": "Add words for records with empty fields, or declare allow_empty: true.",
    "allow-empty": "Remove allow_empty; no rendering is empty.",
    "answer-leak": "Remove the field from the instruction.",
    "option-letters": "Mark options by `choices | lettered`, answer by `choice_index | letter`.",
    "lost-separator": "Separate them by a mark or a label (`field | sentence` adds a full stop).",
    "double-mark": "Use `field | sentence`, which adds a full stop only if there is no mark.",
    "mixed-labels": "Use the same label everywhere, so that a model learns a single name.",
    "special-token": "Remove it; the model's code decides where the picture and turns go.",
    "duplicate": "Delete one of the two.",
    "near-duplicate": "Rephrase one of them, or delete it.",
    "equals-evaluation": "Rephrase it, or name the datasets under trains_on_evaluation_prompt.",
    "unneeded-permission": "Remove the name from trains_on_evaluation_prompt.",
    "never-drawn": "Correct forms or conditions, or delete the template.",
    "other-templates": "Run `instructify retemplate` on the build, or name its --templates.",
    "answer-in-instruction": "Look at some with `instructify inspect`; the data may cause this.",
    "truncation": "Shorten the template or its context: training keeps only the end of a text.",
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
