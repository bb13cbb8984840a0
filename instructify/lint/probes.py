"""Made-up records of every task and form, with and without each optional field.

`NEEDED` lists the fields that every record of a form has, `BROUGHT` those that all datasets of a
task have; any other field may be null in any record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from instructify.templating import Template, misfit

Row = Mapping[str, Any]

TURNS = [
    {"question": "is it daytime", "answer": "yes, i think so"},
    {"question": "any people", "answer": "no"},
]
_OPTIONAL: dict[str, Any] = {
    "context": "Balls roll.\nBoxes do not.",
    "caption": "a ball on a box",
    "history": TURNS,
    "ocr_tokens": ["TOP", "5%"],
    "text": 'they said "roll"',
}
_FORMS: dict[str, Row] = {
    "caption": {"answer": "A red ball on a green box.", "references": ["A red ball."]},
    "caption_set": {"references": ["A red ball.", "ball on a box"], "answer": "A red ball."},
    "open": {"question": "What color is the ball?", "answer": "red", "references": ["red"]},
    "multiple_choice": {
        "question": "Which is on top?",
        "answer": "ball",
        "choices": ["box", "ball", "lamp"],
        "choice_index": 1,
    },
    "question_generation": {"question": "What color is the ball?", "answer": "red"},
    "dialog": {"question": "is there a ball", "answer": "yes, a red one"},
    "binary": {"question": "The ball is on the box.", "answer": "yes"},
    "conversation": {"question": "What lies on the box?", "answer": "A red ball lies on it."},
}
# Fields without which a form says nothing: an instruction that leaves one out asks nothing.
NEEDED: dict[str, tuple[str, ...]] = {
    "caption": (),
    "caption_set": (),
    "open": ("question",),
    "multiple_choice": ("question", "choices"),
    "question_generation": (),
    "dialog": ("question",),
    "binary": ("question",),
    "conversation": ("question",),
}
BROUGHT: dict[tuple[str, str], tuple[str, ...]] = {
    ("image_captioning_reading", "caption"): ("ocr_tokens",),
    ("image_captioning_reading", "caption_set"): ("ocr_tokens",),
    ("image_qa_reading", "open"): ("ocr_tokens",),
    ("knowledge_qa", "multiple_choice"): ("context",),
    ("visual_dialog", "dialog"): ("caption", "history"),
    ("llava_instruct", "conversation"): ("history",),
    ("image_classification", "binary"): ("text",),
}
# Class folders have no question, and a meme has its text instead of one.
_CLASSES = "image_classification"


def needed(task: str, form: str) -> tuple[str, ...]:
    """Return the fields that every record of a task and form has, if it asks something."""
    return tuple(n for n in NEEDED[form] if (task, n) != (_CLASSES, "question"))


def probes(task: str, form: str) -> Iterator[Row]:
    """Yield records with all optional fields, without each, with each alone, and with none.

    The last record has all fields, but lists of a single item.
    """
    optional = {**_OPTIONAL}
    base = dict(_FORMS[form])
    if task == _CLASSES:
        optional["question"] = base.pop("question")
    names = list(optional)
    sets = [
        names,
        *([n for n in names if n != left_out] for left_out in names),
        *([n] for n in names),
        [],
    ]
    for chosen in sets:
        row = {**base, **{name: optional[name] for name in chosen}}
        if (task, form) != (_CLASSES, "binary") or row.keys() & {"question", "text"}:
            yield row
    yield {**base, **optional, "history": TURNS[:1], "ocr_tokens": ["TOP"]}


def with_own_fields(rows: Iterable[Row], names: Sequence[str]) -> Iterator[Row]:
    """Give records the fields of own data that a template reads: all of them, each one alone
    missing, none."""
    present = [tuple(name for name in names if name != other) for other in names]
    sets = dict.fromkeys([tuple(names), *present, ()])
    for row in rows:
        for chosen in sets:
            yield {**row, **dict.fromkeys(chosen, "a text of your own")}


def optional_fields(task: str) -> tuple[str, ...]:
    """Name the fields that a record of a task may lack."""
    return (*_OPTIONAL, *(("question",) if task == _CLASSES else ()))


def fits(template: Template, row: Row) -> bool:
    """Return whether a record may draw a template; pictures are present or not as required."""
    return misfit(template, row) is None
