"""Made-up records, one rich and one bare for every task and form, and how a template meets them."""

from collections.abc import Mapping
from typing import NamedTuple

from instructify.templating.model import Template
from instructify.templating.rendering import Rendered, render_row

CONSTANTS = {
    "dataset": "corner_qa",
    "split": "train",
    "task": "corner",
    "form": "open",
    "task_name": "Corner task",
    "dataset_name": "CornerQA",
}

Value = str | int | list[str] | list[dict[str, str]] | None
Row = Mapping[str, Value]

TURNS = [
    {"question": "is it daytime", "answer": "yes, i think so"},
    {"question": "any people", "answer": "no"},
]
BARE: dict[str, Row] = {
    "caption": {"answer": "A red ball on a green box."},
    "caption_set": {"answer": None, "references": ["A red ball.", "ball on a box"]},
    "open": {"question": "What color is the ball?", "answer": "red"},
    "multiple_choice": {
        "question": "Which is on top?",
        "answer": "ball",
        "choices": ["box", "ball"],
        "choice_index": 1,
    },
    "question_generation": {"question": "What color is the ball?", "answer": "red"},
    "dialog": {"question": "is there a ball", "answer": "yes, a red one"},
    "binary": {"question": "The ball is on the box.", "answer": "yes"},
    "conversation": {"question": "What lies on the box?", "answer": "A red ball lies on it."},
}
EXTRA: dict[tuple[str, str], Row] = {
    ("image_captioning_reading", "caption"): {"ocr_tokens": ["TOP", "5%"]},
    ("image_captioning_reading", "caption_set"): {"ocr_tokens": ["TOP", "5%"]},
    ("knowledge_qa", "open"): {"context": "Balls roll.\nBoxes do not."},
    ("knowledge_qa", "multiple_choice"): {"context": "Balls roll.\nBoxes do not."},
    ("image_qa_reading", "open"): {"ocr_tokens": ["TOP", "5%"]},
    ("visual_dialog", "dialog"): {"caption": "a ball on a box", "history": TURNS},
    ("llava_instruct", "conversation"): {"history": TURNS},
    ("image_classification", "binary"): {"text": 'they said "roll"', "question": None},
}
LESS: dict[tuple[str, str], Row] = {
    ("image_classification", "binary"): {"question": None},
    ("image_classification", "open"): {"question": None},
    ("image_classification", "multiple_choice"): {"question": None},
}


class Case(NamedTuple):
    """A template with a task and form that it serves."""

    template: Template
    task: str
    form: str


def bare(task: str, form: str) -> Row:
    """Give a record with nothing beyond what its form needs."""
    return {**BARE[form], **LESS.get((task, form), {})}


def rich(task: str, form: str) -> Row:
    """Give a record with everything that its task may bring along."""
    return {**BARE[form], **EXTRA.get((task, form), {})}


def render(case: Case, row: Row) -> Rendered:
    """Render with made-up constants."""
    return render_row(case.template, row, CONSTANTS)
