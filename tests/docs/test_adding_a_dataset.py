"""docs/adding-a-dataset.md, followed to the letter in a copy of the sources."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding-a-dataset.md"
_BLOCK = re.compile(
    r"^\*\*`(?P<file>[^`]+)`(?:, (?P<where>[^*]+))?\*\*\n\n```\w+\n(?P<text>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A piece of the page: the file that it belongs to, and where in that file."""

    file: str
    where: str | None
    text: str


def blocks() -> list[Block]:
    """Read the pieces of the page."""
    return [Block(*found.groups()) for found in _BLOCK.finditer(PAGE.read_text("utf-8"))]


def follow(block: Block, sources: Path) -> None:
    """Write a piece where the page says."""
    path = sources / block.file
    if block.where is None:
        assert not path.exists()
        path.write_text(block.text, "utf-8")
        return
    text = path.read_text("utf-8")
    if block.where == "at the end":
        path.write_text(f"{text.rstrip()}\n\n{block.text}", "utf-8")
        return
    found = re.fullmatch(r"below `(\w+:)`", block.where)
    assert found is not None, block.where
    assert text.count(f"\n{found[1]}\n") == 1
    path.write_text(text.replace(f"\n{found[1]}\n", f"\n{found[1]}\n{block.text}"), "utf-8")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a conversion needs, with the page's pieces in it."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("instructify", "templates", "tests/contributing"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("catalog.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    for block in blocks():
        follow(block, copy)
    return copy


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release of the page: three signs."""
    root = tmp_path_factory.mktemp("raw")
    (root / "street_signs" / "pictures").mkdir(parents=True)
    words = {7: "stop", 8: "no entry", 9: "exit"}
    questions = []
    for number in words:
        Image.new("RGB", (64, 48), (20 * number, 30, 90)).save(
            root / f"street_signs/pictures/a{number}.jpg"
        )
        asked = {"id": number, "picture": f"a{number}", "question": "What does the sign say?"}
        questions.append(asked)
    answers = [{"question": number, "answer": word} for number, word in reversed(words.items())]
    folder = root / "street_signs"
    (folder / "questions_test.json").write_text(json.dumps({"questions": questions}))
    (folder / "answers_test.json").write_text(json.dumps(answers))
    return root


def checked(sources: Path, name: str, *options: object) -> "subprocess.CompletedProcess[str]":
    """Run what `make check-dataset` runs, on the copy."""
    line = [sys.executable, sources / "tests/contributing/check_dataset.py", name, *options]
    return subprocess.run(
        [str(word) for word in line],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(sources)},
    )


def test_the_page_adds_a_dataset_that_is_whole(sources: Path, raw: Path) -> None:
    assert [block.file for block in blocks()] == [
        *["catalog.yaml"] * 3,
        "instructify/readers/street_signs.py",
        "templates/protocols/street_signs.yaml",
    ]
    done = checked(sources, "street_signs", "--raw", raw)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "street_signs is whole"
    assert not [line for line in lines if line.startswith("missing")]
    assert any("has no twin" in line for line in lines)


def test_what_is_missing_is_said(sources: Path, raw: Path) -> None:
    """Without the protocol; and with positions that count another list of the file."""
    protocol = sources / "templates/protocols/street_signs.yaml"
    reader = sources / "instructify/readers/street_signs.py"
    text = reader.read_text("utf-8")
    kept = protocol.rename(sources / "kept.yaml")
    without = checked(sources, "street_signs", "--raw", raw)
    kept.rename(protocol)
    reader.write_text(
        text.replace("            position=position,", "            position=position + 1,")
    )
    shifted = checked(sources, "street_signs", "--raw", raw)
    reader.write_text(text, "utf-8")
    assert (without.returncode, shifted.returncode) == (1, 1)
    assert "there is no templates/protocols/street_signs.yaml" in without.stdout
    assert "street_signs: 1 missing" in without.stdout
    assert "can't be made again from its raw item" in shifted.stdout
