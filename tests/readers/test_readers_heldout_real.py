"""Held-out readers on slices of the real releases: as many records as the files hold items."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reader_help import Outcome, real_data, run_reader

from instructify.catalog.load import load_catalog
from instructify.readers import READERS
from instructify.readers.base import OptionValue


def load(*names: str) -> Any:
    return json.loads(real_data(*names).read_text(encoding="utf-8"))


def run(dataset: str, split: str, files: Mapping[str, str], **options: OptionValue) -> Outcome:
    """Read files of the release with the default options of the catalog."""
    defaults = {
        name: value
        for name, value in load_catalog().dataset(dataset).options.items()
        if isinstance(value, OptionValue)
    }
    paths: dict[str, Path] = {role: real_data(dataset, name) for role, name in files.items()}
    return run_reader(READERS[dataset], paths, split=split, options={**defaults, **options})


def test_nocaps() -> None:
    outcome = run("nocaps", "val", {"captions": "nocaps_val_4500_captions.json"})
    assert outcome.rejects == []
    assert [len(record["references"]) for record in outcome.records] == [10] * 60
    assert {record["subset"] for record in outcome.records} == {
        "in-domain",
        "near-domain",
        "out-domain",
    }


@pytest.mark.parametrize(
    ("split", "role", "name", "num_records"),
    [
        ("test", "karpathy", "dataset_flickr30k.json", 84),
        ("val", "karpathy", "dataset_flickr30k.json", 37),
        ("test", "lavis", "lavis/flickr30k_test.json", 101),
        ("val", "lavis", "lavis/flickr30k_val.json", 100),
        ("all", "tokens", "results_20130124.token", 127),
    ],
)
def test_flickr30k(split: str, role: str, name: str, num_records: int) -> None:
    outcome = run("flickr30k", split, {role: name})
    assert outcome.rejects == []
    assert len(outcome.records) == num_records
    assert {len(record["references"]) for record in outcome.records} == {5}


def test_flickr30k_sources_differ_in_spacing_and_case_only() -> None:
    tokens = run("flickr30k", "all", {"tokens": "results_20130124.token"}).records
    raw = run("flickr30k", "test", {"karpathy": "dataset_flickr30k.json"}).records
    by_picture = {record["pictures"][0]: record["references"] for record in tokens}
    shared = [record for record in raw if record["pictures"][0] in by_picture]
    assert len(shared) > 30
    for record in shared:
        other = by_picture[record["pictures"][0]]
        for left, right in zip(record["references"], other, strict=True):
            assert _bare(left) == _bare(right)


def _bare(caption: str) -> str:
    return "".join(letter for letter in caption.replace("&amp;", "&").lower() if letter.isalnum())


@pytest.mark.parametrize(("split", "num_records"), [("val", 156), ("test", 151)])
def test_vizwiz(split: str, num_records: int) -> None:
    outcome = run("vizwiz", split, {"questions": f"Annotations/{split}.json"})
    assert outcome.rejects == []
    assert (
        len(outcome.records) == num_records == len(load("vizwiz", "Annotations", f"{split}.json"))
    )
    labelled = {None} if split == "test" else {10}
    assert {one["references"] and len(one["references"]) for one in outcome.records} == labelled


@pytest.mark.parametrize(("split", "num_records"), [("testdev", 150), ("val", 100)])
def test_gqa(split: str, num_records: int) -> None:
    name = f"{split}_balanced_questions.json"
    outcome = run("gqa", split, {"questions": name})
    assert outcome.rejects == []
    raw = load("gqa", name)
    assert len(outcome.records) == num_records == len(raw)
    for record in outcome.records:
        item = raw[record["record_id"].removeprefix(f"gqa/{split}/")]
        assert record["answer"] == item["answer"]
        assert record["pictures"][0].endswith("/" + item["imageId"])
    family = "gqa/n" if split == "testdev" else "vg/"
    assert all(record["pictures"][0].startswith(family) for record in outcome.records)


@pytest.mark.parametrize("variant", ["random", "zeroshot"])
@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_vsr(variant: str, name: str) -> None:
    path = f"data/splits/{variant}/{name}.jsonl"
    outcome = run("vsr", name, {"data": path}, variant=variant)
    assert outcome.rejects == []
    labels = [json.loads(line)["label"] for line in real_data("vsr", path).open()]
    assert [one["answer"] == "yes" for one in outcome.records] == [label == 1 for label in labels]
    assert len(labels) == 100


@pytest.mark.parametrize(
    ("kind", "num_records"),
    [("choose_txt", 25), ("choose_img", 25), ("fill_in_blank", 25), ("all", 75)],
)
def test_iconqa(kind: str, num_records: int) -> None:
    files = {
        "problems": "iconqa_data/problems.json",
        "splits": "iconqa_data/pid_splits.json",
    }
    outcome = run("iconqa", "test", files, kind=kind)
    assert outcome.rejects == []
    assert len(outcome.records) == num_records
    problems = load("iconqa", "iconqa_data", "problems.json")
    for record in outcome.records:
        problem = problems[record["record_id"].rpartition("/")[2]]
        assert record["question"] == problem["question"]
        assert record["subset"] == problem["ques_type"]
        if record["subset"] == "choose_txt":
            assert record["answer"] == problem["choices"][problem["answer"]]
        if record["subset"] == "choose_img":
            assert len(record["pictures"]) == 1 + len(problem["choices"])


def test_scienceqa() -> None:
    files = {
        "problems": "data/scienceqa/problems.json",
        "splits": "data/scienceqa/pid_splits.json",
    }
    problems = load("scienceqa", "data", "scienceqa", "problems.json").values()
    total = 0
    for split in ("train", "val", "test"):
        every = run("scienceqa", split, files, pictures="all")
        pictured = run("scienceqa", split, files)
        total += len(every.records)
        assert every.rejects == pictured.rejects == []
        assert len(pictured.records) == sum(
            one["split"] == split and one["image"] is not None for one in problems
        )
    assert total == 110


def test_visdial_val() -> None:
    outcome = run("visdial", "val", {"data": "visdial_1.0_val.json"})
    assert outcome.rejects == []
    data = load("visdial", "visdial_1.0_val.json")["data"]
    assert len(outcome.records) == 110 == 10 * len(data["dialogs"])
    records = iter(outcome.records)
    for dialog in data["dialogs"]:
        history: list[dict[str, str]] = []
        for one in dialog["dialog"]:
            record = next(records)
            question, answer = data["questions"][one["question"]], data["answers"][one["answer"]]
            assert (record["question"], record["answer"]) == (question.strip(), answer.strip())
            assert record["history"] == history
            options = [data["answers"][option].strip() for option in one["answer_options"]]
            assert (record["choices"], record["choice_index"]) == (options, one["gt_index"])
            history.append({"question": question.strip(), "answer": answer.strip()})


def test_visdial_test() -> None:
    outcome = run("visdial", "test", {"data": "visdial_1.0_test.json"})
    assert outcome.rejects == []
    dialogs = load("visdial", "visdial_1.0_test.json")["data"]["dialogs"]
    assert len(dialogs) == 25
    assert len(outcome.records) == sum(len(dialog["dialog"]) for dialog in dialogs)
    last = [record for record in outcome.records if record["choices"]]
    assert len(last) == 25
    assert {(record["answer"], len(record["choices"])) for record in last} == {(None, 100)}


def test_textvqa() -> None:
    outcome = run("textvqa", "val", {"questions": "TextVQA_0.5.1_val.json"})
    assert outcome.rejects == []
    assert [len(record["references"]) for record in outcome.records] == [10] * 8
    assert outcome.records[0]["record_id"] == "textvqa/val/34602"
    assert outcome.records[0]["answer"] == "dakota"


def test_video_questions() -> None:
    total = 0
    for split in ("train", "val", "test"):
        files = {"questions": f"{split}_qa.json", "mapping": "youtube_mapping.txt"}
        outcome = run("msvd_qa", split, files)
        assert outcome.rejects == []
        assert len(outcome.records) == len(load("msvd_qa", f"{split}_qa.json"))
        total += len(outcome.records)
    assert total == 318
    outcome = run("msrvtt_qa", "val", {"questions": "val_qa.json"})
    assert outcome.rejects == []
    assert len(outcome.records) == 186 == len(load("msrvtt_qa", "val_qa.json"))
