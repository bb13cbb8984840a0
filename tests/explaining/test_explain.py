"""`explain` makes a sample again from its raw file, and names the first link that differs."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from build_help import DATASETS, Answer, Commands, is_sentence
from real_cases import ROOT

from instructify._util.resources import find
from instructify.build import Build
from instructify.explaining.step import first_difference
from instructify.twins import twin_datasets


@pytest.fixture(name="copy")
def _copy(raw_root: Path, whole_build: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A raw root and a build of it that may be changed."""
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    return raw, Path(shutil.copytree(whole_build, tmp_path / "build"))


def a_sample(build: Path, name: str, split: str | None = None, *, row: int = -1) -> str:
    """Choose a sample of a dataset."""
    opened = Build.open(build)
    table = opened.samples(name, split or next(iter(opened.dataset(name).splits)))
    return str(table[row % len(table)]["sample_id"])


def steps(answer: Answer) -> dict[str, tuple[str, str]]:
    """State and detail of each step; of several pictures the last counts."""
    return {step["name"]: (step["state"], step["detail"]) for step in answer.json()["steps"]}


def item_of(answer: Answer) -> Any:
    return next(s["facts"]["item"] for s in answer.json()["steps"] if s["name"] == "item")


@pytest.mark.parametrize("name", DATASETS)
def test_every_link_is_made_again(
    raw_root: Path, whole_build: Path, command: Commands, name: str
) -> None:
    for split in Build.open(whole_build).dataset(name).splits:
        sample = a_sample(whole_build, name, split)
        told = command("explain", whole_build, sample, "--raw", raw_root, "--json")
        assert told.code == 0, told
        assert {state for state, _ in steps(told).values()} == {"same"}, steps(told)
        assert set(steps(told)) == {
            *("source", "item", "record", "template", "choices", "picture", "sample")
        }
        assert told.json()["sample"]["sample_id"] == sample


def test_the_raw_item_is_the_one_of_the_record(
    raw_root: Path, whole_build: Path, command: Commands
) -> None:
    for row in (0, -1):
        sample = Build.open(whole_build).sample(a_sample(whole_build, "vqav2", "train", row=row))
        told = command("explain", whole_build, sample["sample_id"], "--raw", raw_root, "--json")
        item = item_of(told)
        path = raw_root / sample["source"]
        assert item == json.loads(path.read_text("utf-8"))["questions"][sample["position"]]
        assert f"vqav2/train/{item['question_id']}" == sample["record_id"]


def test_the_raw_root_of_the_conversion_is_known(whole_build: Path, command: Commands) -> None:
    told = command("explain", whole_build, a_sample(whole_build, "vqav2"))
    assert told.code == 0
    assert told.stdout.splitlines()[-1] == "made again, byte for byte the same"
    assert [line for line in told.stdout.splitlines() if len(line) > 80] == []


def test_without_raw_files_the_rest_is_checked(
    whole_build: Path, command: Commands, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    sample = a_sample(whole_build, "visdial")
    told = command("explain", whole_build, sample, "--raw", tmp_path / "empty", "--json")
    assert told.code == 0
    states = {name: state for name, (state, _) in steps(told).items()}
    assert {name for name, state in states.items() if state == "not checked"} == {
        *("source", "item", "record")
    }
    shown = command("explain", whole_build, sample, "--raw", tmp_path / "empty").stdout
    assert "not checked: source, item, record" in shown


def test_a_changed_raw_file(copy: tuple[Path, Path], command: Commands) -> None:
    raw, build = copy
    sample = a_sample(build, "hateful_memes")
    path = raw / Build.open(build).sample(sample)["source"]
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        line["text"] += " indeed"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = command("explain", build, sample, "--raw", raw, "--json")
    assert told.code == 1
    found = steps(told)
    assert "has changed since the conversion" in found["source"][1]
    assert found["record"][0] == "differs"
    assert "text: from byte" in found["record"][1]
    assert "indeed" in found["record"][1]
    assert found["sample"] == ("same", ""), "the build itself is as it was"
    shown = command("explain", build, sample, "--raw", raw)
    assert "first at the source" in " ".join(shown.stdout.split())


def test_a_changed_template(whole_build: Path, command: Commands, tmp_path: Path) -> None:
    templates = Path(shutil.copytree(find("templates"), tmp_path / "templates"))
    sample = Build.open(whole_build).sample(a_sample(whole_build, "hateful_memes"))
    task, rest = sample["template"].split("/")
    path = templates / f"{task}.yaml"
    text = path.read_text("utf-8")
    begin = text.index(f"id: {rest.partition('@')[0]}\n")
    at = text.index("{{", begin)
    path.write_text(f"{text[:at]}Look! {text[at:]}")
    told = command("explain", whole_build, sample["sample_id"], "--templates", templates, "--json")
    assert told.code == 1
    found = steps(told)
    other = "its text is another one now; the build was rendered with --templates built-in"
    assert found["template"] == ("differs", other)
    assert found["sample"][0] == "differs"
    assert "Look!" in found["sample"][1]


def test_another_pool_leaves_the_text_to_be_checked(
    whole_build: Path, command: Commands, tmp_path: Path
) -> None:
    """A template more changes what is drawn, not what this one says."""
    templates = Path(shutil.copytree(find("templates"), tmp_path / "templates"))
    path = templates / "image_classification.yaml"
    more = (
        '\n  - id: one-more\n    version: 1\n    forms: [binary]\n    instruction: "{{ text }}?"\n'
    )
    path.write_text(path.read_text("utf-8").rstrip() + more)
    sample = a_sample(whole_build, "hateful_memes")
    told = command("explain", whole_build, sample, "--templates", templates, "--json")
    assert told.code == 0, steps(told)
    made = next(step for step in told.json()["steps"] if step["name"] == "sample")
    assert "rendering alone" in made["facts"]["made by"]


def test_a_changed_sample_and_a_changed_picture(copy: tuple[Path, Path], command: Commands) -> None:
    raw, build = copy
    sample = Build.open(build).sample(a_sample(build, "vqav2", "train"))
    shard = build / "samples/vqav2/train-00000.arrow"
    old = sample["instruction"].encode()
    shard.write_bytes(shard.read_bytes().replace(old, old[:-1] + b"!"))
    told = command("explain", build, sample["sample_id"], "--raw", raw, "--json")
    assert told.code == 1
    assert steps(told)["sample"][1].startswith(f"instruction, from byte {len(old) - 1} on")


def test_mistakes(whole_build: Path, command: Commands, tmp_path: Path) -> None:
    sample = a_sample(whole_build, "vqav2")
    for line, said in (
        (("explain", whole_build, "vqav2/train/0#0"), "no sample"),
        (("explain", whole_build, "x"), "dataset/split/id#draw"),
        (("explain", whole_build, sample, "--raw", tmp_path / "no"), "not a folder"),
        (("explain", tmp_path, sample), "instructify convert"),
    ):
        told = command(*line)
        assert told.code == 2
        assert is_sentence(told)
        assert said in told.stderr


def test_where_values_part() -> None:
    assert first_difference("a\u0431c", "a\u0431d").startswith("from byte 3 on")
    assert first_difference("ab", "abc").startswith("from byte 2 on")
    assert first_difference(None, "a") == "the build has None, made again it is 'a'"
    assert first_difference([1], [2]) == "the build has [1], made again it is [2]"


@pytest.mark.heavy
def test_all_datasets(command: Commands, tmp_path: Path) -> None:
    """Some samples of every split of all datasets with a twin, and an item for each."""
    assert command("twin", "--all", "--out", tmp_path / "raw", "--scale", 0.3).code == 0
    build = tmp_path / "build"
    line = ("convert", *twin_datasets(), "--raw", tmp_path / "raw", "--out", build)
    assert command(*line, "--max-rejects", 100).code == 0
    for name, entry in Build.open(build).manifest.datasets.items():
        for split in entry.splits:
            for row in (0, -1):
                told = command("explain", build, a_sample(build, name, split, row=row), "--json")
                assert told.code == 0, (name, split, told)
                assert {state for state, _ in steps(told).values()} == {"same"}, (name, split)


@pytest.mark.skipif(ROOT is None, reason="INSTRUCTIFY_REAL_DATA is not set: no real slices")
def test_real_slices(command: Commands, tmp_path: Path) -> None:
    raw = Path(ROOT or "") / "raw"
    names = ("vqav2", "gqa", "scienceqa", "iconqa", "flickr30k", "msvd_qa")
    build = tmp_path / "build"
    line = ("convert", *names, "--raw", raw, "--out", build, "--pictures", "none")
    assert command(*line, "--max-rejects", 100).code == 0
    for name in names:
        told = command("explain", build, a_sample(build, name), "--raw", raw, "--json")
        assert told.code == 0, told
        found = {step: state for step, (state, _) in steps(told).items() if step != "picture"}
        assert set(found.values()) == {"same"}, (name, found)
