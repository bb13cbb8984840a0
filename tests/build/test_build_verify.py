"""`verify` finds every kind of damage, names the file, and nothing damaged is read as if whole."""

import json
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from build_help import Commands, is_sentence, manifest, tree

from instructify._util.errors import UserError
from instructify._util.shards import read_arrow
from instructify.build import Build
from instructify.build.check import check_build


@pytest.fixture(name="build")
def _build(whole_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_build, tmp_path / "build"))


def test_a_whole_build_has_no_findings(whole_build: Path, command: Commands) -> None:
    done = command("verify", whole_build, "--json")
    assert done.code == 0
    assert done.json() == {"files": len(tree(whole_build)) - 2, "findings": [], "not_looked_at": 0}


def test_referenced_pictures_are_said_not_to_be_looked_at(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    line = ("--raw", raw_root, "--out", out, "--pictures", "reference")
    assert command("convert", "hateful_memes", *line).code == 0
    told = command("verify", out)
    number = manifest(out)["pictures"]["distinct"]
    assert number > 1
    assert told.stdout.endswith(f", all whole; {number} referenced pictures not looked at\n")
    assert command("verify", out, "--json").json()["not_looked_at"] == number


def test_flipped_bytes(build: Path) -> None:
    flipped_bytes(build, times=60)


@pytest.mark.heavy
def test_many_flipped_bytes(build: Path) -> None:
    flipped_bytes(build, times=1000)


def flipped_bytes(build: Path, times: int) -> None:
    """Flip one bit at a time, anywhere in any file, manifest and card included."""
    files = [name for name in tree(build) if (build / name).stat().st_size]
    places = random.Random(3)
    for attempt in range(times):
        name = files[attempt % len(files)]
        path = build / name
        whole = path.read_bytes()
        data = bytearray(whole)
        at = places.randrange(len(data))
        data[at] ^= 1 << places.randrange(8)
        path.write_bytes(data)
        assert any(name in line for line in findings(build)), f"byte {at} of {name}"
        if name.startswith("samples/"):
            _, dataset, shard = name.split("/")
            read_or_refused(build, dataset, shard.partition("-")[0])
        path.write_bytes(whole)
    assert findings(build) == []


def read_or_refused(build: Path, dataset: str, split: str) -> None:
    """Reading a damaged shard may give other text, but never another kind of error than ours."""
    with suppress(UserError):
        list(Build.open(build).samples(dataset, split))


def findings(build: Path) -> list[str]:
    """What `verify` says, or why it refuses."""
    try:
        return [finding.file for finding in check_build(Build.open(build))]
    except UserError as error:
        return [str(error)]


def test_truncated_files(build: Path, command: Commands) -> None:
    for name in list(tree(build))[::3]:
        path = build / name
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        found = command("verify", build)
        if whole:
            assert found.code in (1, 2), name
            assert name in found.stdout + found.stderr
        path.write_bytes(whole)


def test_missing_and_unlisted_files(build: Path, command: Commands) -> None:
    shard = build / "samples/vqav2/train-00000.arrow"
    shard.rename(shard.with_name("train-00001.arrow"))
    found = command("verify", build, "--json")
    assert found.code == 1
    rows = {row["file"]: row["what"] for row in found.json()["findings"]}
    assert rows == {
        "samples/vqav2/train-00000.arrow": "is missing",
        "samples/vqav2/train-00001.arrow": "is not named by the manifest",
    }


def test_wrong_row_counts(build: Path, command: Commands) -> None:
    value = manifest(build)
    value["datasets"]["vqav2"]["splits"]["train"]["samples"] += 1
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (build / "manifest.json").write_text(text)
    found = command("verify", build)
    assert found.code == 1
    assert "samples/vqav2/train holds" in found.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('{"format": 99}', "has format 99"),
        ("", "is not a manifest"),
        ("[]", "is not a manifest"),
        ('{"format": 3}', "is damaged"),
    ],
)
def test_manifests_of_others(build: Path, command: Commands, change: str, said: str) -> None:
    (build / "manifest.json").write_text(change)
    for line in (("verify", build), ("inspect", build), ("retemplate", build)):
        refused = command(*line)
        assert refused.code == 2
        assert is_sentence(refused)
        assert said in refused.stderr
        assert "instructify convert" in refused.stderr


@pytest.mark.parametrize("name", ["../evil", "/etc/hostname", "a/../../b", ""])
def test_a_manifest_can_not_name_files_outside(build: Path, command: Commands, name: str) -> None:
    value = manifest(build)
    value["files"][name] = next(iter(value["files"].values()))
    (build / "manifest.json").write_text(json.dumps(value))
    refused = command("verify", build)
    assert refused.code == 2
    assert "is no file of a build" in refused.stderr


def test_a_manifest_that_lost_an_entry(build: Path, command: Commands) -> None:
    value = manifest(build)
    del value["files"]["samples/vqav2/train-00000.arrow"]
    (build / "manifest.json").write_text(json.dumps(value))
    refused = command("inspect", build)
    assert refused.code == 2
    assert "has no entry" in refused.stderr


def test_no_build_at_all(tmp_path: Path, command: Commands) -> None:
    for place in (tmp_path, tmp_path / "nowhere", Path(__file__)):
        refused = command("verify", place)
        assert refused.code == 2
        assert is_sentence(refused)


def test_cut_shards_are_never_read(build: Path) -> None:
    """At every length but the whole one, a shard is refused; none reads back short."""
    path = build / "samples/vqav2/train-00000.arrow"
    whole = path.read_bytes()
    rows = read_arrow(path).num_rows
    for length in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="damaged"):
            read_arrow(path)
    path.write_bytes(whole)
    assert read_arrow(path).num_rows == rows


def test_a_shard_in_the_place_of_another(build: Path, command: Commands) -> None:
    shutil.copyfile(
        build / "samples/vqav2/val-00000.arrow", build / "samples/vqav2/train-00000.arrow"
    )
    with pytest.raises(UserError, match=r"train-00000.arrow is damaged: .* should have"):
        Build.open(build).samples("vqav2", "train")
    refused = command("inspect", build)
    assert refused.code == 2
    assert is_sentence(refused)


def test_reading_by_hand(whole_build: Path) -> None:
    """Every row is reached by place and by id, and is what Arrow reads."""
    build = Build.open(whole_build)
    table = build.samples("vqav2", "train")
    shards = build.split("vqav2", "train").sample_shards
    rows = pa.concat_tables([read_arrow(whole_build / shard) for shard in shards]).to_pylist()
    assert list(table) == rows
    assert [table[place] for place in range(len(table))] == rows
    assert build.sample(rows[-1]["sample_id"]) == rows[-1]
    with pytest.raises(IndexError):
        table[len(rows)]
