"""Whole numbers that pandas wrote as `1.0` are whole numbers where a whole column has them."""

from pathlib import Path

import pandas as pd
import pytest
from table_help import Read, put, reasons, run

CSV = "task: image_qa\ndata: {file: t.csv, columns: {picture: img, question: q, answer: a}"
QUIZ = (
    "task: knowledge_qa\nform: multiple_choice\n"
    "data: {file: t.csv, columns: {picture: img, question: q, answer: a, choices: [A, B]}"
)


def table(raw: Path, **columns: list[object]) -> None:
    """Write a CSV by pandas."""
    (raw / "mine").mkdir(exist_ok=True)
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame({"img": [f"{at}.jpg" for at in range(rows)], "q": "How many?", **columns})
    frame.to_csv(raw / "mine/t.csv", index=False)


def answers(read: Read) -> list[object]:
    return [row["answer"] for row in read.records]


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ([1.0, 2.0, 30.0], ["1", "2", "30"]),
        ([-1.0, 0.0, 1e14], ["-1", "0", "100000000000000"]),
        ([1.0, 2.5, 3.0], ["1.0", "2.5", "3.0"]),
        ([1.0, "two", 3.0], ["1.0", "two", "3.0"]),
        (["1", "2", "3"], ["1", "2", "3"]),
        (["v1.0", "1.0", "2.0"], ["v1.0", "1.0", "2.0"]),
    ],
)
def test_a_column_loses_the_point_as_a_whole_or_stays(
    tmp_path: Path, written: list[object], given: list[str]
) -> None:
    table(tmp_path, a=written)
    assert answers(run(tmp_path, CSV + "}")) == given


def test_a_gap_is_no_other_value_and_stays_a_reject(tmp_path: Path) -> None:
    table(tmp_path, a=[1.0, None, 3.0])
    read = run(tmp_path, CSV + "}")
    assert answers(read) == ["1", "3"]
    assert reasons(read) == [(1, "a", "null-field")]


def test_answer_and_choices_are_judged_together(tmp_path: Path) -> None:
    table(tmp_path, a=[2.0, 4.0], A=[1.0, 3.0], B=[2.0, 4.0])
    read = run(tmp_path, QUIZ + "}")
    assert [(row["choices"], row["answer"]) for row in read.records] == [
        (["1", "2"], "2"),
        (["3", "4"], "4"),
    ]
    table(tmp_path, a=[2.0, 4.0], A=[1.0, 3.5], B=[2.0, 4.0])
    read = run(tmp_path, QUIZ + "}")
    assert [row["answer"] for row in read.records] == ["2.0", "4.0"]


def test_a_field_is_judged_by_its_own_column(tmp_path: Path) -> None:
    table(tmp_path, a=["red", "blue", "red"], year=[1999.0, None, 7.0], size=[1.0, 2.0, 0.5])
    read = run(tmp_path, CSV + ", fields: [year, size]}")
    values = [{one["name"]: one["value"] for one in row["fields"]} for row in read.records]  # type: ignore[attr-defined]
    assert values == [
        {"size": "1.0", "year": "1999"},
        {"size": "2.0"},
        {"size": "0.5", "year": "7"},
    ]


def test_a_tsv_and_a_packed_csv_are_no_other_and_json_has_numbers(tmp_path: Path) -> None:
    put(tmp_path, "t.tsv", "img\tq\ta\n0.jpg\tHow many?\t1.0\n")
    assert answers(run(tmp_path, CSV.replace("t.csv", "t.tsv") + "}")) == ["1"]
    put(tmp_path, "t.jsonl", '{"img": "0.jpg", "q": "How many?", "a": "1.0"}\n')
    assert answers(run(tmp_path, CSV.replace("t.csv", "t.jsonl") + "}")) == ["1.0"]


@pytest.mark.parametrize("cell", ["", " ", '""'])
def test_an_empty_cell_of_a_split_column_is_said(tmp_path: Path, cell: str) -> None:
    put(tmp_path, "t.csv", f"img,q,a,s\n0.jpg,Q?,red,train\n1.jpg,Q?,red,{cell}\n")
    read = run(tmp_path, CSV + ", split: {column: s}}")
    assert answers(read) == ["red"]
    assert reasons(read) == [(1, "s", "bad-value")]
    assert "the cell that names the split is empty" in read.rejects[0].detail
    given = "{column: s, values: {train: [train, '']}}"
    assert answers(run(tmp_path, CSV + f", split: {given}}}")) == ["red", "red"]
