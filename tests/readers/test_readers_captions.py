"""COCO Caption and TextCaps: splits, captions of a picture, OCR tokens, what is rejected."""

import json
from pathlib import Path

import pytest
from heldin_cases import (
    Read,
    coco_file,
    column,
    ids,
    karpathy_file,
    reader_of,
    textcaps_row,
)

from instructify._util.errors import UserError
from instructify.readers.base import RawFile, record_batch
from instructify.readers.ocr import apply_ocr, load_ocr


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader_of(tmp_path)


def test_coco_trains_on_every_caption_of_the_official_file(read: Read) -> None:
    outcome = read("coco_caption", {"captions": coco_file()})
    assert ids(outcome) == ["342", "1", "343"]
    assert column(outcome, "form") == ["caption"] * 3
    assert column(outcome, "answer") == ["A bathroom with a toilet.", "Food.", "A sink."]
    assert column(outcome, "pictures")[0] == ["coco/000000318219"]
    assert column(outcome, "references") == [None] * 3


def test_coco_evaluates_a_picture_with_all_its_captions(read: Read) -> None:
    outcome = read("coco_caption", {"captions": coco_file()}, split="val")
    assert ids(outcome) == ["9", "318219"]
    assert column(outcome, "form") == ["caption_set"] * 2
    assert column(outcome, "answer") == [None, None]
    assert column(outcome, "references")[1] == ["A bathroom with a toilet.", "A sink."]
    assert outcome.reasons() == [(2, "id", "no-caption")]


def test_coco_takes_karpathys_splits_and_restval_joins_train(read: Read) -> None:
    files = {"captions": coco_file(), "karpathy": karpathy_file()}
    assert ids(read("coco_caption", files)) == ["20", "30", "31"]
    assert column(read("coco_caption", files, split="test"), "references") == [["One.", "Uno."]]
    assert ids(read("coco_caption", files, split="val")) == ["4"]
    assert ids(read("coco_caption", files, split_source="official")) == ["342", "1", "343"]


def test_coco_reads_the_splits_as_lavis_writes_them(read: Read) -> None:
    rows = [
        {"caption": "A desk. ", "image": "val2014/COCO_val2014_000000522418.jpg", "image_id": "x"},
        {"caption": "Two.", "image": "val2014/COCO_val2014_000000522418.jpg", "image_id": "x"},
        {"caption": "Bad.", "image": "val2014/522418.png"},
    ]
    outcome = read("coco_caption", {"lavis": rows})
    assert ids(outcome) == ["522418-0", "522418-1"]
    assert outcome.reasons() == [(2, "image", "bad-value")]
    sets = [{"image": "val2014/COCO_val2014_000000000001.jpg", "caption": ["a", "b ", "c"]}]
    assert column(read("coco_caption", {"lavis": sets}, split="val"), "references") == [
        ["a", "b", "c"]
    ]


def test_coco_names_what_it_cannot_use(read: Read) -> None:
    value = coco_file()
    value["images"].append({"id": 9})
    value["annotations"] += [
        {"image_id": 9, "id": 5, "caption": " \n"},
        {"image_id": 77, "id": 6, "caption": "no such picture"},
        {"image_id": -1, "id": 7, "caption": "x"},
        {"image_id": 9, "id": 8, "caption": None},
    ]
    outcome = read("coco_caption", {"captions": value}, split="val")
    assert sorted(outcome.reasons(), key=str) == [
        (2, "id", "no-caption"),
        (3, "caption", "empty-text"),
        (3, "id", "duplicate-id"),
        (4, "image_id", "bad-value"),
        (5, "image_id", "bad-value"),
        (6, "caption", "null-field"),
    ]
    assert ids(outcome) == ["9", "318219"]
    damaged = karpathy_file()
    damaged["images"][0]["split"] = "dev"
    damaged["images"][1]["sentences"] = []
    damaged["images"][2]["sentences"][0]["raw"] = ""
    outcome = read("coco_caption", {"karpathy": damaged})
    assert outcome.reasons() == [
        (0, "split", "bad-value"),
        (1, "sentences", "no-caption"),
        (2, "sentences[0].raw", "empty-text"),
    ]
    assert ids(outcome) == ["31"]


def test_coco_without_any_file_for_the_split_says_so(read: Read) -> None:
    with pytest.raises(UserError, match="no file for split 'test'"):
        read("coco_caption", {}, split="test")


def test_textcaps_gives_one_caption_a_row_and_not_every_reference(read: Read) -> None:
    rows = [textcaps_row("0a1f", 5, " $3.50 \n sign"), textcaps_row("0a1f", 6, "A sign.")]
    value = {"dataset_type": "train", "dataset_name": "textcaps", "data": rows}
    outcome = read("textcaps", {"captions": value})
    assert ids(outcome) == ["5", "6"]
    assert column(outcome, "answer") == ["$3.50 sign", "A sign."]
    assert column(outcome, "pictures") == [["openimages/0a1f"]] * 2
    record = read("textcaps", {"captions": value}, split="val").only()
    assert record["record_id"] == "textcaps/val/0a1f"
    assert record["references"] == ["$3.50 sign", "A sign."]


def test_textcaps_test_has_pictures_without_captions(read: Read) -> None:
    rows = [textcaps_row("b", 1, None), textcaps_row("a", 2, None), textcaps_row("b", 3, None)]
    outcome = read("textcaps", {"captions": {"data": rows}}, split="test")
    assert ids(outcome) == ["b", "a"]
    assert column(outcome, "references") == [None, None]


def test_textcaps_names_what_it_cannot_use(read: Read) -> None:
    rows = [
        textcaps_row("../b", 1, "x"),
        textcaps_row("a", 2, " "),
        textcaps_row("a", 3, None),
        {"image_id": "a", "caption_str": "x"},
        textcaps_row("a", 5, "good"),
    ]
    outcome = read("textcaps", {"captions": {"data": rows}})
    assert outcome.reasons() == [
        (0, "image_id", "path-outside-root"),
        (1, "caption_str", "empty-text"),
        (2, "caption_str", "missing-field"),
        (3, "caption_id", "missing-field"),
    ]
    assert ids(outcome) == ["5"]


def test_textcaps_takes_the_first_tokens_of_its_rosetta_file(read: Read) -> None:
    ocr = {
        "data": [
            {"image_id": "a", "ocr_tokens": ["A", " ", "B", "C"], "ocr_info": []},
            {"image_id": 3},
        ]
    }
    files = {
        "captions": {"data": [textcaps_row("a", 1, "x"), textcaps_row("b", 2, "y")]},
        "ocr": ocr,
    }
    outcome = read("textcaps", files, ocr_tokens=2)
    assert column(outcome, "ocr_tokens") == [["A", "B"], None]
    assert column(outcome, "ocr_source") == ["ocr.json", None]
    assert outcome.reasons() == [(1, "image_id", "wrong-type")]


def test_ocr_lines_fill_records_that_have_no_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"
    lines = [
        {"picture": "ocr_vqa/1X", "tokens": ["Mom's", "Calendar"]},
        {"picture": "ocr_vqa/1X", "tokens": ["again"]},
        {"picture": "vg/2", "tokens": []},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{", encoding="utf-8")
    table = load_ocr(RawFile("tokens.txt", path))
    assert len(table) == 2
    assert table.tokens("ocr_vqa/1X") == ["Mom's", "Calendar"]
    assert table.tokens("ocr_vqa/2") is None
    assert {reject.position: reject.reason for reject in table.rejects} == {
        1: "duplicate-id",
        3: "cut-off",
    }
    batch = record_batch(
        4,
        record_id=["a", "b", "c", "d"],
        form="open",
        pictures=[["ocr_vqa/1X"], ["vg/2", "ocr_vqa/1X"], ["ocr_vqa/1X"], []],
        ocr_tokens=[None, None, ["own"], None],
        ocr_source=[None, None, "release", None],
        source="s",
        position=[0, 1, 2, 3],
    )
    for size, expected in ((1, ["Mom's"]), (30, ["Mom's", "Calendar"]), (0, [])):
        filled = apply_ocr(batch, table, size)
        assert filled.column("ocr_tokens").to_pylist() == [expected, [], ["own"], None]
        assert filled.column("ocr_source").to_pylist() == ["tokens.txt"] * 2 + ["release", None]
