"""docs/adding-a-dataset.md, followed to the letter in a copy of the sources."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
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
    """A copy of what a conversion needs, with the page's pieces in it.

    Compiled modules come along, and templates of other tasks don't: both would be read each time.
    """
    copy = tmp_path_factory.mktemp("sources")
    for name in ("instructify", "templates/protocols", "tests/contributing"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy(ROOT / TEMPLATES, copy / TEMPLATES)
    for name in ("catalog.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    for block in blocks():
        follow(block, copy)
    write_raw(copy / "raw")
    return copy


def write_raw(root: Path) -> None:
    """Write the release of the page: three signs."""
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
    (folder / "questions_none.json").write_text('{"questions": []}')
    (folder / "answers_none.json").write_text("[]")


CATALOG = "catalog.yaml"
READER = "instructify/readers/street_signs.py"
PROTOCOL = "templates/protocols/street_signs.yaml"
TEMPLATES = "templates/image_qa_reading.yaml"
_POSITION = "            position=position,"
_METRIC = "families: [signs]\n    metric: accuracy"
_TEST = "      test:\n        files: {questions: questions_test.json, answers: answers_test.json}\n"
_DEV = f"{_TEST.replace('test:', 'dev:')}{_TEST}"
_EMPTY_DEV = f"{_TEST.replace('test:', 'dev:').replace('_test', '_none')}{_TEST}"
_NO_DEV = f"{_TEST.replace('test:', 'dev:').replace('_test', '_dev')}{_TEST}"
# To each name the edits, as (file, text, replacement), and a part of what the check says of them.
MISTAKES: dict[str, tuple[list[tuple[str, str, str]], str]] = {
    "no mistake": ([], "note     street_signs: the targets of 'test' score 1.00 by accuracy"),
    "protocol of another": (
        [(PROTOCOL, "dataset: street_signs", "dataset: signs")],
        f"{PROTOCOL}, line 3: 'signs' belongs into a file of that name.",
    ),
    "position of the next item": (
        [(READER, _POSITION, "            position=position + 1,")],
        "'7' stands at 0: give the position that the reader is handed.",
    ),
    "the same position for all": (
        [(READER, _POSITION, "            position=0,")],
        "street_signs/test/8 has the position 0 in street_signs/questions_test.json, and '8'",
    ),
    "position in one split": (
        [
            (READER, _POSITION, "            position=9 if context.split == 'dev' else position,"),
            (CATALOG, _TEST, _DEV),
        ],
        "missing  street_signs/dev/7",
    ),
    "a split that is not there": (
        [(CATALOG, _TEST, _NO_DEV)],
        "note     split 'dev' was not converted: there is no ",
    ),
    "a split without items": (
        [(CATALOG, _TEST, _EMPTY_DEV)],
        "street_signs is whole",
    ),
    "a picture is missing": (
        [("raw/street_signs/questions_test.json", '"a7"', '"a70"')],
        "note     split 'test' has rejects: picture-missing 1; `convert` allows 1 % without",
    ),
    "no picture where the catalog says": (
        [(CATALOG, 'patterns: ["pictures/{name}.jpg"]', 'patterns: ["images/{name}.jpg"]')],
        "missing  split 'test' can't be converted: ",
    ),
    "a field that no template has": (
        [(TEMPLATES, "sentence('?') | capfirst }}", "sentence('?') | capfirst }} {{ questoin }}")],
        "unknown field 'questoin'",
    ),
    "a field that the records lack": (
        [(PROTOCOL, "{{ question }}", "{{ caption }}")],
        "null fields: ['caption'].",
    ),
    "a metric of ten answers": (
        [(CATALOG, _METRIC, "families: [signs]\n    metric: vqa_accuracy")],
        "note     street_signs: 3 of 3 items have fewer than 4 references",
    ),
    "no metric": (
        [(CATALOG, _METRIC, "families: [signs]\n    metric: null")],
        "note     `metric` is null: the dataset is evaluated without a score.",
    ),
    "no licence": (
        [(CATALOG, "street-signs\n    licence: CC BY 4.0\n", "street-signs\n")],
        "key 'licence' is missing in 'releases.street_signs'.",
    ),
    "an error in the reader": (
        [(READER, 'files["answers"]', 'files["answer"]')],
        "missing  split 'test' can't be converted: KeyError: 'answer', in street_signs.py, line ",
    ),
}
WHOLE = {
    "no mistake",
    "a split that is not there",
    "a split without items",
    "a picture is missing",
    "a metric of ten answers",
    "no metric",
}


# These run always; the others are as good a promise, and each costs a second.
QUICK = [
    "no mistake",
    "the same position for all",
    "a picture is missing",
    "no licence",
    "an error in the reader",
]


def checked(sources: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """What `make check-dataset` says of the page's dataset, by mistake: exit code and output."""
    helper = ROOT / "tests" / "helpers" / "mistakes.py"
    done = subprocess.run(
        [sys.executable, helper, sources, "street_signs", "--raw", sources / "raw"],
        input=json.dumps({name: MISTAKES[name][0] for name in names}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(sources)},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


def is_said(name: str, code: int, output: str) -> None:
    """Check the exit code and the sentence about a mistake."""
    assert MISTAKES[name][1] in output, output
    assert (code == 0) == (name in WHOLE), output
    assert "Traceback" not in output


def test_the_page_adds_a_dataset_that_is_whole_and_a_mistake_is_said(sources: Path) -> None:
    assert [block.file for block in blocks()] == [
        *["catalog.yaml"] * 3,
        "instructify/readers/street_signs.py",
        "templates/protocols/street_signs.yaml",
    ]
    results = checked(sources, QUICK)
    code, output = results["no mistake"]
    assert code == 0, output
    lines = output.splitlines()
    assert lines[-1] == "street_signs is whole"
    assert not [line for line in lines if line.startswith("missing")]
    assert any("has no twin" in line for line in lines)
    for name, result in results.items():
        is_said(name, *result)


@pytest.mark.heavy
def test_other_mistakes_are_said(sources: Path) -> None:
    for name, result in checked(sources, [name for name in MISTAKES if name not in QUICK]).items():
        is_said(name, *result)
