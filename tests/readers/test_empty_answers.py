"""One empty answer among several: the record stays, all answers stay, none of them is the target.

The same rule for every reader with several references; and for empty wrong choices, which go.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from heldin_cases import aokvqa_row, vqa_files
from reader_help import Outcome, real_data, run_reader, write_json

from instructify.build.raw import option_values
from instructify.catalog.load import load_catalog
from instructify.readers import READERS, RawFile, ReadContext

Make = Callable[[Sequence[str]], dict[str, Any]]


class Kind(NamedTuple):
    """A dataset, and how its files say a question's answers."""

    dataset: str
    files: Make


def _vqa(answers: Sequence[str]) -> dict[str, Any]:
    files = vqa_files(1000, answers=list(answers))
    for one in files["annotations"]["annotations"]:
        for given in one["answers"]:
            given["raw_answer"] = given["answer"]
    return files


def _vizwiz(answers: Sequence[str]) -> dict[str, Any]:
    given = [{"answer": answer} for answer in answers]
    return {"questions": [{"image": "a.jpg", "question": "What?", "answers": given}]}


def _textvqa(answers: Sequence[str]) -> dict[str, Any]:
    row = {"question_id": 1, "question": "What?", "image_id": "a", "answers": list(answers)}
    return {"questions": {"data": [row]}}


def _ivqa(answers: Sequence[str]) -> dict[str, Any]:
    row = {"video_id": "abcdefghijk", "start": 1, "end": 2, "question": "What?"}
    row |= {f"answer{number}": answer for number, answer in enumerate(answers[:5], 1)}
    return {"questions": [row]}


KINDS = (
    Kind("vqav2", _vqa),
    Kind("okvqa", _vqa),
    Kind("aokvqa", lambda answers: {"questions": [aokvqa_row(direct_answers=list(answers))]}),
    Kind("vizwiz", _vizwiz),
    Kind("textvqa", _textvqa),
    Kind("ivqa", _ivqa),
)


def read(kind: Kind, answers: Sequence[str], folder: Path, **options: str) -> Outcome:
    dataset = load_catalog().dataset(kind.dataset)
    files = {
        role: write_json(folder / f"{role}.json", value)
        for role, value in kind.files(answers).items()
    }
    given = {**option_values(dataset), **options}
    return run_reader(
        READERS[dataset.reader], files, dataset=kind.dataset, split="val", options=given
    )


def open_record(outcome: Outcome) -> dict[str, Any]:
    (record,) = (one for one in outcome.records if one["form"] == "open")
    return record


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.dataset)
@pytest.mark.parametrize("place", [0, 1, 4])
def test_an_empty_answer_stays_a_reference_and_is_no_target(
    kind: Kind, place: int, tmp_path: Path
) -> None:
    answers = ["red", "blue", "blue", "red", "blue"]
    answers[place] = " \t"
    outcome = read(kind, answers, tmp_path)
    assert outcome.rejects == []
    record = open_record(outcome)
    assert record["references"] == [answer.strip() for answer in answers]
    assert record["answer"] in ("red", "blue")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.dataset)
def test_most_empty_answers_give_the_target_to_the_few(kind: Kind, tmp_path: Path) -> None:
    answers = ["", "", "", "", "red"]
    for target in ("most_common", "weighted"):
        options = {"target": target} if kind.dataset != "ivqa" else {}
        record = open_record(read(kind, answers, tmp_path, **options))
        assert record["answer"] == "red"
        assert record["references"] == answers


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.dataset)
def test_only_empty_answers_are_a_reject(kind: Kind, tmp_path: Path) -> None:
    outcome = read(kind, ["", " ", "", "", ""], tmp_path)
    assert [reject.reason for reject in outcome.rejects] == ["no-answer"]
    assert [one["form"] for one in outcome.records if one["form"] == "open"] == []


def test_an_empty_multiple_choice_answer_of_vqav2_is_replaced_by_the_most_common(
    tmp_path: Path,
) -> None:
    files = vqa_files(1000, 2000, answers=["tea", "coffee", "coffee"])
    files["annotations"]["annotations"][0]["multiple_choice_answer"] = " "
    paths = {role: write_json(tmp_path / f"{role}.json", one) for role, one in files.items()}
    for name in ("vqav2", "vqav2_qg"):
        options = option_values(load_catalog().dataset(name))
        outcome = run_reader(READERS[name], paths, options=options)
        assert outcome.rejects == []
        assert [one["answer"] for one in outcome.records] == ["coffee", "coffee"]
        if name == "vqav2":
            assert [one["answer_choice"] for one in outcome.records] == [1, None]


def test_a_weighted_target_is_drawn_as_before_where_no_answer_is_empty(tmp_path: Path) -> None:
    with_empty = ["a", "", "b", "c"]
    drawn = set()
    for seed in range(40):
        files = _textvqa(with_empty)
        path = write_json(tmp_path / "questions.json", files["questions"])
        options: dict[str, str | int | bool] = {"target": "weighted", "ocr_tokens": 0}
        outcome = run_reader(READERS["textvqa"], {"questions": path}, options=options, seed=seed)
        drawn.add(outcome.only()["answer"])
    assert drawn == {"a", "b", "c"}


CHOICES = ["", "red", " ", "green"]


def _aokvqa(index: int | None) -> dict[str, Any]:
    row = aokvqa_row(choices=CHOICES, correct_choice_idx=index)
    if index is None:
        del row["correct_choice_idx"]
    return {"questions": [row]}


def _scienceqa(index: int | None) -> dict[str, Any]:
    problem = {"question": "What?", "choices": CHOICES, "answer": index, "split": "val"}
    return {"problems": {"7": {**problem, "image": "image.png"}}, "splits": {"val": ["7"]}}


def _iconqa(index: int | None) -> dict[str, Any]:
    kind = "choose_txt"
    problem = {"question": "What?", "choices": CHOICES, "answer": index, "ques_type": kind}
    return {"problems": {"7": problem}, "splits": {f"{kind}_val": ["7"]}}


@pytest.mark.parametrize(
    ("name", "files", "right"),
    [
        ("aokvqa", _aokvqa, 3),
        ("aokvqa", _aokvqa, 1),
        ("aokvqa", _aokvqa, None),
        ("scienceqa", _scienceqa, 3),
        ("iconqa", _iconqa, 3),
    ],
)
def test_empty_wrong_choices_go_with_a_remark_and_the_right_index_follows(
    name: str, files: Callable[[int | None], dict[str, Any]], right: int | None, tmp_path: Path
) -> None:
    options = option_values(load_catalog().dataset(name))
    paths = {
        role: RawFile(role, write_json(tmp_path / f"{role}.json", one))
        for role, one in files(right).items()
    }
    context = ReadContext(
        dataset=name, split="val", options=options, files=paths, folders=(), seed=0
    )
    (chunk,) = READERS[name].read(context)
    rows = chunk.records.to_pylist()
    place = next(at for at, row in enumerate(rows) if row["form"] == "multiple_choice")
    assert rows[place]["choices"] == ["red", "green"]
    assert rows[place]["answer"] == (None if right is None else CHOICES[right])
    assert rows[place]["choice_index"] == {None: None, 1: 0, 3: 1}[right]
    assert list(chunk.remarks) == [(place, "empty-choice")] * 2


def _own(folder: Path, lines: str, table: str) -> Outcome:
    """Read a table of the user's own, `lines` being its entry in the user's catalog."""
    catalog = folder / "own.yaml"
    catalog.write_text(f"format: 1\ndatasets:\n  mine:\n{lines}")
    path = folder / "val.csv"
    path.write_text(table)
    own = load_catalog(extra=catalog).dataset("mine").options
    options = {name: str(value) for name, value in own.items()}
    return run_reader(
        READERS["table"], {"file": path}, dataset="mine", split="val", options=options
    )


def test_own_tables_keep_empty_references(tmp_path: Path) -> None:
    lines = (
        "    task: image_qa\n    table: {files: {val: val.csv}, columns: "
        "{id: id, picture: picture, question: question, references: references}}\n"
    )
    table = (
        "id,picture,question,references\n"
        "a,a.png,What?,red||red|\n"
        'b,b.png,What?,"[""red"", """", ""blue""]"\n'
        "c,c.png,What?,| |\n"
    )
    outcome = _own(tmp_path, lines, table)
    assert [one["references"] for one in outcome.records] == [
        ["red", "", "red"],
        ["red", "", "blue"],
    ]
    assert [one["answer"] for one in outcome.records] == ["red", "red"]
    assert [reject.position for reject in outcome.rejects] == [2]


def test_own_tables_leave_out_empty_choices_and_the_index_follows(tmp_path: Path) -> None:
    lines = (
        "    task: knowledge_qa\n    form: multiple_choice\n"
        "    table: {files: {val: val.csv}, columns: {id: id, picture: picture, "
        "question: question, choices: choices, choice_index: right}}\n"
    )
    table = (
        "id,picture,question,choices,right\n"
        "a,a.png,What?,red||blue,2\n"
        "b,b.png,What?,red| |blue|,b\n"
        "c,c.png,What?,red|green|blue,c\n"
    )
    outcome = _own(tmp_path, lines, table)
    assert [(one["choices"], one["answer"]) for one in outcome.records] == [
        (["red", "blue"], "blue"),
        (["red", "green", "blue"], "blue"),
    ]
    assert [one["choice_index"] for one in outcome.records] == [1, 2]
    assert outcome.reasons() == [(1, "choices", "empty-text")]


def test_the_official_rows_of_aokvqa_with_an_empty_answer_are_kept(tmp_path: Path) -> None:
    """Its authors stripped an answer "!" of a real row to nothing; the slice has ten like it."""
    rows = json.loads(real_data("aokvqa", "aokvqa_v1p0_val.json").read_bytes())
    for row in rows[::15]:
        row["direct_answers"][3] = ""
    path = write_json(tmp_path / "aokvqa_v1p0_val.json", rows)
    options = option_values(load_catalog().dataset("aokvqa"))
    outcome = run_reader(READERS["aokvqa"], {"questions": path}, split="val", options=options)
    assert outcome.rejects == []
    assert len(outcome.records) == 2 * len(rows)
    opens = [one for one in outcome.records if one["form"] == "open"]
    assert sum("" in one["references"] for one in opens) == 10
    assert all(len(one["references"]) == 10 and one["answer"] for one in opens)


def test_an_official_row_of_aokvqa_has_an_empty_wrong_choice(tmp_path: Path) -> None:
    name = "aokvqa_v1p0_val.json"
    rows = json.loads(real_data("aokvqa", name).read_bytes())
    (place,) = (at for at, row in enumerate(rows) if not all(map(str.strip, row["choices"])))
    dataset = load_catalog().dataset("aokvqa")
    context = ReadContext(
        dataset="aokvqa",
        split="val",
        options=option_values(dataset),
        files={"questions": RawFile(name, real_data("aokvqa", name))},
        folders=(),
        seed=0,
    )
    (chunk,) = READERS["aokvqa"].read(context)
    assert [(one.row, one.kind) for one in chunk.remarks] == [(2 * place + 1, "empty-choice")]
    record = chunk.records.slice(2 * place + 1, 1).to_pylist()[0]
    assert len(record["choices"]) == 3
    assert record["choices"][record["choice_index"]] == record["answer"]
    assert record["answer"] == rows[place]["choices"][rows[place]["correct_choice_idx"]]
