"""`sentence` ends a text as a sentence exactly once, in Python and on columns with equal bytes."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import nodes

from instructify._util.resources import find
from instructify.columns import kernels
from instructify.templating.filters import (
    SENTENCE_CLOSERS,
    SENTENCE_ENDS,
    SENTENCE_LOOSE_ENDS,
    sentence,
)
from instructify.templating.load import PARTS, Template, load_templates, render_row

TELLING = SENTENCE_ENDS + SENTENCE_CLOSERS + SENTENCE_LOOSE_ENDS
OTHERS = "ab\n\t\0\u00e9\u00a0"
TEXTS = st.text(st.one_of(st.sampled_from(TELLING + OTHERS), st.characters(codec="utf-8")))


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("red", "red."),
        ("hat day?", "hat day?"),
        ("yes.", "yes."),
        ("p.m.", "p.m."),
        ("p.m", "p.m."),
        ("wait ...", "wait ..."),
        ('he said "go!"', 'he said "go!"'),
        ('"go"', '"go".'),
        ("(see above.)", "(see above.)"),
        ("red, ", "red."),
        ("really?,", "really?"),
        ("\u4f55\uff1f", "\u4f55\uff1f"),
        ("so\u2026", "so\u2026"),
        ("3:", "3."),
        ("", ""),
        (" ,", " ,"),
        (")", ")."),
        (None, None),
    ],
)
def test_a_text_ends_as_a_sentence_once(text: str | None, ended: str | None) -> None:
    assert sentence(text) == ended
    column = kernels.sentence(pa.array([text, "x"], pa.string()))
    assert column.to_pylist() == [ended, "x."]
    assert kernels.sentence(pa.scalar(text, pa.string())).as_py() == ended


@given(st.lists(st.one_of(st.none(), TEXTS), max_size=20))
@settings(max_examples=300, deadline=None)
def test_columns_give_the_bytes_of_python(texts: list[str | None]) -> None:
    column = kernels.sentence(pa.array(texts, pa.string()))
    assert column.to_pylist() == [sentence(text) for text in texts]
    sliced = kernels.sentence(pa.array([None, "a", *texts], pa.string()).slice(2))
    assert sliced.equals(column)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_it_is_done_once_and_adds_one_mark_at_most(text: str) -> None:
    ended = sentence(text)
    assert ended is not None
    assert sentence(ended) == ended
    kept = text.rstrip(SENTENCE_LOOSE_ENDS)
    assert ended in ((kept, f"{kept}.") if kept else (text,))
    if kept:
        assert ended.rstrip(SENTENCE_CLOSERS)[-1:] in tuple(SENTENCE_ENDS)


def _closed_by_hand(template: Template) -> list[str]:
    """The fields that a mark stands right behind, which closes a text twice that ends in one."""
    found = []
    for program in filter(None, map(template.program, PARTS)):
        for output in program.tree.find_all(nodes.Output):
            for field, literal in zip(output.nodes, output.nodes[1:], strict=False):
                is_field = isinstance(field, nodes.Name | nodes.Getattr)
                is_index = isinstance(field, nodes.Getattr) and field.attr.startswith("index")
                if is_field and not is_index and isinstance(literal, nodes.TemplateData):
                    found += [template.key] if literal.data.startswith((".", "!", "?")) else []
    return found


def test_no_template_of_ours_closes_a_field_by_hand() -> None:
    templates = load_templates(find("templates")).templates
    assert [key for template in templates for key in _closed_by_hand(template)] == []


FIRST_ROUND: dict[str, Any] = {
    "form": "dialog",
    "question": "is it sunny",
    "answer": "yes",
    "caption": "a hill",
    "history": [],
    "choices": ["yes", "no"],
    "choice_index": 0,
}
CONSTANTS = dict.fromkeys(("dataset", "split", "task", "task_name", "dataset_name"), "x")
OF_EARLIER_ROUNDS = ("next", "so far", "earlier", "history", "already", "continue", "before")


def test_the_first_round_of_a_dialogue_speaks_of_no_earlier_one() -> None:
    templates = load_templates(find("templates")).for_task("visual_dialog")
    assert templates
    for template in templates:
        told = render_row(template, FIRST_ROUND, CONSTANTS)
        text = f" {told.instruction} ".lower()
        for word in OF_EARLIER_ROUNDS:
            assert f" {word}" not in text, (template.key, text)
