"""`retemplate` renders a build's records anew: text changes, records and pictures do not."""

import shutil
from pathlib import Path

import pytest
from build_help import (
    DATASETS,
    Commands,
    difference,
    is_sentence,
    ledger,
    manifest,
    stamps,
    tree,
)

from instructify._util.resources import find


@pytest.fixture(name="build")
def _build(whole_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_build, tmp_path / "build"))


@pytest.fixture(name="templates")
def _templates(tmp_path: Path) -> Path:
    """Our templates with another wording in one task."""
    folder = Path(shutil.copytree(find("templates"), tmp_path / "mine"))
    path = folder / "image_qa.yaml"
    path.write_text(path.read_text().replace("Question", "Query"))
    return folder


def test_the_same_templates_write_nothing(build: Path, command: Commands) -> None:
    before = stamps(build)
    assert command("retemplate", build).code == 0
    assert stamps(build) == before


def test_text_changes_and_nothing_else(build: Path, templates: Path, command: Commands) -> None:
    before = tree(build)
    assert command("retemplate", build, "--templates", templates).code == 0
    changed = difference(before, tree(build))
    assert changed == [
        "README.md",
        "manifest.json",
        "samples/vqav2/train-00000.arrow",
        "samples/vqav2/val-00000.arrow",
    ]
    assert command("verify", build).code == 0
    sample = command("inspect", build, "vqav2", "--json", "-n", 50).stdout
    assert "Query" in sample
    assert command("retemplate", build, "--templates", "built-in").code == 0
    assert difference(tree(build), before) == [], "and back again"


def test_own_templates_are_not_left_in_silence(
    build: Path, templates: Path, command: Commands
) -> None:
    assert command("retemplate", build, "vqav2", "--templates", templates).code == 0
    before = stamps(build)
    for names in ([], ["vqav2"]):
        refused = command("retemplate", build, *names, "--seed", 0)
        assert refused.code == 2
        assert is_sentence(refused)
        for said in ("vqav2/train", "'mine'", "--templates mine", "--templates built-in"):
            assert said in refused.stderr
    assert stamps(build) == before
    assert command("retemplate", build, "visdial").code == 0, "ours all along"
    assert stamps(build) == before
    assert command("retemplate", build, "--templates", "built-in", "--seed", 0).code == 0
    split = manifest(build)["datasets"]["vqav2"]["splits"]["train"]
    assert split["templates_folder"] == "built-in"


def test_it_equals_a_conversion_with_these_templates(
    raw_root: Path, build: Path, templates: Path, command: Commands, tmp_path: Path
) -> None:
    assert command("retemplate", build, "--templates", templates, "--jobs", 2).code == 0
    line = ("--raw", raw_root, "--templates", templates, "--out", tmp_path / "anew")
    assert command("convert", *DATASETS, *line).code == 0
    assert difference(tree(build), tree(tmp_path / "anew")) == []


def test_one_dataset_alone(build: Path, command: Commands) -> None:
    before = tree(build)
    assert command("retemplate", build, "visdial", "--seed", 4).code == 0
    assert [name for name in difference(before, tree(build)) if "/" in name] == [
        "samples/visdial/val-00000.arrow"
    ]


def test_draws_and_seed_stay_as_they_were(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    line = ("convert", "vqav2", "--raw", raw_root, "--out", out, "--pictures", "none")
    assert command(*line, "--draws", 2, "--seed", 5).code == 0
    before = stamps(out)
    assert command("retemplate", out).code == 0
    assert stamps(out) == before
    assert command("retemplate", out, "--draws", 3).code == 0
    split = manifest(out)["datasets"]["vqav2"]["splits"]["train"]
    assert (split["draws"], split["seed"]) == (3, 5)


def test_raw_files_and_rejects_are_not_needed_again(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    """The raw root is gone; what lacked its picture before lacks it still."""
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    lost = sorted((raw / "hateful_memes" / "img").iterdir())[::3]
    for path in lost:
        path.unlink()
    out = tmp_path / "build"
    line = ("convert", "hateful_memes", "--raw", raw, "--out", out, "--max-rejects", 100)
    assert command(*line).code == 0
    rejected = ledger(out, "hateful_memes")
    assert {row["reason"] for row in rejected} == {"picture-missing"}
    shutil.rmtree(raw)
    before = tree(out)
    assert command("retemplate", out, "--seed", 3).code == 0
    assert ledger(out, "hateful_memes") == rejected
    changed = difference(before, tree(out))
    assert {name.partition("/")[0] for name in changed} == {"README.md", "manifest.json", "samples"}
    assert command("retemplate", out, "--seed", 0).code == 0
    assert difference(before, tree(out)) == []


def test_unknown_names_and_templates(build: Path, command: Commands, tmp_path: Path) -> None:
    refused = command("retemplate", build, "vqa")
    assert refused.code == 2
    assert "vqav2" in refused.stderr
    refused = command("retemplate", build, "--templates", tmp_path / "nowhere")
    assert refused.code == 2
    assert len(refused.stderr.splitlines()) == 1


def test_damaged_records_are_not_rendered(build: Path, command: Commands) -> None:
    """Else their samples would outlive the repair of the records."""
    path = build / "records/vqav2/train-00000.arrow"
    data = bytearray(path.read_bytes())
    at = data.find(b"What")
    data[at : at + 4] = b"Waht"
    path.write_bytes(data)
    refused = command("retemplate", build, "--seed", 3)
    assert refused.code == 2
    assert "records/vqav2/train-00000.arrow was changed" in refused.stderr


def test_a_lost_record_shard_is_said(build: Path, command: Commands) -> None:
    (build / "records/vqav2/train-00000.arrow").unlink()
    refused = command("retemplate", build, "--seed", 3)
    assert refused.code == 2
    assert "records/vqav2/train-00000.arrow" in refused.stderr


def test_baselines_of_multitask_training(
    raw_root: Path, build: Path, command: Commands, tmp_path: Path
) -> None:
    """`prefix` says task and dataset; what is rendered so is another build, and said to be."""
    assert command("retemplate", build, "--prompts", "prefix").code == 0
    sample = command("inspect", build, "vqav2", "--json", "-n", 1, "--split", "train").json()
    assert sample["instruction"].startswith("[Image question answering:VQAv2] ")
    assert manifest(build)["datasets"]["vqav2"]["splits"]["train"]["prompts"] == "prefix"
    explained = command("explain", build, sample["sample_id"], "--raw", raw_root)
    assert explained.code == 0, explained.stdout
    line = ("--raw", raw_root, "--prompts", "prefix", "--out", tmp_path / "anew")
    assert command("convert", *DATASETS, *line).code == 0
    assert difference(tree(build), tree(tmp_path / "anew")) == []


def test_a_recipe_refuses_prompts_of_another_kind(
    build: Path, command: Commands, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("format: 1\nmixture: {prompts: plain, members: {vqav2: }}\n", "utf-8")
    refused = command("plan", build, "--recipe", recipe)
    assert refused.code == 2
    assert "retemplate COPY --prompts plain" in refused.stderr
    assert command("retemplate", build, "vqav2", "--prompts", "plain").code == 0
    assert command("plan", build, "--recipe", recipe).code == 0
    wrong = command("retemplate", build, "--prompts", "plane")
    assert wrong.code == 2
    assert "plain" in wrong.stderr


def test_the_kind_of_prompts_stays_unless_another_is_asked_for(
    build: Path, command: Commands
) -> None:
    def kinds() -> set[str]:
        entries = manifest(build)["datasets"].values()
        splits = [split for one in entries for split in one["splits"].values()]
        return {split.get("prompts", "instruction") for split in splits}

    assert command("retemplate", build, "--prompts", "prefix").code == 0
    assert command("retemplate", build, "--seed", 3).code == 0
    assert kinds() == {"prefix"}
    assert command("retemplate", build, "vqav2", "--prompts", "instruction").code == 0
    refused = command("retemplate", build, "--seed", 4)
    assert refused.code == 2
    assert "prompts of several kinds (instruction, prefix)" in refused.stderr
    assert command("retemplate", build, "vqav2", "--seed", 4).code == 0
    assert kinds() == {"prefix", "instruction"}
