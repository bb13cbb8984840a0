"""What a conversion does again, and what it leaves alone; and that nothing but inputs shapes it."""

import shutil
from pathlib import Path

import pytest
from build_help import DATASETS, Commands, difference, ledger, manifest, stamps, tree


@pytest.fixture(name="build")
def _build(whole_build: Path, tmp_path: Path) -> Path:
    """A copy of the whole build, to be changed."""
    return Path(shutil.copytree(whole_build, tmp_path / "build"))


@pytest.fixture(name="raw")
def _raw(raw_root: Path, tmp_path: Path) -> Path:
    """A copy of the raw root, to be changed."""
    return Path(shutil.copytree(raw_root, tmp_path / "raw"))


@pytest.mark.parametrize("jobs", [2, 3])
def test_any_number_of_jobs_gives_the_same_bytes(
    raw_root: Path, whole_build: Path, command: Commands, tmp_path: Path, jobs: int
) -> None:
    out = tmp_path / "build"
    done = command("convert", *DATASETS, "--raw", raw_root, "--out", out, "--jobs", jobs)
    assert done.code == 0
    assert difference(tree(out), tree(whole_build)) == []


def test_folders_leave_no_trace(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    moved = shutil.copytree(raw_root, tmp_path / "a folder" / "r\u00e5w")
    for raw, out in ((raw_root, tmp_path / "one"), (moved, tmp_path / "an other")):
        assert command("convert", "coco_caption", "--raw", raw, "--out", out).code == 0
    assert difference(tree(tmp_path / "one"), tree(tmp_path / "an other")) == []
    for name in tree(tmp_path / "one"):
        assert str(raw_root).encode() not in (tmp_path / "one" / name).read_bytes()


def test_the_same_again_writes_nothing(raw_root: Path, build: Path, command: Commands) -> None:
    before = stamps(build)
    again = command("convert", *DATASETS, "--raw", raw_root, "--out", build, "--json")
    assert again.code == 0
    assert stamps(build) == before


def test_a_part_again_writes_nothing(raw_root: Path, build: Path, command: Commands) -> None:
    before = stamps(build)
    assert command("convert", "vqav2", "--raw", raw_root, "--out", build).code == 0
    assert stamps(build) == before


def test_two_conversions_make_the_build_of_one(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("--raw", raw_root, "--pictures", "none", "--out")
    assert command("convert", "visdial", *line, tmp_path / "two").code == 0
    assert command("convert", "msvd_qa", "vqav2", *line, tmp_path / "two").code == 0
    assert command("convert", "vqav2", "visdial", "msvd_qa", *line, tmp_path / "one").code == 0
    assert difference(tree(tmp_path / "two"), tree(tmp_path / "one")) == []


def test_split_by_split_makes_the_build_of_one(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("convert", "vqav2", "--raw", raw_root, "--pictures", "none")
    for split in ("val", "train"):
        assert command(*line, "--split", split, "--out", tmp_path / "two").code == 0
    assert command(*line, "--out", tmp_path / "one").code == 0
    assert difference(tree(tmp_path / "two"), tree(tmp_path / "one")) == []


def test_a_changed_raw_file_replaces_its_dataset_only(
    raw: Path, build: Path, command: Commands
) -> None:
    before = stamps(build)
    path = next(raw.glob("vqav2/*train2014_annotations.json"))
    path.write_text(path.read_text().replace('"yes"', '"perhaps"'))
    assert command("convert", *DATASETS, "--raw", raw, "--out", build).code == 0
    after = stamps(build)
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed - {"manifest.json", "README.md"} == {
        "records/vqav2/train-00000.arrow",
        "samples/vqav2/train-00000.arrow",
    }
    assert command("verify", build).code == 0


def test_other_options_replace_the_dataset(raw_root: Path, build: Path, command: Commands) -> None:
    line = ("convert", "vqav2", "--raw", raw_root, "--out", build, "--split", "train")
    assert command(*line, "--set", "vqav2.target=weighted").code == 0
    entry = manifest(build)["datasets"]["vqav2"]
    assert entry["options"]["target"] == "weighted"
    assert list(entry["splits"]) == ["train"], "the other split was made with other options"
    assert not list(build.glob("*/vqav2/val*"))
    assert command("verify", build).code == 0


def test_limit_draws_and_seed_stand_in_the_manifest(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    line = ("convert", "vqav2", "--raw", raw_root, "--out", out, "--pictures", "none", "--json")
    one = command(*line, "--limit", 5, "--draws", 3, "--seed", 7).json()["datasets"]
    assert [(row["split"], row["records"], row["samples"]) for row in one] == [
        ("train", 5, 15),
        ("val", 5, 15),
    ]
    split = manifest(out)["datasets"]["vqav2"]["splits"]["train"]
    assert (split["limit"], split["draws"], split["wanted_draws"], split["seed"]) == (5, 3, 3, 7)
    texts = (out / "samples/vqav2/train-00000.arrow").read_bytes()
    assert command(*line, "--limit", 5, "--draws", 3, "--seed", 8).code == 0
    assert (out / "samples/vqav2/train-00000.arrow").read_bytes() != texts
    assert command(*line, "--limit", 5, "--draws", 3, "--seed", 7).code == 0
    assert (out / "samples/vqav2/train-00000.arrow").read_bytes() == texts


def test_the_manifest_names_every_raw_file_with_its_hash(whole_build: Path) -> None:
    for entry in manifest(whole_build)["datasets"].values():
        for split in entry["splits"].values():
            assert split["raw"]
            for source in split["raw"]:
                assert len(source["sha256"]) == 64
                assert not source["name"].startswith("/")


@pytest.mark.parametrize("kind", ["records", "samples", "rejects"])
def test_a_lost_file_of_a_dataset_is_made_anew(
    raw_root: Path, build: Path, command: Commands, kind: str
) -> None:
    before = tree(build)
    lost = next(path for path in sorted((build / kind).rglob("*")) if path.is_file())
    lost.unlink()
    assert command("verify", build).code == 1
    assert command("convert", *DATASETS, "--raw", raw_root, "--out", build).code == 0
    assert difference(tree(build), before) == []


def test_a_lost_picture_shard_is_not_passed_over(
    raw_root: Path, build: Path, command: Commands
) -> None:
    lost = next(build.glob("pictures/0*.arrow"))
    lost.unlink()
    again = command("convert", "vqav2", "--raw", raw_root, "--out", build)
    assert again.code == 2
    assert lost.name in again.stderr


def test_pictures_are_stored_once_for_all_datasets(whole_build: Path) -> None:
    shared = manifest(whole_build)["pictures"]
    assert {family["mode"] for family in shared["families"].values()} == {"store"}
    assert 0 < shared["distinct"] <= shared["keys"]


def test_a_build_keeps_its_way_with_pictures(
    raw_root: Path, build: Path, command: Commands
) -> None:
    line = ("convert", "vqav2", "--raw", raw_root, "--out", build, "--pictures", "none")
    refused = command(*line)
    assert refused.code == 2
    assert "--pictures store" in refused.stderr


def test_ledgers_of_untouched_splits_stay(raw: Path, command: Commands, tmp_path: Path) -> None:
    path = next(raw.glob("vqav2/*val2014_annotations.json"))
    path.write_text(path.read_text().replace('"multiple_choice_answer"', '"gone"', 3))
    line = ("convert", "vqav2", "--raw", raw, "--pictures", "none", "--max-rejects", "100", "--out")
    assert command(*line, tmp_path / "one").code == 0
    rejected = ledger(tmp_path / "one", "vqav2")
    assert {row["split"] for row in rejected} == {"val"}
    assert command(*line, tmp_path / "one", "--split", "train", "--seed", 3).code == 0
    assert ledger(tmp_path / "one", "vqav2") == rejected
