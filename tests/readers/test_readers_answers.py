"""VQAv2, OK-VQA and A-OKVQA: joins, targets, forms, question generation, what is rejected."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from heldin_cases import (
    Read,
    aokvqa_row,
    column,
    ids,
    reader_of,
    vqa_files,
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader_of(tmp_path)


def test_vqav2_trains_on_the_releases_own_choice_and_keeps_ten_answers(read: Read) -> None:
    record = read("vqav2", vqa_files(262148002)).only()
    assert record["record_id"] == "vqav2/train/262148002"
    assert record["form"] == "open"
    assert record["pictures"] == ["coco/000000262148"]
    assert record["question"] == "Which 262148002?"
    assert record["answer"] == "coffee"
    assert record["answer_choice"] is None
    assert record["references"] == ["tea"] * 4 + ["coffee"] * 6
    assert record["subset"] == "other"


def test_vqav2_weighted_draws_answers_by_their_count(read: Read) -> None:
    files = vqa_files(*range(1000, 1400))
    outcome = read("vqav2", files, target="weighted")
    counts = Counter(column(outcome, "answer"))
    assert 110 < counts["tea"] < 210
    assert counts["tea"] + counts["coffee"] == 400
    assert outcome == read("vqav2", files, target="weighted")
    assert outcome != read("vqav2", files, target="weighted", seed=1)


def test_vqav2_test_questions_are_for_inference_only(read: Read) -> None:
    files = {"questions": vqa_files(1000)["questions"]}
    record = read("vqav2", files, split="test").only()
    assert record["answer"] is None
    assert record["references"] is None


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_questions_find_their_annotations_in_any_order(read: Read, order: list[int]) -> None:
    files = vqa_files(1000, 2000, 3000, 4000)
    annotations = files["annotations"]["annotations"]
    for one in annotations:
        one["multiple_choice_answer"] = f"answer {one['question_id']}"
    files["annotations"]["annotations"] = [annotations[place] for place in order]
    outcome = read("vqav2", files)
    assert ids(outcome) == ["1000", "2000", "3000", "4000"]
    assert column(outcome, "answer") == [f"answer {number}" for number in (1000, 2000, 3000, 4000)]
    assert not outcome.rejects


def test_a_question_or_an_annotation_alone_is_a_reject(read: Read) -> None:
    files = vqa_files(1000, 2000, 3000, 4000, 5000)
    del files["annotations"]["annotations"][1]
    del files["questions"]["questions"][3]
    outcome = read("vqav2", files)
    assert ids(outcome) == ["1000", "3000", "5000"]
    assert outcome.rejects[0][:4] == ("questions.json", 1, "question_id", "no-annotation")
    assert outcome.rejects[1][:4] == ("annotations.json", 2, "question_id", "bad-value")


def test_questions_without_any_annotation_are_all_rejected(read: Read) -> None:
    files = vqa_files(1000, 2000)
    files["annotations"]["annotations"] = []
    outcome = read("vqav2", files)
    assert outcome.reasons() == [
        (0, "question_id", "no-annotation"),
        (1, "question_id", "no-annotation"),
    ]
    files = vqa_files(1000)
    files["questions"]["questions"] = []
    assert read("vqav2", files).reasons() == [(0, "question_id", "bad-value")]


def test_a_bad_question_or_annotation_is_one_reject_and_spares_its_neighbours(read: Read) -> None:
    files = vqa_files(*range(1000, 1009))
    annotations = files["annotations"]["annotations"]
    files["questions"]["questions"][0]["question"] = " "
    annotations[2]["answers"] = []
    annotations[3]["answers"] = [{"answer": "\t"}, {"answer": ""}]
    annotations[4]["answers"][2] = {"answer": 7}
    annotations[6]["answers"][1] = None
    del annotations[7]["multiple_choice_answer"]
    outcome = read("vqav2", files)
    assert ids(outcome) == ["1001", "1005", "1008"]
    by_file = {(one.source, one.position): (one.field, one.reason) for one in outcome.rejects}
    assert by_file == {
        ("questions.json", 0): ("question", "empty-text"),
        ("annotations.json", 0): ("question_id", "bad-value"),
        ("annotations.json", 2): ("answers", "no-answer"),
        ("annotations.json", 3): ("answers", "no-answer"),
        ("annotations.json", 4): ("answers[2].answer", "wrong-type"),
        ("annotations.json", 6): ("answers[1]", "null-field"),
        ("annotations.json", 7): ("multiple_choice_answer", "missing-field"),
        ("questions.json", 4): ("question_id", "no-annotation"),
        ("questions.json", 6): ("question_id", "no-annotation"),
        ("questions.json", 7): ("question_id", "no-annotation"),
    }


def test_outer_white_space_goes_and_forged_marks_stay_text(read: Read) -> None:
    files = vqa_files(1000, answers=["\u00a0{{ x }}", "</s> ", "\u3000<image>"])
    record = read("vqav2", files).only()
    assert record["references"] == ["{{ x }}", "</s>", "<image>"]
    assert record["answer"] == "<image>"


def test_okvqa_takes_the_most_common_raw_answer_the_first_of_ties(read: Read) -> None:
    answers = ["pony tail"] * 4 + ["braid"] * 4 + ["bun"] * 2
    files = vqa_files(1000, answers=answers)
    files["annotations"]["annotations"][0]["question_type"] = "four"
    del files["annotations"]["annotations"][0]["multiple_choice_answer"]
    record = read("okvqa", files).only()
    assert record["answer"] == "PONY TAIL"
    assert record["answer_choice"] == 0
    assert record["references"] == [answer.upper() for answer in answers]
    assert record["subset"] == "Sports and Recreation"
    drawn = read("okvqa", files, target="weighted").only()
    assert drawn["answer"] == drawn["references"][drawn["answer_choice"]]


@pytest.mark.parametrize("name", ["vqav2", "okvqa"])
def test_question_generation_gives_the_answer_and_asks_for_the_question(
    read: Read, name: str
) -> None:
    files = vqa_files(1000, 2000)
    labels = files["annotations"]["annotations"][1]
    labels["multiple_choice_answer"] = "Yes"
    labels["answers"] = [{"answer": "Yes", "raw_answer": "Yes"}] * 10
    outcome = read(f"{name}_qg", files)
    assert column(outcome, "form") == ["question_generation"] * 2
    assert [answer.lower() for answer in column(outcome, "answer")] == ["coffee", "yes"]
    assert column(outcome, "question") == ["Which 1000?", "Which 2000?"]
    assert column(outcome, "references") == [None, None]
    dropped = read(f"{name}_qg", files, yes_no="drop")
    assert ids(dropped) == ["1000"]
    assert not dropped.rejects


def test_aokvqa_makes_an_open_and_a_multiple_choice_record(read: Read) -> None:
    first, second = read("aokvqa", {"questions": [aokvqa_row()]}).records
    assert first["record_id"] == "aokvqa/train/22jbM6gDxdaMaunuzgrsBB/open"
    assert (first["form"], first["answer"], first["answer_choice"]) == ("open", "smoke", 0)
    assert first["references"] == ["smoke", "cigarette", "cigarette", "smoke"]
    assert first["choices"] is None
    assert first["difficult"] is True
    assert second["record_id"] == "aokvqa/train/22jbM6gDxdaMaunuzgrsBB/mc"
    assert (second["form"], second["answer"], second["choice_index"]) == (
        "multiple_choice",
        "cigarette",
        3,
    )
    assert second["pictures"] == ["coco/000000461751"]
    assert len(read("aokvqa", {"questions": [aokvqa_row()]}, forms="open").records) == 1
    assert len(read("aokvqa", {"questions": [aokvqa_row()]}, forms="multiple_choice").records) == 1


def test_aokvqa_rows_without_labels_are_for_inference_only(read: Read) -> None:
    row = aokvqa_row()
    for label in ("correct_choice_idx", "direct_answers", "rationales"):
        del row[label]
    outcome = read("aokvqa", {"questions": [row]}, split="test")
    assert column(outcome, "answer") == [None, None]
    assert column(outcome, "references") == [None, None]
    assert outcome.records[1]["choices"] == row["choices"]
    assert read("aokvqa_qg", {"questions": [row]}).reasons() == [(0, "direct_answers", "no-answer")]


def test_aokvqa_leaves_out_an_empty_wrong_choice(read: Read) -> None:
    row = aokvqa_row(choices=["s", "", "b", "f"])
    record = read("aokvqa", {"questions": [row]}, forms="multiple_choice").only()
    assert record["choices"] == ["s", "b", "f"]
    assert record["choice_index"] == 2
    assert record["answer"] == "f"


@pytest.mark.parametrize(
    ("changes", "field", "reason", "num_kept"),
    [
        ({"correct_choice_idx": 4}, "correct_choice_idx", "bad-value", 1),
        ({"correct_choice_idx": -1}, "correct_choice_idx", "bad-value", 1),
        ({"correct_choice_idx": None}, "correct_choice_idx", "null-field", 1),
        ({"choices": ["a", "b", "c", " "]}, "choices[3]", "empty-text", 1),
        ({"choices": []}, "choices", "missing-field", 1),
        ({"choices": None}, "choices", "null-field", 1),
        ({"direct_answers": []}, "direct_answers", "no-answer", 1),
        ({"direct_answers": None}, "direct_answers", "null-field", 1),
        ({"direct_answers": ["\t", ""]}, "direct_answers", "no-answer", 1),
        ({"choices": ["", " ", "", "b"]}, "choices", "empty-text", 1),
        ({"direct_answers": "['a', 'b']"}, "direct_answers", "wrong-type", 0),
        ({"question": "\n"}, "question", "empty-text", 0),
        ({"question_id": " "}, "question_id", "bad-value", 0),
        ({"question_id": 7}, "question_id", "wrong-type", 0),
        ({"image_id": 10**12}, "image_id", "bad-value", 0),
    ],
)
def test_aokvqa_names_what_it_cannot_use(
    read: Read, changes: dict[str, Any], field: str, reason: str, num_kept: int
) -> None:
    outcome = read(
        "aokvqa", {"questions": [aokvqa_row("a"), aokvqa_row(**changes), aokvqa_row("c")]}
    )
    assert outcome.reasons() == [(1, field, reason)]
    assert len(outcome.records) == 4 + num_kept


def test_aokvqa_question_generation_is_given_the_right_choice(read: Read) -> None:
    rows = [aokvqa_row("a"), aokvqa_row("b", choices=["yes", "no"], correct_choice_idx=1)]
    unlabelled = aokvqa_row("c")
    del unlabelled["correct_choice_idx"]
    outcome = read("aokvqa_qg", {"questions": [*rows, unlabelled]})
    assert ids(outcome) == ["a", "b", "c"]
    assert column(outcome, "answer") == ["cigarette", "no", "smoke"]
    assert ids(read("aokvqa_qg", {"questions": rows}, yes_no="drop")) == ["a"]
