"""Inputs without effect, or absent: `convert` says each in one line, or ends where it spoils most.

A run that reads nothing anew says the same, and `check` counts the same.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from build_help import Answer, Commands

from instructify.twins.make import make_twin

DATASETS = (
    "textvqa",
    "textcaps",
    "ocr_vqa",
    "visdial",
    "vizwiz",
    "msvd_qa",
    "nocaps",
    "iconqa",
    "scienceqa",
    "vqav2",
    "aokvqa",
    "gqa",
    "hateful_memes",
)


@pytest.fixture(scope="module", name="twins")
def _twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("effects") / "raw"
    make_twin(list(DATASETS), root, scale=0.2, pictures=False)
    return root


@pytest.fixture(name="raw")
def _raw(twins: Path, tmp_path: Path) -> Path:
    """A raw root that a test may spoil."""
    return Path(shutil.copytree(twins, tmp_path / "raw"))


def change(path: Path, how: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(how(json.loads(path.read_text("utf-8")))), "utf-8")


def convert(command: Commands, raw: Path, *words: object) -> Answer:
    out = raw.parent / "build"
    return command("convert", *words, "--raw", raw, "--out", out, "--pictures", "none")


def causes(command: Commands, raw: Path, *words: object) -> dict[str, tuple[str, int]]:
    answer = command("check", *words, "--raw", raw, "--no-pictures", "--json")
    groups = answer.json()["groups"]
    return {one["cause"]: (one["severity"], one["count"]) for one in groups}


def prefix_keys(data: Any, prefix: str = "train/") -> Any:
    for row in data["data"]:
        row["image_id"] = prefix + row["image_id"]
    return data


OCR = "TextVQA_Rosetta_OCR_v0.2_val.json"


def test_twins_have_no_note_of_this_kind(twins: Path, command: Commands, tmp_path: Path) -> None:
    assert set(causes(command, twins, *DATASETS)) <= {"slice", "file-optional"}
    out = ("--out", tmp_path / "build", "--pictures", "none")
    answer = command("convert", *DATASETS, "--raw", twins, *out)
    assert (answer.code, answer.stderr) == (0, "")


@pytest.mark.parametrize("name", ["textvqa", "textcaps"])
def test_a_releases_ocr_file_that_names_no_picture_ends_the_conversion(
    raw: Path, command: Commands, name: str
) -> None:
    path = raw / name / OCR
    change(path, prefix_keys)
    line = (name, "--split", "val")
    answer = convert(command, raw, *line)
    assert answer.code == 2
    assert f"named by {name}/{OCR}" in answer.stderr
    assert "0 of " in answer.stderr
    assert "'openimages/train/" in answer.stderr
    assert not (raw.parent / "build" / "manifest.json").exists()
    assert causes(command, raw, *line)["file-without-effect"] == ("fault", 1)
    left_out = f"{name}.ocr_tokens=0"
    assert f"--set {left_out}" in answer.stderr
    assert convert(command, raw, *line, "--set", left_out).code == 0
    assert "file-without-effect" not in causes(command, raw, *line, "--set", left_out)


def test_with_limit_or_max_rejects_it_is_a_line_that_a_second_run_repeats(
    raw: Path, command: Commands
) -> None:
    change(raw / "textvqa" / OCR, prefix_keys)
    first = convert(command, raw, "textvqa", "--max-rejects", 1)
    again = convert(command, raw, "textvqa", "--max-rejects", 1, "--json")
    assert first.code == again.code == 0
    assert "0 of " in first.stderr
    (row,) = again.json()["datasets"]
    assert [f"textvqa/val: {note}" for note in row["notes"]] == first.stderr.splitlines()
    manifest = json.loads((raw.parent / "build" / "manifest.json").read_bytes())
    split = manifest["datasets"]["textvqa"]["splits"]["val"]
    assert split["coverage"]["sides"]["ocr"]["named"] == 0
    assert split["notes"] == row["notes"]
    limited = command(
        *("convert", "textvqa", "--raw", raw, "--out", raw.parent / "limited"),
        *("--pictures", "none", "--limit", 3),
    )
    assert limited.code == 0
    assert "0 of " in limited.stderr


def test_a_cut_file_is_named_before_what_follows_from_it(raw: Path, command: Commands) -> None:
    path = raw / "textvqa" / OCR
    change(path, prefix_keys)
    path.write_bytes(path.read_bytes()[:-40])
    answer = convert(command, raw, "textvqa")
    assert answer.code == 1
    assert "ends in the middle" in answer.stderr


def test_an_ocr_file_that_names_few_pictures_is_a_line(raw: Path, command: Commands) -> None:
    path = raw / "textvqa" / OCR
    change(path, lambda data: {**data, "data": data["data"][:1]})
    answer = convert(command, raw, "textvqa")
    assert answer.code == 0
    assert "textvqa/val: 1 of " in answer.stderr
    assert causes(command, raw, "textvqa")["file-of-little-effect"] == ("note", 1)


def test_the_users_ocr_file_that_names_no_picture_is_refused_with_both_kinds_of_keys(
    raw: Path, command: Commands
) -> None:
    books = json.loads((raw / "ocr_vqa" / "dataset.json").read_bytes())
    ocr = raw.parent / "mine.jsonl"
    lines = [{"picture": f"ocr_vqa/{book}.jpg", "tokens": ["SALE"]} for book in books]
    ocr.write_text("".join(json.dumps(line) + "\n" for line in lines))
    answer = convert(command, raw, "ocr_vqa", "--ocr", ocr)
    assert answer.code == 2
    for part in ("mine.jsonl", "0 of ", f"'ocr_vqa/{next(iter(books))}.jpg'", "as in 'ocr_vqa/"):
        assert part in answer.stderr
    found = causes(command, raw, "ocr_vqa", "--ocr", ocr)
    assert found["file-without-effect"][0] == "fault"
    ocr.write_text("".join(json.dumps(line) + "\n" for line in lines).replace(".jpg", ""))
    assert convert(command, raw, "ocr_vqa", "--ocr", ocr).code == 0
    assert "file-without-effect" not in causes(command, raw, "ocr_vqa", "--ocr", ocr)


def test_the_users_ocr_file_may_be_for_some_of_the_datasets(raw: Path, command: Commands) -> None:
    books = json.loads((raw / "ocr_vqa" / "dataset.json").read_bytes())
    ocr = raw.parent / "mine.jsonl"
    lines = [{"picture": f"ocr_vqa/{book}", "tokens": ["SALE"]} for book in books]
    ocr.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (raw / "textvqa" / OCR).unlink()
    answer = convert(command, raw, "ocr_vqa", "vqav2", "textvqa", "--ocr", ocr)
    assert answer.code == 0
    assert "textvqa/val: 0 of " in answer.stderr
    assert "vqav2" not in answer.stderr
    assert "ocr_vqa/train" not in answer.stderr


def test_an_ocr_file_beside_tokens_that_are_not_kept_is_refused(
    raw: Path, command: Commands
) -> None:
    ocr = raw.parent / "mine.jsonl"
    ocr.write_text('{"picture": "ocr_vqa/1", "tokens": ["SALE"]}\n')
    answer = convert(command, raw, "ocr_vqa", "--ocr", ocr, "--set", "ocr_vqa.ocr_tokens=0")
    assert answer.code == 2
    assert "no dataset here keeps OCR tokens" in answer.stderr


def test_an_ocr_file_that_repeats_the_releases_own_is_a_line(raw: Path, command: Commands) -> None:
    ocr = raw.parent / "copy.json"
    shutil.copy(raw / "textvqa" / OCR, ocr)
    answer = convert(command, raw, "textvqa", "--ocr", ocr)
    assert answer.code == 0
    assert "copy.json adds nothing" in answer.stderr


def test_records_of_a_build_that_did_not_count_are_not_judged(raw: Path, command: Commands) -> None:
    books = json.loads((raw / "ocr_vqa" / "dataset.json").read_bytes())
    ocr = raw.parent / "mine.jsonl"
    lines = [{"picture": f"ocr_vqa/{book}", "tokens": ["SALE"]} for book in books]
    ocr.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert convert(command, raw, "ocr_vqa", "--ocr", ocr).code == 0

    def older(manifest: Any) -> Any:
        for split in manifest["datasets"]["ocr_vqa"]["splits"].values():
            del split["coverage"]
        return manifest

    change(raw.parent / "build" / "manifest.json", older)
    answer = convert(command, raw, "ocr_vqa", "--ocr", ocr)
    assert (answer.code, answer.stderr) == (0, "")


def test_an_empty_ocr_file_of_the_user_is_refused(raw: Path, command: Commands) -> None:
    ocr = raw.parent / "empty.jsonl"
    ocr.write_text("")
    answer = convert(command, raw, "ocr_vqa", "--ocr", ocr)
    assert answer.code == 2
    assert "it names none" in answer.stderr


def test_ocr_tokens_that_no_template_prints_are_a_line(raw: Path, command: Commands) -> None:
    annotations = json.loads(
        (raw / "vqav2" / "v2_OpenEnded_mscoco_val2014_questions.json").read_bytes()
    )
    ocr = raw.parent / "mine.jsonl"
    keys = {f"coco/{one['image_id']:012d}" for one in annotations["questions"]}
    lines = [{"picture": key, "tokens": ["SALE"]} for key in sorted(keys)]
    ocr.write_text("".join(json.dumps(line) + "\n" for line in lines))
    answer = convert(command, raw, "vqav2", "--split", "val", "--ocr", ocr)
    assert answer.code == 0
    assert "no template of image_qa prints OCR tokens" in answer.stderr


def test_labels_that_a_split_should_have_end_the_conversion(raw: Path, command: Commands) -> None:
    path = raw / "vizwiz" / "Annotations" / "val.json"

    def without(rows: Any, number: int) -> Any:
        for row in rows[:number]:
            row.pop("answers", None)
        return rows

    change(path, lambda rows: without(rows, 1))
    answer = convert(command, raw, "vizwiz", "--split", "val")
    assert answer.code == 0
    assert "vizwiz/val: 1 of " in answer.stderr
    assert "have no answer or caption" in answer.stderr
    assert causes(command, raw, "vizwiz", "--split", "val")["label-missing"] == ("fault", 1)
    change(path, lambda rows: without(rows, len(rows)))
    answer = convert(command, raw, "vizwiz", "--split", "val")
    assert answer.code == 2
    assert "--max-rejects 100" in answer.stderr
    answer = convert(command, raw, "vizwiz", "--split", "val", "--max-rejects", 100)
    assert answer.code == 0
    assert "have no answer or caption" in answer.stderr


def strip(value: Any, *keys: str) -> Any:
    """The value without these keys, wherever they stand."""
    if isinstance(value, list):
        return [strip(item, *keys) for item in value]
    if isinstance(value, dict):
        return {name: strip(item, *keys) for name, item in value.items() if name not in keys}
    return value


@pytest.mark.parametrize(
    ("name", "split", "file", "keys"),
    [
        ("textcaps", "val", "textcaps/TextCaps_0.1_val.json", ["caption_str"]),
        ("textvqa", "val", "textvqa/TextVQA_0.5.1_val.json", ["answers"]),
        ("gqa", "testdev", "gqa/testdev_balanced_questions.json", ["answer"]),
        (
            "aokvqa",
            "val",
            "aokvqa/aokvqa_v1p0_val.json",
            ["direct_answers", "correct_choice_idx", "rationales"],
        ),
        ("visdial", "val", "visdial/visdial_1.0_val.json", ["answer", "gt_index"]),
    ],
)
def test_every_format_that_may_lack_labels_is_counted(
    raw: Path, command: Commands, name: str, split: str, file: str, keys: list[str]
) -> None:
    change(raw / file, lambda data: strip(data, *keys))
    line = (name, "--split", split)
    answer = convert(command, raw, *line)
    assert answer.code == 2
    assert "have no answer or caption" in answer.stderr
    assert causes(command, raw, *line)["label-missing"][0] == "fault"


def test_lines_of_memes_without_labels_are_counted(raw: Path, command: Commands) -> None:
    path = raw / "hateful_memes" / "dev_seen.jsonl"
    lines = [strip(json.loads(line), "label") for line in path.open("rb")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    answer = convert(command, raw, "hateful_memes")
    assert answer.code == 2
    assert f"{len(lines)} of {len(lines)} records have no answer" in answer.stderr
    assert causes(command, raw, "hateful_memes")["label-missing"] == ("fault", len(lines))


def test_splits_whose_labels_the_authors_keep_say_nothing(raw: Path, command: Commands) -> None:
    for name in ("vizwiz", "nocaps", "textvqa", "aokvqa", "vqav2"):
        answer = convert(command, raw, name, "--split", "test")
        assert (answer.code, answer.stderr) == (0, "")
        assert "label-missing" not in causes(command, raw, name, "--split", "test")


def test_dense_annotations_of_other_pictures_end_the_conversion(
    raw: Path, command: Commands
) -> None:
    path = raw / "visdial" / "visdial_1.0_val_dense_annotations.json"

    def moved(rows: Any) -> Any:
        for row in rows:
            row["image_id"] += 900_000
        return rows

    change(path, moved)
    answer = convert(command, raw, "visdial")
    assert answer.code == 2
    assert "dense annotations" in answer.stderr
    assert convert(command, raw, "visdial", "--set", "visdial.dense=off").code == 0


def test_dense_annotations_of_a_few_dialogues_are_meant_so(raw: Path, command: Commands) -> None:
    path = raw / "visdial" / "visdial_1.0_val_dense_annotations.json"
    change(path, lambda rows: rows[:1])
    answer = convert(command, raw, "visdial")
    assert (answer.code, answer.stderr) == (0, "")


def test_an_answer_vocabulary_of_another_dataset_is_a_line(raw: Path, command: Commands) -> None:
    def renamed(rows: Any) -> Any:
        for row in rows:
            row["answer"] = f"other {row['answer']}"
        return rows

    change(raw / "msvd_qa" / "train_qa.json", renamed)
    answer = convert(command, raw, "msvd_qa")
    assert answer.code == 0
    assert "msvd_qa/test: 0 of " in answer.stderr
    assert convert(command, raw, "msvd_qa").stderr == answer.stderr
    assert causes(command, raw, "msvd_qa")["vocabulary-apart"] == ("note", 1)


def test_annotations_of_another_split_reject_the_whole(raw: Path, command: Commands) -> None:
    folder = raw / "vqav2"
    shutil.copy(
        folder / "v2_mscoco_val2014_annotations.json",
        folder / "v2_mscoco_train2014_annotations.json",
    )
    answer = convert(command, raw, "vqav2", "--split", "train")
    assert answer.code == 2
    assert "is of val2014 by its own data_subtype" in answer.stderr
    path = folder / "v2_mscoco_train2014_annotations.json"
    change(path, lambda value: {k: v for k, v in value.items() if k != "data_subtype"})
    answer = convert(command, raw, "vqav2", "--split", "train")
    assert answer.code == 1
    assert "no-annotation" in answer.stderr


@pytest.mark.parametrize(
    ("name", "folder"), [("scienceqa", "data/scienceqa"), ("iconqa", "iconqa_data")]
)
def test_a_splits_file_that_names_no_problem_rejects_the_whole(
    raw: Path, command: Commands, name: str, folder: str
) -> None:
    path = raw / name / folder / "pid_splits.json"
    change(path, lambda splits: {key: [f"x{pid}" for pid in pids] for key, pids in splits.items()})
    answer = convert(command, raw, name)
    assert answer.code == 1
    assert "bad-value" in answer.stderr
    change(path, lambda splits: {key: [] for key in splits})
    assert convert(command, raw, name).code == 1
    answer = convert(command, raw, name, "--allow-empty")
    assert answer.code == 0
    assert f"{name}/test: no record" in answer.stderr
    assert causes(command, raw, name)["no-record"] == ("note", 1)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["vizwiz", "--set", "vizwiz.target=weighted"], "test has no answers"),
        (["vizwiz", "--set", "vizwiz.unanswerable=drop"], "test has no answers"),
        (["ocr_vqa", "--set", "ocr_vqa.ocr_tokens=5"], "no file with OCR tokens"),
        (
            ["aokvqa", "--set", "aokvqa.forms=multiple_choice", "--set", "aokvqa.target=weighted"],
            "forms is multiple_choice",
        ),
        (["aokvqa", "--split", "test", "--set", "aokvqa.target=weighted"], "test has no answers"),
        (["vizwiz", "--split", "val", "--set", "vizwiz.target=weighted"], None),
        (["aokvqa", "--set", "aokvqa.target=weighted"], None),
        (["textvqa", "--set", "textvqa.ocr_tokens=5"], None),
        (["visdial", "--set", "visdial.dense=off"], None),
        (["iconqa", "--set", "iconqa.kind=all"], None),
    ],
)
def test_an_option_without_effect_is_a_line(
    twins: Path, command: Commands, tmp_path: Path, words: list[str], reason: str | None
) -> None:
    out = ("--out", tmp_path / "build", "--pictures", "none")
    answer = command("convert", *words, "--raw", twins, *out)
    assert answer.code == 0
    assert ("has no effect" in answer.stderr) == (reason is not None)
    assert (reason or "") in answer.stderr
    assert ("option-without-effect" in causes(command, twins, *words)) == (reason is not None)


def test_more_draws_than_templates_and_a_catalog_without_use_are_lines(
    twins: Path, command: Commands, tmp_path: Path
) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(
        "format: 1\ndatasets:\n  mine:\n    task: image_classification\n"
        "    table: {file: a.csv, columns: {picture: a, answer: b}}\n"
    )
    line = ("--raw", twins, "--out", tmp_path / "build", "--pictures", "none")
    answer = command("convert", "vizwiz", *line, "--draws", 500, "--catalog", own)
    assert answer.code == 0
    assert "vizwiz/test: --draws 500 gives " in answer.stderr
    assert "mine.yaml has no effect" in answer.stderr
    answer = command("convert", "vizwiz", *line, "--draws", 2)
    assert "--draws" not in answer.stderr


def test_an_empty_answer_is_counted_by_both_and_by_a_second_run(
    raw: Path, command: Commands
) -> None:
    def emptied(rows: Any) -> Any:
        for row in rows[:2]:
            row["direct_answers"][0] = "\n"
        rows[0]["choices"] = ["", *rows[0]["choices"]]
        rows[0]["correct_choice_idx"] += 1
        return rows

    change(raw / "aokvqa" / "aokvqa_v1p0_val.json", emptied)
    line = ("aokvqa", "--split", "val")
    answers = [convert(command, raw, *line) for _ in range(2)]
    assert answers[0].code == 0
    assert "2 of " in answers[0].stderr
    assert "1 empty wrong choice is left out" in answers[0].stderr
    assert answers[0].stderr == answers[1].stderr
    found = causes(command, raw, *line)
    assert found["empty-answer"] == ("note", 2)
    assert found["empty-choice"] == ("note", 1)
