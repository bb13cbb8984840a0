"""All datasets with a twin in one build: converted, verified, loaded; the same with more jobs."""

from pathlib import Path

import datasets
import pytest
from build_help import Commands, difference, manifest, tree

from instructify.build import Build
from instructify.catalog.load import load_catalog
from instructify.twins.make import WRITERS, make_twin, twin_datasets


@pytest.fixture(scope="module", name="everything")
def _everything(tmp_path_factory: pytest.TempPathFactory, command: Commands) -> Path:
    """A folder with a raw root of all releases and a build of all datasets."""
    folder = tmp_path_factory.mktemp("everything")
    make_twin(list(WRITERS), folder / "raw", scale=0.1)
    done = command("convert", *twin_datasets(), "--raw", folder / "raw", "--out", folder / "build")
    assert done.code == 0, done.stderr
    return folder


def test_all_are_there(everything: Path, command: Commands) -> None:
    held = manifest(everything / "build")["datasets"]
    assert set(held) == set(twin_datasets())
    for name, entry in held.items():
        assert entry["role"] == load_catalog().dataset(name).role
        assert any(split["samples"] for split in entry["splits"].values()), name
    assert command("verify", everything / "build").code == 0


def test_all_load(everything: Path, tmp_path: Path) -> None:
    build = Build.open(everything / "build")
    for name, entry in build.manifest.datasets.items():
        cache = str(tmp_path / "cache")
        loaded = datasets.load_dataset(str(build.paths.root), name, cache_dir=cache)
        for split, of in entry.splits.items():
            assert len(loaded[split]) == of.samples
            assert loaded[split]["sample_id"] == [
                row["sample_id"] for row in build.samples(name, split)
            ]


def test_all_are_fit_for_reading(everything: Path, command: Commands) -> None:
    told = command("inspect", everything / "build", "-n", 2)
    assert told.code == 0
    assert max(len(line) for line in told.stdout.splitlines()) <= 80


def test_all_fill_no_text_with_nothing(everything: Path) -> None:
    build = Build.open(everything / "build")
    for name, entry in build.manifest.datasets.items():
        for split in entry.splits:
            for row in build.samples(name, split):
                assert row["instruction"].strip() == row["instruction"]
                assert row["instruction"], row["sample_id"]
                assert row["response"] is None or row["response"].strip()
                assert "None" not in row["instruction"].split()


@pytest.mark.heavy
@pytest.mark.parametrize("jobs", [2, 5])
def test_all_are_the_same_with_more_jobs(
    everything: Path, command: Commands, tmp_path: Path, jobs: int
) -> None:
    line = ("--raw", everything / "raw", "--out", tmp_path / "build", "--jobs", jobs)
    assert command("convert", *twin_datasets(), *line).code == 0
    assert difference(tree(tmp_path / "build"), tree(everything / "build")) == []


@pytest.mark.heavy
def test_the_demo(command: Commands, tmp_path: Path) -> None:
    for _ in range(2):
        done = command("demo", "--no-train", "--out", tmp_path / "demo")
        assert done.code == 0, done.stderr
        lines = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
        assert max(map(len, lines)) <= 100
    assert command("verify", tmp_path / "demo" / "build").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    assert command("demo", "--no-train", "--out", tmp_path / "mine").code == 2
