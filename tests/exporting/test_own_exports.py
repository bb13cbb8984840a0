"""Own datasets in every shape: read by the library that owns it, and what is lost is said."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pytest
import webdataset
from build_help import Commands
from export_help import answered, expected, export

NAMES = ("kinds", "quiz", "shapes", "talk", "words")


class Carried(NamedTuple):
    """What a trainer needs of a sample: its texts, and the pictures in their order."""

    id: str
    instruction: str
    response: str | None
    pictures: tuple[str, ...]


def wanted(build: Path, *, answers: bool) -> list[Carried]:
    rows = [
        one for own in expected(build).values() for one in own if not answers or one.row["response"]
    ]
    return sorted(
        Carried(one.row["sample_id"], one.row["instruction"], one.row["response"], one.pictures)
        for one in rows
        if one.row["dataset"] in NAMES
    )


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def from_llava(out: Path) -> Iterator[Carried]:
    for path in sorted(out.glob("*.json")):
        rows = json.loads(path.read_text("utf-8"))
        for row in rows if isinstance(rows, list) else ():
            paths = row.get("image", [])
            paths = [paths] if isinstance(paths, str) else paths
            human, gpt = row["conversations"]
            text = human["value"].removeprefix("<image>\n" * len(paths))
            found = tuple(digest((out / one).read_bytes()) for one in paths)
            yield Carried(row["id"], text, gpt["value"], found)


def from_chat(out: Path) -> Iterator[Carried]:
    for path in sorted(out.glob("*.jsonl")):
        for row in datasets.Dataset.from_json(str(path), cache_dir=str(out.parent / "cache")):
            assert isinstance(row, dict)
            found = tuple(digest((out / one).read_bytes()) for one in row["images"])
            text = row["messages"][0]["content"].removeprefix("<image>" * len(found) + "\n")
            assert row["prompt"][0]["content"] == text
            yield Carried(row["id"], text, row["completion"][0]["content"], found)


def from_webdataset(out: Path) -> Iterator[Carried]:
    for path in sorted(out.glob("*/*.tar")):
        for sample in webdataset.WebDataset(str(path), shardshuffle=False):
            row = json.loads(sample["json"])
            names = sorted(name for name in sample if name.endswith("png"))
            found = tuple(digest(sample[name]) for name in names)
            yield Carried(row["sample_id"], row["instruction"], row["response"], found)


def from_parquet(out: Path) -> Iterator[Carried]:
    for path in sorted(out.glob("**/*.parquet")):
        table = datasets.Dataset.from_parquet(str(path), cache_dir=str(out.parent / "cache"))
        column = "images" if "images" in table.column_names else "image"
        plain = datasets.Image(decode=False)
        table = table.cast_column(column, plain if column == "image" else datasets.List(plain))
        for row in table:
            assert isinstance(row, dict)
            pictures = row[column] if column == "images" else [row[column]]
            found = tuple(digest(one["bytes"]) for one in pictures)
            yield Carried(row["sample_id"], row["instruction"], row["response"], found)


READERS: dict[str, Any] = {
    "llava": from_llava,
    "chat": from_chat,
    "webdataset": from_webdataset,
    "parquet": from_parquet,
}


@pytest.mark.parametrize("shape", READERS)
def test_texts_and_pictures_come_back(own_build: Path, tmp_path: Path, shape: str) -> None:
    """Two pictures a sample, earlier turns and choices among them, all in the instruction."""
    export(own_build, tmp_path / "out", shape=shape, names=NAMES)
    found = sorted(READERS[shape](tmp_path / "out"))
    assert found == wanted(own_build, answers=shape in ("llava", "chat"))
    assert {len(one.pictures) for one in found} == {1, 2}


@pytest.mark.parametrize("shape", READERS)
def test_what_a_shape_has_no_place_for_is_counted(
    own_build: Path, tmp_path: Path, shape: str
) -> None:
    receipt = export(own_build, tmp_path / "out", shape=shape, names=NAMES)
    lost: Counter[str] = Counter()
    for own in receipt.datasets.values():
        for split in own.values():
            lost.update(split.not_carried)
    if shape in ("parquet", "webdataset"):
        assert not lost
        return
    rows = [one.row for one in answered(own_build) if one.row["dataset"] in NAMES]
    plain: Counter[str] = Counter()
    for row in rows:
        for name in ("candidates", "candidate_set", "choice_index", "qformer_instruction"):
            plain[name] += row[name] is not None
        references = row["references"] or [row["response"]]
        plain["references"] += len(references) > 1 or references[0] != row["response"]
    assert lost == +plain
    assert lost["candidates"] > 0


def test_the_report_says_it(own_build: Path, tmp_path: Path, command: Commands) -> None:
    told = command("export", own_build, "quiz", "--to", "chat", "--out", tmp_path / "out")
    assert told.code == 0, told.stderr
    assert "not in chat, with the number of samples: candidates (" in told.stdout


ENTRIES = {
    "llava": "{task: llava_instruct, data: {file: train.json, kind: conversations}}",
    "chat": "{task: llava_instruct, data: {file: talk-train.jsonl, kind: conversations}}",
    "webdataset": (
        "{task: llava_instruct, data: {file: talk/train-*.tar, columns: "
        "{id: sample_id, picture: __pictures__, question: instruction, answer: response}}}"
    ),
    "parquet": (
        "{task: llava_instruct, data: {file: talk/train-*.parquet, columns: "
        "{id: sample_id, picture: images, question: instruction, answer: response}}}"
    ),
}


def test_exports_are_read_back_to_the_same_samples(
    own_build: Path, tmp_path: Path, command: Commands
) -> None:
    """By the entries of docs/own-data.md: texts letter by letter, pictures byte by byte."""
    lines = ["format: 1", "datasets:"]
    for shape, entry in ENTRIES.items():
        export(own_build, tmp_path / "raw" / shape, shape=shape, names=("talk",))
        lines.append(f"  {shape}: {entry}")
    catalog = tmp_path / "mine.yaml"
    catalog.write_text("\n".join(lines) + "\n")
    own = ("--catalog", catalog, "--raw", tmp_path / "raw", "--out", tmp_path / "back")
    again = command("convert", *ENTRIES, *own, "--draws", 1)
    assert again.code == 0, again.stderr
    before = [
        (one.instruction, one.response, one.pictures)
        for one in wanted(own_build, answers=True)
        if one.id.startswith("talk/")
    ]
    assert {len(pictures) for *_, pictures in before} == {1, 2}
    for (shape, _), rows in expected(tmp_path / "back").items():
        found = [(one.row["instruction"], one.row["response"], one.pictures) for one in rows]
        assert sorted(found) == sorted(before), shape
