"""`convert --ocr FILE`: tokens reach the prompts by picture key, and no line is lost in silence."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.cli import app
from instructify.readers.base import RawFile
from instructify.readers.ocr import load_ocr
from instructify.twins.make import make_twin


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ocr")
    make_twin(["ocr_vqa"], root, scale=0.2, pictures=False)
    return root


def convert(raw: Path, out: Path, ocr: Path) -> list[dict[str, Any]]:
    """Convert the training split and give its samples."""
    words = ["convert", "ocr_vqa", "--split", "train", "--pictures", "none", "--draws", "1"]
    words += ["--raw", str(raw), "--out", str(out), "--ocr", str(ocr), "--max-rejects", "50"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return list(Build.open(out).samples("ocr_vqa", "train"))


def test_named_pictures_get_their_first_tokens(raw: Path, tmp_path: Path) -> None:
    book = next(iter(json.loads((raw / "ocr_vqa" / "dataset.json").read_text("utf-8"))))
    tokens = [f"w{number}" for number in range(40)]
    ocr = tmp_path / "mine.jsonl"
    ocr.write_text(json.dumps({"picture": f"ocr_vqa/{book}", "tokens": tokens}) + "\n")
    told = 0
    for sample in convert(raw, tmp_path / "build", ocr):
        named = sample["pictures"] == [f"ocr_vqa/{book}"]
        told += named
        assert (", ".join(tokens[:30]) in sample["instruction"]) == named
        assert "w30" not in sample["instruction"]
        assert sample["ocr_source"] == ("mine.jsonl" if named else None)
    assert told


def test_lines_that_cannot_be_read_are_rejects(raw: Path, tmp_path: Path) -> None:
    ocr = tmp_path / "bad.jsonl"
    ocr.write_text('{"picture": "a/b", "tokens": []}\n{bad\n{"picture": "a/c"}\n')
    assert convert(raw, tmp_path / "build", ocr)
    ledger = tmp_path / "build" / "rejects" / "ocr_vqa.jsonl"
    rows = [json.loads(line) for line in ledger.open("rb")]
    assert [(row["source"], row["position"], row["reason"]) for row in rows] == [
        ("bad.jsonl", 1, "malformed-json"),
        ("bad.jsonl", 2, "missing-field"),
    ]


@pytest.mark.parametrize(
    ("second", "positions"),
    [
        (["a", "b"], []),  # the same said twice
        ([" a", "b ", ""], []),
        (["b", "a"], [2]),
        (["c"], [2]),
        ([], [2]),
    ],
)
@pytest.mark.parametrize("is_rosetta", [False, True])
def test_a_picture_with_two_lists_of_tokens_keeps_the_first_and_says_so(
    tmp_path: Path, second: list[str], positions: list[int], is_rosetta: bool
) -> None:
    rows = [("x", ["a", "b"]), ("y", ["z"]), ("x", second)]
    path = tmp_path / "ocr.json"
    if is_rosetta:
        data = [{"image_id": key, "ocr_tokens": tokens} for key, tokens in rows]
        path.write_text(json.dumps({"data": data}))
    else:
        lines = [{"picture": f"openimages/{key}", "tokens": tokens} for key, tokens in rows]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = load_ocr(RawFile("ocr.json", path))
    assert table.tokens("openimages/x") == ["a", "b"]
    assert [(one.position, one.reason) for one in table.rejects] == [
        (position, "duplicate-id") for position in positions
    ]


@pytest.mark.parametrize("name", ["mine.json", "mine.json.gz", "mine.jsonl", "mine.jsonl.gz"])
@pytest.mark.parametrize("size", [11, 30])
def test_a_compressed_file_that_is_cut_off_is_not_called_empty(
    tmp_path: Path, name: str, size: int
) -> None:
    path = tmp_path / name
    line = json.dumps({"picture": "a/1", "tokens": [f"w{number * 7919}" for number in range(99)]})
    path.write_bytes(gzip.compress(line.encode())[:size])
    said = _said_of(RawFile(name, path))
    assert "cut off" in said or "cut-off" in said
    assert "empty" not in said


def _said_of(file: RawFile) -> str:
    """What the reading of a side file says: the error, or the reasons of its rejects."""
    try:
        return " ".join(reject.reason for reject in load_ocr(file).rejects)
    except UserError as error:
        return str(error)
