"""`check` says of own data what a conversion of it says: remarks, and fields without a value."""

import json
from pathlib import Path

from build_help import Commands
from shape_makers import photos

from instructify.checking.causes import CAUSES
from instructify.readers import REMARKS

ENTRIES = """\
format: 1
datasets:
  talk:
    task: llava_instruct
    data: {file: t.json, kind: conversations, fields: {place: place, tone: meta.tone}}
  quiz:
    task: image_qa
    data: {file: t.csv, columns: {picture: img, question: q, answer: a}, fields: [year, gone]}
"""


def test_every_remark_of_a_reader_is_a_known_cause() -> None:
    assert set(REMARKS) <= set(CAUSES)
    assert {CAUSES[kind].severity for kind in REMARKS} == {"note"}


def test_check_and_convert_note_the_same(command: Commands, tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(ENTRIES, encoding="utf-8")
    turns = [{"from": "human", "value": "Q?"}, {"from": "gpt", "value": "a"}]
    items = [{"conversations": turns, "tools": "[{}]", "meta": {"tone": "dry"}}]
    photos(tmp_path / "raw/quiz")
    (tmp_path / "raw/talk").mkdir()
    (tmp_path / "raw/talk/t.json").write_text(json.dumps(items), encoding="utf-8")
    table = "img,q,a,year,gone\n0.jpg,Q?,1.0,1990,\n"
    (tmp_path / "raw/quiz/t.csv").write_text(table, encoding="utf-8")
    usual = ("--raw", tmp_path / "raw", "--catalog", own)
    checked = command("check", "talk", "quiz", *usual, "--json")
    assert checked.code == 0, checked.stderr
    notes = {
        (group["cause"], example["split"]): example["detail"]
        for group in checked.json()["groups"]
        for example in group["examples"]
    }
    converted = command("convert", "talk", "quiz", *usual, "--out", tmp_path / "build")
    assert converted.code == 0, converted.stderr
    for cause, split, says in (
        ("tools", "talk/train", "1 record is of a conversation with 'tools', which are not read"),
        ("field-without-value", "talk/train", "no record has the field 'place'"),
        ("field-without-value", "quiz/train", "no record has the field 'gone'"),
        ("whole-number", "quiz/train", "1 record has a whole number written as 1.0"),
    ):
        assert says in notes[cause, split]
        assert says in " ".join((converted.stdout + converted.stderr).split())
    assert len(notes) == 4
