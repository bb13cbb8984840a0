"""`overlap` in parts, by processes and in units of any size: the result is the same."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from build_help import Commands, is_sentence, tree
from photographs import encoded, scene

from instructify.build import Build, LocalWorkers, Progress
from instructify.catalog import load_catalog
from instructify.overlap import Overlap, Question, find_overlap, likeness
from instructify.twins.make import make_twin

NAMES = ("coco_caption", "visdial", "hateful_memes")
COPIES = 6


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory, command: Commands) -> Path:
    """A build in which pictures that are evaluated are poor copies of some that are trained on."""
    place = tmp_path_factory.mktemp("copies")
    make_twin(NAMES, place / "raw", scale=0.15)
    trained = sorted((place / "raw/coco/train2014").glob("*.jpg"))
    evaluated = sorted((place / "raw/visdial/VisualDialog_val2018").glob("*.jpg"))
    pairs = list(zip(trained, evaluated, strict=False))[:COPIES]
    for number, (one, other) in enumerate(pairs):
        one.write_bytes(encoded(scene(number), 95))
        other.write_bytes(encoded(scene(number), 40))
    line = ("convert", *NAMES, "--raw", place / "raw", "--out", place / "build")
    assert command(*line, "--max-rejects", 100).code == 0
    return place / "build"


def search(build: Path, **more: Any) -> Overlap:
    question = Question(build=Build.open(build), catalog=load_catalog(), scope="all")
    return find_overlap(question, LocalWorkers(None), Progress(shown=False), **more)


def test_units_of_any_size_find_the_same(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(build)
    assert whole.candidates > 3
    monkeypatch.setattr(likeness, "UNIT_PAIRS", 1)
    assert search(build) == whole
    assert search(build, results=tmp_path) == whole
    results = sorted(tmp_path.iterdir())
    assert len(results) == whole.candidates
    for result, text in zip(results, (b"", b"[]", b'{"alike": [0]}'), strict=False):
        result.write_bytes(text)  # counts as not done
    assert search(build, results=tmp_path) == whole


def in_parts(command: Commands, line: Sequence[object], total: int) -> None:
    """Run all parts in some order; one is killed first, another is run twice."""
    chance = random.Random(total)
    order = chance.sample(range(1, total + 1), total)
    for number in (*order, order[-1]):
        part = (*line, "--part", f"{number}/{total}")
        if number == order[0]:
            assert command(*part, fault=("kill", "any", 2)).code in (0, 9)
        answer = command(*part)
        assert answer.code == 0, answer.stderr
        assert f"part {number}/{total} of overlap" in answer.stdout


@pytest.mark.parametrize(("scope", "total"), [("all", 3), ("none", 1)])
def test_parts_find_the_same(
    build: Path, command: Commands, tmp_path: Path, scope: str, total: int
) -> None:
    copy = Path(shutil.copytree(build, tmp_path / "copy"))
    line = ("overlap", copy, "--likeness", scope, "--json")
    whole = command("overlap", build, "--likeness", scope, "--json")
    in_parts(command, line, total)
    assert not (copy / "overlap").exists()
    answer = command(*line)
    assert (answer.code, answer.stdout) == (whole.code, whole.stdout)
    assert tree(copy) == tree(build), "and nothing is left of the parts"
    assert not (copy / ".staging").exists()


def test_processes_find_the_same(build: Path, command: Commands) -> None:
    one, two = (command("overlap", build, "--json", "--jobs", jobs) for jobs in (1, 2))
    assert (one.code, one.stdout) == (two.code, two.stdout)


def test_a_part_prints_no_page(build: Path, command: Commands, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(build, tmp_path / "copy"))
    answer = command("overlap", copy, "--part", "1/1", "--html", tmp_path / "page.html")
    assert answer.code == 0
    assert "--html" in answer.stderr
    assert "no effect" in answer.stderr
    assert not (tmp_path / "page.html").exists()
    for wrong in ("2/1", "1", "a/b"):
        refused = command("overlap", copy, "--part", wrong)
        assert refused.code == 2
        assert is_sentence(refused)
