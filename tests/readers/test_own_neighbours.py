"""Shapes beside those of the page: what people write nearly like them is read, or said."""

import base64
import json
from pathlib import Path

import pytest
from shape_makers import picture
from table_help import put, reasons, run

from instructify._util.errors import UserError

QA = "columns: {picture: img, question: q, answer: a}"
QUIZ = (
    "task: knowledge_qa\nform: multiple_choice\ndata: {file: t.json, %s"
    "columns: {picture: img, question: q, choices: c, %s: a}}"
)
URL = "data:image/jpeg;base64," + base64.b64encode(picture(0)).decode()
ROW = {"img": "0.jpg", "q": "Q?", "a": "a"}


def dump(raw: Path, name: str, value: object) -> None:
    put(raw, name, json.dumps(value))


@pytest.mark.parametrize(
    ("choices", "right", "texts", "answer"),
    [
        ({"C": "three", "A": "one", "B": "two"}, "A", ["one", "two", "three"], "one"),
        ({"c": "three", "a": "one", "b": "two"}, "C", ["one", "two", "three"], "three"),
        ({"10": "ten", "2": "two", "1": "one"}, 10, ["one", "two", "ten"], "ten"),
        ({"C": "three", "A": "one", "B": "two"}, 2, ["one", "two", "three"], "three"),
        ({"left": "one", "right": "two", "above": "x"}, "right", ["one", "two", "x"], "two"),
    ],
)
def test_an_object_of_choices_lies_in_the_order_of_its_letters(
    tmp_path: Path, choices: dict[str, str], right: object, texts: list[str], answer: str
) -> None:
    for cell in (choices, json.dumps(choices)):
        dump(tmp_path, "t.json", [{**ROW, "c": cell, "a": right}])
        [row] = run(tmp_path, QUIZ % ("", "choice_index")).records
        assert (row["choices"], row["answer"]) == (texts, answer)


def test_an_index_of_zero_is_a_reject_where_numbers_begin_with_one(tmp_path: Path) -> None:
    dump(tmp_path, "t.json", [{**ROW, "c": ["x", "y"], "a": at} for at in (1, 2, 0)])
    read = run(tmp_path, QUIZ % ("choice_base: 1, ", "choice_index"))
    assert [row["answer"] for row in read.records] == ["x", "y"]
    assert reasons(read) == [(2, "a", "bad-value")]
    assert "where the numbers begin with 0, leave choice_base out" in read.rejects[0].detail


@pytest.mark.parametrize(
    "cell",
    [
        URL,
        f"\n {URL}\r\n",
        URL.replace("base64,", "base64,\n  "),
        URL.replace(";base64", "; base64"),
        URL.replace("data:image", "data: image"),
        f"{URL[:90]}\n{URL[90:]}",
        f"  {URL.partition(',')[2]}",
        [f" {URL}"],
    ],
)
def test_white_space_in_data_urls_and_base64_is_passed_over(tmp_path: Path, cell: object) -> None:
    dump(tmp_path, "t.json", [{**ROW, "img": cell}, {**ROW, "img": URL}])
    read = run(tmp_path, f"task: image_qa\ndata: {{file: t.json, {QA}}}")
    assert read.rejects == []
    assert read.records[0]["pictures"] == read.records[1]["pictures"]


@pytest.mark.parametrize(
    ("cell", "separator"),
    [
        ("0.jpg|1.jpg", "|"),
        ("0.jpg | 1.jpg|", "|"),
        ('["0.jpg", "1.jpg"]', "|"),
        ("['0.jpg', '1.jpg']", "|"),
        ("['0.jpg' '1.jpg']", "|"),
        ("('0.jpg', '1.jpg')", "|"),
        ("array(['0.jpg', '1.jpg'], dtype=object)", "|"),
        ("0.jpg;1.jpg", ";"),
        ("0.jpg, 1.jpg", ","),
    ],
)
def test_several_pictures_in_a_cell(tmp_path: Path, cell: str, separator: str) -> None:
    put(tmp_path, "t.csv", f'img,q,a\n"{cell.replace(chr(34), chr(34) * 2)}",Q?,a\n')
    entry = f"task: image_qa\ndata: {{file: t.csv, separator: '{separator}', {QA}}}"
    [row] = run(tmp_path, entry).records
    assert row["pictures"] == ["mine/0.jpg", "mine/1.jpg"]


def test_several_image_parts_of_one_turn_keep_their_order(tmp_path: Path) -> None:
    other = "data:image/png;base64," + base64.b64encode(picture(1, "PNG")).decode()
    parts: list[object] = [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "Compare"},
        {"type": "image_url", "image_url": {"url": other, "detail": "low"}},
        {"type": "image_url", "image_url": URL},
        {"type": "text", "text": "them."},
    ]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "Red."}]}
    put(tmp_path, "m.jsonl", json.dumps({"messages": [{"role": "user", "content": parts}, answer]}))
    entry = "task: llava_instruct\ndata: {file: m.jsonl, kind: conversations}"
    [row] = run(tmp_path, entry).records
    pictures = row["pictures"]
    assert isinstance(pictures, list)
    assert pictures[0] == pictures[2] != pictures[1]
    assert (row["question"], row["answer"]) == ("Compare\nthem.", "Red.")


def test_sharegpt_with_system_and_tools(tmp_path: Path) -> None:
    call = {"from": "function_call", "value": "{}"}
    human, gpt = {"from": "human", "value": "<image>Who?"}, {"from": "gpt", "value": "Me."}
    more = {"system": "Be brief.", "tools": "[{}]", "images": ["0.jpg"]}
    items = [{"conversations": [human, gpt], **more}, {"conversations": [human, call, gpt], **more}]
    dump(tmp_path, "d.json", items)
    read = run(tmp_path, "task: llava_instruct\ndata: {file: d.json, kind: conversations}")
    assert [row["question"] for row in read.records] == ["Be brief.\nWho?"]
    assert reasons(read) == [(1, "conversations[1].from", "bad-value")]


def test_lavis_weights_do_not_stand_in_the_way(tmp_path: Path) -> None:
    row = {"question_id": 1, "question": "Q?", "image": "0.jpg", "answer": ["a", "b"]}
    dump(tmp_path, "t.json", [{**row, "weight": [0.3, 0.7], "dataset": "vqa"}])
    columns = "{id: question_id, picture: image, question: question, references: answer}"
    [read] = run(tmp_path, f"task: image_qa\ndata: {{file: t.json, columns: {columns}}}").records
    assert (read["answer"], read["references"]) == ("a", ["a", "b"])


def test_a_key_that_only_another_file_has_is_said(tmp_path: Path) -> None:
    dump(tmp_path, "t.json", [ROW])
    with pytest.raises(UserError, match="is a JSON list and has no key 'data'; remove 'key'"):
        run(tmp_path, f"task: image_qa\ndata: {{file: t.json, key: data, {QA}}}")
