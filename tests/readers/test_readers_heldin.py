"""The held-in readers on good files, on files with any JSON in them, and on real slices."""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from heldin_cases import (
    CAPFILT,
    DEFAULTS,
    Read,
    aokvqa_row,
    book,
    coco_file,
    column,
    dialogue,
    ids,
    karpathy_file,
    pairs,
    reader_of,
    textcaps_row,
    vqa_files,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_help import real_data, run_reader

from instructify._util.errors import UserError
from instructify.readers import READERS
from instructify.readers.arrow import cleaned, cleaned_captions
from instructify.readers.base import OptionValue
from instructify.readers.text import clean, clean_caption


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader_of(tmp_path)


TEXTS = st.lists(
    st.text(st.sampled_from(list("ab \t\n\u00a0\u3000\x1c\x85\u200b\u00e9.")), max_size=6),
    max_size=8,
)


@given(texts=TEXTS)
def test_columns_are_cleaned_as_single_texts_are(texts: list[str]) -> None:
    assert cleaned(texts).to_pylist() == [clean(text) for text in texts]
    assert cleaned_captions(texts).to_pylist() == [clean_caption(text) for text in texts]
    assert cleaned(texts).type == pa.string()


GOOD: dict[str, dict[str, Any]] = {
    "coco_caption": {"captions": coco_file(), "karpathy": karpathy_file()},
    "web_capfilt": {
        "ccs_web": pairs(("http://a.example", "b")),
        "laion_synthetic": pairs(("http://a", "c")),
    },
    "textcaps": {
        "captions": {"data": [textcaps_row("a", 1, "x")]},
        "ocr": {"data": [{"image_id": "a", "ocr_tokens": ["x"]}]},
    },
    "vqav2": vqa_files(1000, 2000),
    "okvqa": vqa_files(1000, 2000),
    "aokvqa": {"questions": [aokvqa_row()]},
    "ocr_vqa": {"data": {"1": book()}},
    "vqav2_qg": vqa_files(1000, 2000),
    "okvqa_qg": vqa_files(1000, 2000),
    "aokvqa_qg": {"questions": [aokvqa_row()]},
    "llava": {"data": [dialogue("a", "b", "c", "d")]},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def mutate(value: Any, path: list[int], with_what: Any) -> Any:
    """Replace a part of a JSON value; the path picks members by number."""
    if not path or not isinstance(value, list | dict) or not value:
        return with_what
    if isinstance(value, list):
        at = path[0] % len(value)
        return [*value[:at], mutate(value[at], path[1:], with_what), *value[at + 1 :]]
    key = list(value)[path[0] % len(value)]
    return {**value, key: mutate(value[key], path[1:], with_what)}


@pytest.mark.parametrize("name", list(GOOD))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    which=st.integers(0, 3),
    path=st.lists(st.integers(0, 9), max_size=6),
    value=ANYTHING,
    evaluate=st.booleans(),
)
def test_arbitrary_json_gives_records_rejects_or_one_sentence(
    read: Read, name: str, which: int, path: list[int], value: Any, evaluate: bool
) -> None:
    files = GOOD[name]
    role = list(files)[which % len(files)]
    damaged = {**files, role: mutate(files[role], path, value)}
    with suppress(UserError):
        read(name, damaged, split="val" if evaluate else "train")


@pytest.mark.parametrize("name", list(GOOD))
def test_the_good_files_are_read_without_a_reject(read: Read, name: str) -> None:
    outcome = read(name, GOOD[name])
    assert outcome.records
    assert not outcome.rejects


def test_real_coco_slices() -> None:
    root = real_data("coco_caption")
    for split in ("train", "val"):
        path = root / f"annotations/captions_{split}2014.json"
        value = json.loads(path.read_text(encoding="utf-8"))
        outcome = run_reader(
            READERS["coco_caption"],
            {"captions": path},
            split=split,
            options={"split_source": "auto"},
        )
        unit = "annotations" if split == "train" else "images"
        assert len(outcome.records) == len(value[unit])
        assert not outcome.rejects
    options: dict[str, OptionValue] = {"split_source": "lavis"}
    lavis = root / "lavis/coco_karpathy_train.json"
    assert len(run_reader(READERS["coco_caption"], {"lavis": lavis}, options=options).records) == 75
    files = {"karpathy": root / "karpathy/dataset_coco.json"}
    record = run_reader(
        READERS["coco_caption"], files, split="test", options=DEFAULTS["coco_caption"]
    ).only()
    assert record["pictures"] == ["coco/000000391895"]
    assert len(record["references"]) == 5


def test_real_vqav2_slice() -> None:
    root = real_data("vqav2")
    files = {
        "questions": root / "v2_OpenEnded_mscoco_train2014_questions.json",
        "annotations": root / "v2_mscoco_train2014_annotations.json",
    }
    value = json.loads(files["annotations"].read_text(encoding="utf-8"))["annotations"]
    outcome = run_reader(READERS["vqav2"], files, options=DEFAULTS["vqav2"])
    assert column(outcome, "answer") == [one["multiple_choice_answer"] for one in value]
    assert column(outcome, "references") == [[a["answer"] for a in one["answers"]] for one in value]
    assert not outcome.rejects
    drop = run_reader(READERS["vqav2_qg"], files, options={"yes_no": "drop"})
    assert len(drop.records) == sum(one["answer_type"] != "yes/no" for one in value)


@pytest.mark.parametrize(("split", "annotated"), [("train", 130), ("val", 126)])
def test_real_okvqa_slices(split: str, annotated: int) -> None:
    root = real_data("okvqa")
    files = {
        "questions": root / f"OpenEnded_mscoco_{split}2014_questions.json",
        "annotations": root / f"mscoco_{split}2014_annotations.json",
    }
    outcome = run_reader(READERS["okvqa"], files, split=split, options=DEFAULTS["okvqa"])
    assert len(outcome.records) == annotated
    assert Counter(reason for _, _, reason in outcome.reasons()) == {
        "no-annotation": 150 - annotated
    }


def test_real_aokvqa_slices() -> None:
    for split, questions in (("val", 150), ("test", 60)):
        files = {"questions": real_data("aokvqa", f"aokvqa_v1p0_{split}.json")}
        outcome = run_reader(READERS["aokvqa"], files, split=split, options=DEFAULTS["aokvqa"])
        assert len(outcome.records) == 2 * questions
        assert not outcome.rejects


def test_real_ocr_vqa_slice() -> None:
    files = {"data": real_data("ocr_vqa", "dataset.json")}
    outcome = run_reader(READERS["ocr_vqa"], files, options=DEFAULTS["ocr_vqa"])
    assert len(outcome.records) == 8
    assert outcome.records[1]["answer"] == "Mom's Family Wall Calendar 2016"


@pytest.mark.parametrize(
    ("name", "records"),
    [("conversation_58k", 199), ("detail_23k", 17), ("complex_reasoning_77k", 65)],
)
def test_real_llava_slices(name: str, records: int) -> None:
    outcome = run_reader(READERS["llava"], {"data": real_data("llava_instruct", f"{name}.json")})
    assert len(outcome.records) == records
    assert not outcome.rejects
    assert not any("<image>" in question for question in column(outcome, "question"))


def test_real_capfilt_slices() -> None:
    root = real_data("web_capfilt")
    files = {"ccs_web": root / "ccs_filtered.json", "laion_web": root / "laion_filtered.json"}
    outcome = run_reader(READERS["web_capfilt"], files, options=CAPFILT)
    assert len(outcome.records) == 16 + 150
    assert not outcome.rejects
    assert len(set(ids(outcome))) == 166
