"""VQA v1, VQAv2 and OK-VQA under each other's names are told apart before anything is read."""

import copy
from pathlib import Path
from typing import Any

import pytest
from heldin_cases import Read, reader_of
from reader_help import real_data, run_reader

from instructify._util.errors import UserError
from instructify.readers import READERS

VQA_V1 = "This is v1.0 of the VQA dataset."
VQA_V2 = "This is v2.0 of the VQA dataset."
OK_VQA = "This is v1.0 of the OK-VQA dataset."


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader_of(tmp_path)


def files(
    description: str | None, step: int, field: str, *, header_last: bool = False, count: int = 5
) -> dict[str, Any]:
    """Make the questions and annotations of one of the releases."""
    questions: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in range(101, 101 + count):
        number = image * step + 1
        questions.append({"image_id": image, "question": "What?", "question_id": number})
        answers = [{"answer": "tea", field: "tea"} for _ in range(10)]
        row: dict[str, Any] = {"image_id": image, "question_id": number, "answers": answers}
        if field == "answer":
            row["multiple_choice_answer"] = "tea"
        annotations.append(row)
    info = {} if description is None else {"info": {"description": description}}
    made: dict[str, Any] = {}
    for role, rows in (("questions", questions), ("annotations", annotations)):
        made[role] = {role: rows, **info} if header_last else {**info, role: rows}
    return made


V1 = files(VQA_V1, 10, "answer")
V2 = files(VQA_V2, 1000, "answer")
OK = files(OK_VQA, 10, "raw_answer", header_last=True)


@pytest.mark.parametrize(("dataset", "own"), [("vqav2", V2), ("okvqa", OK)])
def test_the_release_itself_is_read(dataset: str, own: dict[str, Any], read: Read) -> None:
    outcome = read(dataset, own)
    assert (len(outcome.records), outcome.rejects) == (5, [])


@pytest.mark.parametrize("dataset", ["vqav2", "vqav2_qg", "okvqa", "okvqa_qg"])
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (V1, "is v1.0 of the VQA dataset by its own header"),
        (files(VQA_V1.replace("1.0", "1.9"), 10, "answer", header_last=True), "is v1.9 of the VQA"),
        (files(None, 10, "answer"), "VQA v1 or "),
        ({"questions": V2["questions"], "annotations": V1["annotations"]}, "by its own header"),
    ],
)
def test_vqa_v1_under_the_names_of_another(
    dataset: str, other: dict[str, Any], said: str, read: Read
) -> None:
    with pytest.raises(UserError, match=said) as error:
        read(dataset, other)
    name = "OK-VQA" if dataset.startswith("okvqa") else "VQAv2"
    assert f"get the files of {name}" in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "other"),
    [
        ("vqav2", OK),
        ("vqav2", files(None, 10, "raw_answer")),
        ("okvqa", V2),
        ("okvqa", files(None, 1000, "answer")),
    ],
)
def test_vqav2_and_okvqa_under_each_others_names(
    dataset: str, other: dict[str, Any], read: Read
) -> None:
    with pytest.raises(UserError, match="get the files of"):
        read(dataset, other)


def test_questions_alone_tell_as_well(read: Read) -> None:
    with pytest.raises(UserError, match="by its own header"):
        read("vqav2", {"questions": V1["questions"]}, split="test")
    with pytest.raises(UserError, match="by their ids"):
        read("vqav2", {"questions": files(None, 10, "answer")["questions"]}, split="test")


def test_a_header_says_nothing_in_a_question(read: Read) -> None:
    own = files(None, 1000, "answer")
    own["questions"]["questions"][0]["question"] = "This is v1.0 of the OK-VQA dataset"
    assert len(read("vqav2", own).records) == 5


@pytest.mark.parametrize("dataset", ["vqav2", "okvqa"])
def test_the_real_slices_are_of_their_release(dataset: str) -> None:
    prefix = "v2_" if dataset == "vqav2" else ""
    folder = real_data(dataset)
    paths = {
        "questions": folder / f"{prefix}OpenEnded_mscoco_train2014_questions.json",
        "annotations": folder / f"{prefix}mscoco_train2014_annotations.json",
    }
    outcome = run_reader(READERS[dataset], paths, options={"target": "most_common"})
    assert outcome.records


def _with_images(own: dict[str, Any], images: dict[int, int | None]) -> dict[str, Any]:
    """Change, or take out, the images of some annotations."""
    made = copy.deepcopy(own)
    for row, image in images.items():
        annotation = made["annotations"]["annotations"][row]
        del annotation["image_id"]
        if image is not None:
            annotation["image_id"] = image
    return made


@pytest.mark.parametrize(("dataset", "own"), [("vqav2", V2), ("vqav2_qg", V2), ("okvqa", OK)])
def test_an_annotation_of_another_image_is_a_reject(
    dataset: str, own: dict[str, Any], read: Read
) -> None:
    outcome = read(dataset, _with_images(own, {1: 7, 3: 8, 4: None}))
    assert [(one.position, one.field, one.reason) for one in outcome.rejects] == [
        (1, "image_id", "bad-value"),
        (3, "image_id", "bad-value"),
    ]
    assert "about image 102 and its annotation about image 7" in outcome.rejects[0].detail
    assert "different releases" in outcome.rejects[0].detail
    assert [one["position"] for one in outcome.records] == [0, 2, 4]


def test_an_annotation_of_another_image_is_a_reject_in_another_order(read: Read) -> None:
    mixed = _with_images(V2, {1: 7})
    mixed["annotations"]["annotations"].reverse()
    outcome = read("vqav2", mixed)
    assert [(one.position, one.field) for one in outcome.rejects] == [(1, "image_id")]
    assert [one["position"] for one in outcome.records] == [0, 2, 3, 4]


def test_an_annotation_that_is_bad_otherwise_is_one_reject(read: Read) -> None:
    mixed = _with_images(V2, {1: 7})
    mixed["annotations"]["annotations"][1]["answers"] = []
    assert [one.reason for one in read("vqav2", mixed).rejects] == ["no-answer"]


@pytest.mark.parametrize(("dataset", "own"), [("vqav2", V2), ("okvqa", OK), ("okvqa_qg", OK)])
def test_annotations_of_other_images_throughout_are_refused(
    dataset: str, own: dict[str, Any], read: Read
) -> None:
    shifted = _with_images(own, {row: 500 + row for row in range(5)})
    with pytest.raises(UserError, match="different releases, so get both from the same"):
        read(dataset, shifted)
