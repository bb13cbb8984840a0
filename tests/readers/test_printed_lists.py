"""Lists that Python and NumPy printed into cells are read as lists, or refused; never said."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_help import put, run

from instructify.readers.printed import read_printed
from instructify.readers.table_cells import Fault, list_instead, rounds_of, texts_of

QUIZ = """
task: knowledge_qa
table: {file: quiz.jsonl, columns: {picture: img, question: q, references: right}}
"""
CHOICE = """
task: knowledge_qa
form: multiple_choice
table: {file: quiz.jsonl, columns: {picture: img, question: q, choices: all, answer: right}}
"""
OPEN = QUIZ.replace("references", "answer")


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ("['cup', 'cup', 'mug']", ("cup", "cup", "mug")),
        ("[\"driver's seat\", 'seat']", ("driver's seat", "seat")),
        ("['none', 'None']", ("none", "None")),
        ("['a' 'b c'\n 'd']", ("a", "b c", "d")),
        ("array(['a', 'b'], dtype=object)", ("a", "b")),
        ("array(['a', 'b'], dtype='<U1')", ("a", "b")),
        ("('a', 'b')", ("a", "b")),
        ("{'a'}", ("a",)),
        ("[np.str_('a'), np.str_('b')]", ("a", "b")),
        ("['it\\'s', 'a\\nb', '\\xe9', '\\u00e9']", ("it's", "a\nb", "\u00e9", "\u00e9")),
        ("['a', 2, 2.5]", ("a", "2", "2.5")),
        ("[1 2]", ("1", "2")),
        ("[u'a', u'b']", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ("a|b", ("a", "b")),
        ("[sic] he said|b", ("[sic] he said", "b")),
        ("('quoted') text", ("('quoted') text",)),
        ("('quoted')", ("('quoted')",)),
        ("{'a' is a letter", ("{'a' is a letter",)),
        ("[unk]", ("[unk]",)),
    ],
)
def test_a_list_in_a_cell(cell: str, texts: tuple[str, ...]) -> None:
    assert texts_of(cell, "|") == texts


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("['a', None]", "empty-text"),
        ("[None, 'a']", "empty-text"),
        ("['a', nan]", "empty-text"),
        ("[nan, 'a']", "empty-text"),
        ("['a', '']", "empty-text"),
        ("[{'colour': 'cup', 'answer_id': 1}]", "wrong-type"),
        ("[['a'], ['b']]", "wrong-type"),
        ("['a', 'b", "bad-value"),
        ("['a', 'b'", "bad-value"),
        ("['a' ... 'b']", "bad-value"),
        ("['a', b]", "bad-value"),
        ("['a', open('x').read()]", "bad-value"),
        ("[a, b]", "bad-value"),
        ("['a', '\\ud800']", "lone-surrogate"),
        ("['a'," + "[" * 5_000, "bad-value"),
    ],
)
def test_a_list_that_cannot_be_read_is_a_fault(cell: str, reason: str) -> None:
    fault = texts_of(cell, "|")
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    if reason in ("bad-value", "wrong-type"):
        assert 'as JSON, ["red", "green"]' in fault.detail


def test_a_table_of_printed_lists_says_none_of_them(tmp_path: Path) -> None:
    cells = ["['cup', 'cup', 'mug']", "['two' '2' 'two']", '["it\'s"]', "['a', None]", "cup|mug"]
    rows = [{"img": f"{n}.jpg", "q": "What?", "right": cell} for n, cell in enumerate(cells)]
    put(tmp_path, "quiz.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    read = run(tmp_path, QUIZ)
    assert [(one["answer"], one["references"]) for one in read.records] == [
        ("cup", ["cup", "cup", "mug"]),
        ("two", ["two", "2", "two"]),
        ("it's", ["it's"]),
        ("cup", ["cup", "mug"]),
    ]
    assert [(one.position, one.field) for one in read.rejects] == [(3, "right")]


def test_printed_choices_are_choices(tmp_path: Path) -> None:
    rows = [
        {"img": "1.jpg", "q": "What?", "all": "['cup', 'mug']", "right": "mug"},
        {"img": "1.jpg", "q": "What?", "all": "['cup' 'mug']", "right": "cup"},
        {"img": "1.jpg", "q": "What?", "all": "['cup', 'mug'", "right": "cup"},
        {"img": "1.jpg", "q": "What?", "all": "['cup', 'mug']", "right": "['cup']"},
    ]
    put(tmp_path, "quiz.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    read = run(tmp_path, CHOICE)
    assert [(one["choices"], one["choice_index"]) for one in read.records] == [
        (["cup", "mug"], 1),
        (["cup", "mug"], 0),
    ]
    assert [(one.position, one.field) for one in read.rejects] == [(2, "all"), (3, "right")]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("['cup', 'cup']", False),
        ("['cup'", False),
        ("array(['cup'], dtype=object)", False),
        ("('cup', 'mug')", False),
        ("{'answer': 'cup'}", False),
        ('["cup", "mug"]', True),  # JSON may be what a model shall say
        ("('cup')", True),
        ("[cup]", True),
        ("'cup', 'mug'", True),
        ("{'cup' and more", True),
    ],
)
def test_a_printed_list_is_never_an_answer(cell: str, said: bool, tmp_path: Path) -> None:
    assert (list_instead(cell) is None) == said
    put(tmp_path, "quiz.jsonl", json.dumps({"img": "1.jpg", "q": "What?", "right": cell}) + "\n")
    read = run(tmp_path, OPEN)
    assert [one["answer"] for one in read.records] == ([cell] if said else [])
    assert [(one.field, one.reason) for one in read.rejects] == (
        [] if said else [("right", "bad-value")]
    )


def test_a_printed_history_and_printed_pictures(tmp_path: Path) -> None:
    assert rounds_of("[{'question': 'Who?', 'answer': \"it's me\"}]") == [
        {"question": "Who?", "answer": "it's me"}
    ]
    row = {"img": "['1.jpg', 'a/2.jpg']", "q": "What?", "right": "cup"}
    put(tmp_path, "quiz.jsonl", json.dumps(row) + "\n")
    assert run(tmp_path, OPEN).records[0]["pictures"] == ["mine/1.jpg", "mine/a/2.jpg"]


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(_TEXTS | st.integers(-99, 99) | st.none() | st.booleans(), max_size=5))
def test_what_python_prints_is_read_back(items: list[object]) -> None:
    assert read_printed(str(items)) == items
    assert read_printed(str(tuple(items))) == items


@given(st.lists(st.text(st.characters(min_codepoint=32, codec="utf-8"), min_size=1), max_size=5))
def test_what_numpy_prints_is_read_back(items: list[str]) -> None:
    items = [item.rstrip("\0") or "x" for item in items]
    assert read_printed(str(np.array(items, dtype=object))) == items
    assert read_printed(repr(np.array(items, dtype=object))) == items


@given(st.text(st.sampled_from("[](){}'\",:\\ ab1.Nn\n"), max_size=30))
def test_reading_a_cell_never_raises(text: str) -> None:
    texts_of(text, "|")
    rounds_of(text)
    list_instead(text)
