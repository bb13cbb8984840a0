"""`diff` says what changed from one build to another, and nothing where nothing did."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from build_help import Commands, is_sentence
from hypothesis import given
from hypothesis import strategies as st

from instructify._util.resources import find
from instructify.build import Build
from instructify.comparing.tables import compare_tables


@pytest.fixture(name="build")
def _build(whole_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_build, tmp_path / "after"))


def difference(command: Commands, before: Path, after: Path) -> dict[str, Any]:
    done = command("diff", before, after, "--json")
    value: dict[str, Any] = done.json()
    assert done.code == (0 if value["equal"] else 1)
    told = command("diff", before, after)
    assert told.code == done.code
    assert [line for line in told.stdout.splitlines() if len(line) > 80] == []
    return value


def split_of(value: dict[str, Any], name: str) -> dict[str, Any]:
    return dict(next(one for one in value["splits"] if one["name"] == name))


def test_equal_builds(whole_build: Path, build: Path, command: Commands) -> None:
    value = difference(command, whole_build, build)
    assert value["equal"]
    assert value["equal_splits"] > 7
    assert value["splits"] == value["added"] == value["removed"] == []
    assert command("diff", whole_build, build).stdout.startswith("the same: ")


def test_another_seed_draws_other_templates(
    whole_build: Path, build: Path, command: Commands
) -> None:
    assert command("retemplate", build, "vqav2", "--seed", 9).code == 0
    value = difference(command, whole_build, build)
    train = split_of(value, "vqav2/train")
    assert train["facts"] == {"seed": [0, 9]}
    assert train["records"]["changed"] == 0
    assert train["records"]["skipped"] > 0, "equal shards are not read"
    samples = train["samples"]
    assert samples["added"] == samples["removed"] == 0
    assert samples["changed"] == samples["fields"]["template"] > 0
    assert len(samples["examples"]) == 2
    assert train["templates"]["rewritten"] == {}
    assert {one["name"] for one in value["splits"]} <= {"vqav2/train", "vqav2/val"}


def test_a_template_that_was_rewritten(
    whole_build: Path, build: Path, command: Commands, tmp_path: Path
) -> None:
    templates = Path(shutil.copytree(find("templates"), tmp_path / "templates"))
    path = templates / "image_classification.yaml"
    text = path.read_text("utf-8")
    used = Build.open(build).samples("hateful_memes", "val")[0]["template"]
    begin = text.index(f"id: {used.partition('/')[2].partition('@')[0]}\n")
    at = text.index("{{", begin)
    path.write_text(f"{text[:at]}Now: {text[at:]}")
    assert command("retemplate", build, "hateful_memes", "--templates", templates).code == 0
    val = split_of(difference(command, whole_build, build), "hateful_memes/val")
    assert val["facts"]["templates_folder"] == ["built-in", "templates"]
    changed = val["samples"]["changed"]
    assert sum(val["templates"]["rewritten"].values()) == changed
    for example in val["samples"]["examples"]:
        before, after = example["fields"]["instruction"]
        assert after.replace("Now: ", "") == before != after


def test_the_name_of_a_template_folder_is_no_difference(
    whole_build: Path, build: Path, command: Commands, tmp_path: Path
) -> None:
    templates = shutil.copytree(find("templates"), tmp_path / "mine")
    assert command("retemplate", build, "--templates", templates).code == 0
    assert difference(command, whole_build, build)["equal"]


def test_raw_files_that_changed(
    raw_root: Path, whole_build: Path, build: Path, command: Commands, tmp_path: Path
) -> None:
    """A record changed, one gone, one broken; a picture other, a picture spoilt."""
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    path = raw / "hateful_memes/dev_seen.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[0]["text"] = "another text"
    rows[1]["text"] = " "
    (raw / "hateful_memes" / rows[2]["img"]).write_bytes(b"<html>")
    shutil.copyfile(raw / "hateful_memes" / rows[4]["img"], raw / "hateful_memes" / rows[3]["img"])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    line = ("convert", "hateful_memes", "--raw", raw, "--out", build, "--max-rejects", 100)
    assert command(*line).code == 0
    value = difference(command, whole_build, build)
    val = split_of(value, "hateful_memes/val")
    assert list(val["sources"]) == ["data"]
    records = val["records"]
    assert (records["added"], records["removed"], records["changed"]) == (0, 2, 1)
    assert records["fields"] == {"text": 1}
    assert records["examples"][0]["fields"]["text"][1] == "another text"
    assert val["samples"]["removed"] == 3
    rejects = value["rejects"]["hateful_memes"]
    assert rejects["added"] == 2
    assert rejects["reasons"] == {"empty-text": [None, 1], "not-a-picture": [None, 1]}
    pictures = value["pictures"]
    assert pictures["contents"]["changed"] == 1
    assert "sha256" in pictures["contents"]["fields"]
    assert pictures["problems"]["added"] == 1


def test_options_datasets_and_ways_to_keep_pictures(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("convert", "vqav2", "--raw", raw_root, "--split", "val", "--out")
    assert command(*line, tmp_path / "one").code == 0
    other = (*line, tmp_path / "other", "--set", "vqav2.target=weighted")
    assert command(*other, "--pictures", "none").code == 0
    both = ("convert", "visdial", "--raw", raw_root, "--out", tmp_path / "other")
    assert command(*both, "--pictures", "none").code == 0
    value = difference(command, tmp_path / "one", tmp_path / "other")
    assert value["datasets"]["vqav2"]["option target"] == ["most_common", "weighted"]
    assert value["added"] == ["visdial/val"]
    assert value["pictures"]["facts"]["coco"] == ["store", "none"]
    assert value["pictures"]["contents"]["removed"] > 0
    fields = split_of(value, "vqav2/val")["records"]["fields"]
    assert set(fields) <= {"answer", "answer_choice"}
    assert "answer_choice" in fields
    back = difference(command, tmp_path / "other", tmp_path / "one")
    assert back["removed"] == ["visdial/val"]


def test_the_order_of_conversions_is_no_difference(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    for names in (("vqav2", "visdial"), ("visdial", "vqav2")):
        for name in names:
            line = ("convert", name, "--raw", raw_root, "--out", tmp_path / names[0])
            assert command(*line).code == 0
    value = difference(command, tmp_path / "vqav2", tmp_path / "visdial")
    assert value["equal"]
    assert value["pictures"]["moved"]


def test_mistakes(whole_build: Path, command: Commands, tmp_path: Path) -> None:
    for line in (("diff", whole_build, tmp_path), ("diff", tmp_path, whole_build)):
        told = command(*line)
        assert told.code == 2
        assert is_sentence(told)


ROWS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.none() | st.integers(0, 1), st.lists(st.sampled_from("xy"), max_size=2)),
    max_size=8,
)


@given(ROWS, ROWS, st.randoms())
def test_tables_are_compared_as_in_python(before: Any, after: Any, order: Any) -> None:
    names = list(after)
    order.shuffle(names)
    found = compare_tables(table(before), table({n: after[n] for n in names}), "id", 9)
    both = before.keys() & after.keys()
    changed = {name for name in both if before[name] != after[name]}
    assert found.added == len(after.keys() - both)
    assert found.removed == len(before.keys() - both)
    assert (found.compared, found.changed) == (len(both), len(changed))
    assert {one.id for one in found.examples} == changed
    assert found.fields.get("number", 0) == sum(before[n][0] != after[n][0] for n in both)
    assert set(found.added_examples) == after.keys() - both
    assert found.is_equal == (before == after)


def table(rows: Any) -> pa.Table:
    columns = {
        "id": pa.array(list(rows), pa.string()),
        "number": pa.array([number for number, _ in rows.values()], pa.int32()),
        "texts": pa.array([texts for _, texts in rows.values()], pa.list_(pa.string())),
    }
    return pa.table(columns)
