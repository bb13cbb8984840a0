"""`overlap` for recipes that fine-tune: their splits are held against what is evaluated then."""

import json
from pathlib import Path

import pytest
from build_help import Commands
from photographs import encoded, scene

from instructify.build import Build
from instructify.overlap import read_overlaps, unwaived
from instructify.overlap.trained import as_trained
from instructify.twins.make import make_twin

STATEMENTS = "vsr/data/splits/zeroshot"


def _plant(raw: Path) -> None:
    """Let VSR test on pictures of its train split (by key, by look), A-OKVQA validate on one."""
    lines = {
        split: (raw / STATEMENTS / f"{split}.jsonl").read_text("utf-8").splitlines()
        for split in ("train", "test")
    }
    rows = {split: [json.loads(line) for line in many] for split, many in lines.items()}
    rows["test"][0]["image"] = rows["train"][0]["image"]
    (raw / STATEMENTS / "test.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows["test"])
    )
    photograph = scene(5)
    for row, quality in ((rows["train"][1], 95), (rows["test"][1], 60)):
        for folder in raw.rglob(row["image"]):
            folder.write_bytes(encoded(photograph, quality))
    files = {split: raw / f"aokvqa/aokvqa_v1p0_{split}.json" for split in ("train", "val")}
    asked = {split: json.loads(file.read_text("utf-8")) for split, file in files.items()}
    asked["val"][0]["image_id"] = asked["train"][0]["image_id"]
    files["val"].write_text(json.dumps(asked["val"]))


@pytest.fixture(name="build", scope="module")
def _build(tmp_path_factory: pytest.TempPathFactory, command: Commands) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    raw, build = folder / "raw", folder / "build"
    make_twin(("vsr", "aokvqa"), raw, scale=0.15)
    _plant(raw)
    for what in (("vsr", "--split", "train"), ("vsr", "--split", "test"), ("aokvqa",)):
        line = ("convert", *what, "--raw", raw, "--out", build, "--max-rejects", 100)
        assert command(*line).code == 0
    return build


def recipe(folder: Path, dataset: str, more: str = "") -> Path:
    file = folder / f"{dataset}.yaml"
    mixture = f"{{fine_tune: true, batches: per_rank, members: {{{dataset}: null}}}}"
    file.write_text(f"format: 1\nmixture: {mixture}\n{more}")
    return file


def test_a_held_out_train_split_is_compared_where_a_recipe_trains_on_it(
    build: Path, command: Commands, tmp_path: Path
) -> None:
    plain = command("overlap", build)
    assert "vsr/train" not in plain.stdout.split("Pictures of validation")[0]
    told = command("overlap", build, "--recipe", recipe(tmp_path, "vsr"), "--json")
    assert told.code == 1
    value = told.json()
    names = [f"{part['dataset']}/{part['split']}" for part in value["parts"]]
    assert [n for n, part in zip(names, value["parts"], strict=True) if part["is_trained"]] == [
        "vsr/train"
    ]
    pairs = {(names[one["left"]], names[one["right"]]): one for one in value["pictures"]}
    found = pairs["vsr/train", "vsr/test"]
    assert (found["key"], found["content"], found["likeness"]) == (1, 0, 1)
    assert found["compared_by_likeness"]


def test_the_own_validation_split_counts_when_one_dataset_is_tuned_on(
    build: Path, command: Commands, tmp_path: Path
) -> None:
    plain = command("overlap", build)
    assert "No evaluated split shares a picture with a training split" in plain.stdout
    assert plain.code == 0, "a validation split of a held-in dataset stops no mixture"
    told = command("overlap", build, "--recipe", recipe(tmp_path, "aokvqa"))
    assert told.code == 1
    assert "aokvqa/val" in told.stdout
    waived = recipe(tmp_path, "aokvqa", "waivers: {aokvqa: planted}\n")
    assert command("overlap", build, "--recipe", waived).code == 0


def test_a_run_that_tunes_is_refused_whatever_recipe_was_looked_for(
    build: Path, command: Commands, tmp_path: Path
) -> None:
    """What is kept is of no recipe: the search for one serves the run of another."""
    command("overlap", build, "--recipe", recipe(tmp_path, "aokvqa"))
    kept = read_overlaps(Build.open(build))
    assert [one.held_out for one in unwaived(kept, {"vsr": ["train"]}, (), ["vsr"])] == ["vsr/test"]
    assert [one.held_out for one in unwaived(kept, {"aokvqa": ["train"]}, (), ["aokvqa"])] == [
        "aokvqa/val"
    ]
    assert unwaived(kept, {"aokvqa": ["train"]}, ()) == []
    assert unwaived(kept, {"aokvqa": ["train", "val"]}, (), ["aokvqa"]) == []


def test_pairs_turn_with_what_is_trained_on(build: Path, command: Commands) -> None:
    command("overlap", build)
    (kept,) = read_overlaps(Build.open(build))
    turned = as_trained(kept, {"vsr": ["test"]})
    back = as_trained(turned, {"vsr": ["train"]})
    names = [part.name for part in kept.parts]

    def pair(overlap: object, left: str, right: str) -> object:
        pictures = overlap.pictures  # type: ignore[attr-defined]
        (one,) = [p for p in pictures if (names[p.left], names[p.right]) == (left, right)]
        return one

    assert pair(turned, "vsr/test", "vsr/train").pictures == 2  # type: ignore[attr-defined]
    assert pair(back, "vsr/train", "vsr/test") == pair(kept, "vsr/train", "vsr/test")
