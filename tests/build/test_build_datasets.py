"""`datasets.load_dataset(BUILD, name)` gives the rows of the build, and never those of another."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow.dataset
import pytest
import yaml
from build_help import DATASETS, Commands, manifest

from instructify.build import Build
from instructify.schema import SAMPLE_SCHEMA
from instructify.twins.make import make_twin


@pytest.fixture(name="cache")
def _cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_loads(whole_build: Path, cache: str, name: str) -> None:
    loaded = datasets.load_dataset(str(whole_build), name, cache_dir=cache)
    build = Build.open(whole_build)
    assert set(loaded) == set(build.dataset(name).splits)
    for split, rows in loaded.items():
        assert rows.column_names == SAMPLE_SCHEMA.names
        assert [same(row) for row in rows] == [same(row) for row in build.samples(name, split)]


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_streams(whole_build: Path, name: str) -> None:
    build = Build.open(whole_build)
    for split in build.dataset(name).splits:
        rows = datasets.load_dataset(str(whole_build), name, split=split, streaming=True)
        wanted = [row["sample_id"] for row in build.samples(name, split)]
        assert [row["sample_id"] for row in rows] == wanted


def test_without_a_name_the_first_dataset_loads(whole_build: Path, cache: str) -> None:
    loaded = datasets.load_dataset(str(whole_build), cache_dir=cache)
    assert next(iter(loaded["train"]))["dataset"] == sorted(DATASETS)[0]


def test_two_builds_of_one_name_stay_apart(
    raw_root: Path, command: Commands, tmp_path: Path, cache: str
) -> None:
    texts = []
    for seed in (0, 1):
        out = tmp_path / str(seed) / "build"
        line = ("convert", "vqav2", "--raw", raw_root, "--out", out, "--pictures", "none")
        assert command(*line, "--seed", seed).code == 0
        texts.append(texts_of(out, cache))
        assert texts[-1] == own_texts(out)
    assert texts[0] != texts[1]


def test_a_build_that_changed_is_not_stale(
    raw_root: Path, command: Commands, tmp_path: Path, cache: str
) -> None:
    out = tmp_path / "build"
    line = ("convert", "vqav2", "--raw", raw_root, "--out", out, "--pictures", "none")
    assert command(*line).code == 0
    before = texts_of(out, cache)
    assert command("retemplate", out, "--seed", 9).code == 0
    after = texts_of(out, cache)
    assert after == own_texts(out)
    assert after != before


def test_a_shard_with_other_counts_is_refused(
    whole_build: Path, tmp_path: Path, cache: str
) -> None:
    out = Path(shutil.copytree(whole_build, tmp_path / "build"))
    shards = out / "samples" / "vqav2"
    shutil.copyfile(shards / "val-00000.arrow", shards / "train-00000.arrow")
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        datasets.load_dataset(str(out), "vqav2", cache_dir=cache)


def test_a_split_without_samples_breaks_no_other(
    raw_root: Path, command: Commands, tmp_path: Path, cache: str
) -> None:
    """Every record of a split lost for want of its picture, or every item by the reader."""
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    shutil.rmtree(raw / "hateful_memes" / "img")
    path = next(raw.glob("vqav2/*val2014_annotations.json"))
    path.write_text(path.read_text().replace('"question_id"', '"gone"'))
    out = tmp_path / "build"
    line = ("convert", "hateful_memes", "vqav2", "--raw", raw, "--out", out, "--max-rejects", 100)
    assert command(*line).code == 0
    assert command("verify", out).code == 0
    splits = manifest(out)["datasets"]["vqav2"]["splits"]
    assert splits["val"]["samples"] == 0
    memes = manifest(out)["datasets"]["hateful_memes"]["splits"]
    assert [split["samples"] for split in memes.values()] == [0]
    rows = datasets.load_dataset(str(out), "vqav2", split="train", cache_dir=cache)
    assert len(rows) == splits["train"]["samples"]
    assert command("inspect", out).code == 0


def test_a_split_whose_pictures_are_all_gone_is_not_listed(
    raw_root: Path, command: Commands, tmp_path: Path, cache: str
) -> None:
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    shutil.rmtree(raw / "coco" / "train2014")
    shutil.rmtree(raw / "hateful_memes" / "img")
    out = tmp_path / "build"
    line = ("convert", "hateful_memes", "vqav2", "--raw", raw, "--out", out, "--max-rejects", 100)
    assert command(*line).code == 0
    splits = manifest(out)["datasets"]["vqav2"]["splits"]
    assert splits["train"]["samples"] == 0 < splits["train"]["records"]
    loaded = datasets.load_dataset(str(out), "vqav2", cache_dir=cache)
    assert {name: len(rows) for name, rows in loaded.items()} == {"val": splits["val"]["samples"]}
    assert datasets.get_dataset_config_names(str(out)) == ["vqav2"]


def test_a_split_called_all(command: Commands, tmp_path: Path, cache: str) -> None:
    """The datasets library keeps that word for itself and refuses the whole card."""
    make_twin(["flickr30k"], tmp_path / "raw", scale=0.1)
    out = tmp_path / "build"
    line = ("convert", "flickr30k", "--raw", tmp_path / "raw", "--out", out, "--pictures", "none")
    for split in ("all", "test"):
        assert command(*line, "--split", split).code == 0
    loaded = datasets.load_dataset(str(out), "flickr30k", cache_dir=cache)
    splits = manifest(out)["datasets"]["flickr30k"]["splits"]
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "all_splits": splits["all"]["samples"],
        "test": splits["test"]["samples"],
    }


def test_other_readers(whole_build: Path) -> None:
    build = Build.open(whole_build)
    path = whole_build / build.split("vqav2", "train").sample_shards[0]
    wanted = [row["instruction"] for row in build.samples("vqav2", "train")]
    assert pd.read_feather(path)["instruction"].tolist() == wanted
    table = pyarrow.dataset.dataset(path, format="ipc").to_table(["instruction"])
    assert table.column("instruction").to_pylist() == wanted


def test_the_card_is_yaml_with_a_table(whole_build: Path) -> None:
    text = (whole_build / "README.md").read_text("utf-8")
    header = yaml.safe_load(text.split("---")[1])
    assert [one["config_name"] for one in header["configs"]] == sorted(DATASETS)
    assert [one["config_name"] for one in header["configs"] if one.get("default")] == [
        sorted(DATASETS)[0]
    ]
    for name, entry in manifest(whole_build)["datasets"].items():
        for split, of in entry["splits"].items():
            assert f"| {name} | {split} |" in text
            assert f"| {of['records']} | {of['samples']} |" in text


def texts_of(build: Path, cache: str) -> list[str]:
    rows = datasets.load_dataset(str(build), "vqav2", split="train", cache_dir=cache)
    return list(rows["instruction"])


def own_texts(build: Path) -> list[str]:
    return [row["instruction"] for row in Build.open(build).samples("vqav2", "train")]


def same(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose lists compare, whatever kind of sequence they are."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
