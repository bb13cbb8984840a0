"""A raw root of a user's own datasets: open questions, choices, yes or no, captions, dialogues.

Some turns of the dialogues have two pictures, and an earlier turn.
"""

import csv
import json
from pathlib import Path

from build_help import Commands
from PIL import Image

OWN = """
format: 1
datasets:
  shapes:
    task: image_qa
    table:
      files: {train: train.csv, val: val.csv}
      columns: {id: id, picture: file, question: q, answer: a}
  quiz:
    task: knowledge_qa
    role: held-out
    form: multiple_choice
    table:
      files: {train: train.jsonl, test: test.jsonl}
      columns: {id: id, picture: file, question: q, choices: options, choice_index: right}
  claims:
    task: visual_reasoning
    role: held-out
    form: binary
    table:
      file: val.csv
      split: val
      columns: {id: id, picture: file, question: q, answer: a}
  kinds:
    task: image_classification
    table:
      files: {train: train.csv, val: val.csv}
      classes: [square, circle, triangle]
      columns: {id: id, picture: file, answer: a}
  words:
    task: image_captioning
    role: held-out
    form: caption_set
    table:
      file: test.jsonl
      split: test
      columns: {id: id, picture: file, references: captions}
  talk:
    task: llava_instruct
    table:
      file: train.jsonl
      columns: {id: id, picture: file, question: q, answer: a, history: before}
"""
NAMES = ("shapes", "quiz", "claims", "kinds", "words", "talk")
COUNT = 12  # rows of a split
_SHAPES = ("square", "circle", "triangle")


def write_own(folder: Path) -> Path:
    """Write the raw root and its catalog, `mine.yaml`; returns the folder."""
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for at in range(COUNT):
            Image.new("RGB", (24 + at, 24), (20 * at, 90, 200 - 10 * at)).save(
                folder / name / f"{at}.png"
            )
    for split in ("train", "val"):
        _csv(folder / f"shapes/{split}.csv", [_row(at) for at in range(COUNT)])
        _csv(folder / f"kinds/{split}.csv", [_row(at) for at in range(COUNT)])
    for split in ("train", "test"):
        _lines(folder / f"quiz/{split}.jsonl", [_quiz(at) for at in range(COUNT)])
    claims = [{**_row(at), "a": "yes" if at % 2 else "no"} for at in range(COUNT)]
    _csv(folder / "claims/val.csv", claims)
    words = [
        {"id": at, "file": f"{at}.png", "captions": [f"a {_SHAPES[at % 3]} on grey", "a drawing"]}
        for at in range(COUNT)
    ]
    _lines(folder / "words/test.jsonl", words)
    before = [{"question": "Hello?", "answer": "Hello."}]
    talk = [{**_row(at), "before": before if at % 2 else None} for at in range(COUNT)]
    for at in range(0, COUNT, 3):
        talk[at]["file"] = [f"{at}.png", f"{(at + 1) % COUNT}.png"]
    _lines(folder / "talk/train.jsonl", talk)
    (folder / "mine.yaml").write_text(OWN, "utf-8")
    return folder


def convert_own(command: Commands, raw: Path, out: Path) -> Path:
    """Convert all of them."""
    answer = command(
        "convert", *NAMES, "--catalog", raw / "mine.yaml", "--raw", raw, "--out", out, "--draws", 2
    )
    assert answer.code == 0, answer.stderr
    return out


def _row(at: int) -> dict[str, object]:
    return {
        "id": at,
        "file": f"{at}.png",
        "q": f"Which shape is number {at}?",
        "a": _SHAPES[at % 3],
    }


def _quiz(at: int) -> dict[str, object]:
    return {**_row(at), "options": list(_SHAPES), "right": at % 3}


def _csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


def _lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
