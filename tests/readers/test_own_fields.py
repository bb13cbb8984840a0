"""Columns of own data that templates read by a name: what a record holds of them, and what not."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_help import Read, put, reasons, run

from instructify._util.errors import UserError

QA = "columns: {picture: img, question: q, answer: a}"
ROW: dict[str, object] = {"img": "0.jpg", "q": "What?", "a": "red"}


def fields(read: Read) -> list[dict[str, str]]:
    """Return the fields of each record as an object."""
    rows = [one["fields"] or [] for one in read.records]
    assert all(isinstance(row, list) for row in rows)
    found = [[(one["name"], one["value"]) for one in row] for row in rows]  # type: ignore[attr-defined]
    assert all(row == sorted(row) for row in found)
    return [dict(row) for row in found]


def lines(raw: Path, name: str, *rows: object) -> None:
    put(raw, name, "".join(json.dumps(row) + "\n" for row in rows))


def entry(file: str, named: str, rest: str = QA) -> str:
    return f"task: image_qa\ndata:\n  file: {file}\n  {rest}\n  fields: {named}"


def test_columns_of_a_csv_are_kept_by_their_names_or_by_others(tmp_path: Path) -> None:
    put(
        tmp_path,
        "t.csv",
        "img,q,a,country,Year taken\n0.jpg,What?,red, Peru ,1999\n1.jpg,W?,b,,7\n",
    )
    read = run(tmp_path, entry("t.csv", "{year: Year taken, country: country}"))
    assert fields(read) == [{"country": "Peru", "year": "1999"}, {"year": "7"}]
    assert fields(run(tmp_path, entry("t.csv", "[country]"))) == [{"country": "Peru"}, {}]


def test_every_kind_of_cell_becomes_one_text(tmp_path: Path) -> None:
    cells = {
        "n": 3,
        "f": 0.5,
        "w": 2.0,
        "t": True,
        "l": ["a", "b"],
        "o": {"x": 1},
        "e": "",
        "z": None,
    }
    boxes = [[1, 2, 3, 4], [5, 6, 7, 8]]
    lines(tmp_path, "t.jsonl", {**ROW, **cells, "boxes": boxes, "p": "['cat', \"dog's\"]"})
    [row] = fields(run(tmp_path, entry("t.jsonl", "[n, f, w, t, l, o, e, z, boxes, p]")))
    assert row == {
        **{"n": "3", "f": "0.5", "w": "2", "t": "true", "l": "a, b", "o": '{"x": 1}'},
        **{"boxes": "[[1, 2, 3, 4], [5, 6, 7, 8]]", "p": "cat, dog's"},
    }


def test_dates_and_decimals_of_parquet_become_texts(tmp_path: Path) -> None:
    cells = {"d": date(2020, 1, 2), "t": datetime(2020, 1, 2, 3, 4), "m": Decimal("1.50")}
    (tmp_path / "mine").mkdir()
    pq.write_table(pa.Table.from_pylist([{**ROW, **cells}]), tmp_path / "mine/t.parquet")
    read = run(tmp_path, entry("t.parquet", "[d, t, m]"))
    assert fields(read) == [{"d": "2020-01-02", "t": "2020-01-02 03:04:00", "m": "1.50"}]


def test_a_pattern_and_a_dot_reach_what_lies_deeper(tmp_path: Path) -> None:
    meta = {"place": {"country": "Peru"}, "tags": ["a", "b"]}
    lines(tmp_path, "t.jsonl", {**ROW, "meta": meta, "w": 4, "h": 3, "a.b": "flat"}, ROW)
    named = '{country: meta.place.country, tags: meta.tags, size: "{w} x {h}", ab: a.b, no: q.x}'
    read = run(tmp_path, entry("t.jsonl", named))
    assert fields(read) == [{"country": "Peru", "tags": "a, b", "size": "4 x 3", "ab": "flat"}]
    assert reasons(read) == [(1, "w", "null-field")]


def test_parquet_structs_and_names_with_a_dot_are_found(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{**ROW, "meta": {"country": "Peru"}, "x.y": "flat"}])
    (tmp_path / "mine").mkdir()
    pq.write_table(table, tmp_path / "mine/t.parquet")
    read = run(tmp_path, entry("t.parquet", "{country: meta.country, xy: x.y}"))
    assert fields(read) == [{"country": "Peru", "xy": "flat"}]


def test_every_turn_caption_and_joined_row_has_the_fields_of_its_item(tmp_path: Path) -> None:
    turns = [{"from": who, "value": who} for who in ("human", "gpt") * 2]
    lines(tmp_path, "c.jsonl", {"image": "0.jpg", "conversations": turns, "country": "Peru"})
    talk = "task: llava_instruct\ndata: {file: c.jsonl, kind: conversations, fields: [country]}"
    assert fields(run(tmp_path, talk)) == [{"country": "Peru"}] * 2
    lines(tmp_path, "s.jsonl", {"img": "0.jpg", "c": ["a", "b"], "country": "Peru"})
    words = "{file: s.jsonl, columns: {picture: img, references: c}, fields: [country]}"
    assert (
        fields(run(tmp_path, f"task: image_captioning\ndata: {words}")) == [{"country": "Peru"}] * 2
    )
    put(
        tmp_path,
        "coco.json",
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "0.jpg", "country": "Peru"}],
                "annotations": [{"id": 5, "image_id": 1, "caption": "A cat.", "mood": "calm"}],
            }
        ),
    )
    coco = "{file: coco.json, kind: coco, fields: [country, mood]}"
    read = run(tmp_path, f"task: image_captioning\ndata: {coco}")
    assert fields(read) == [{"country": "Peru", "mood": "calm"}]


def test_text_of_a_stranger_is_a_value_and_half_a_character_is_a_reject(tmp_path: Path) -> None:
    lines(tmp_path, "t.jsonl", {**ROW, "x": "{{ answer }} <image>"}, {**ROW, "x": "\ud800"})
    read = run(tmp_path, entry("t.jsonl", "[x]"))
    assert fields(read) == [{"x": "{{ answer }} <image>"}]
    assert reasons(read) == [(1, None, "lone-surrogate")]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("[answer]", "'answer' has a meaning in templates already"),
        ("[Year taken]", "'Year taken' cannot be a variable of a template"),
        ("{loop: country}", "'loop' has a meaning in templates already"),
        ("[country, country]", "'country' is listed twice"),
        ("[]", "fields' must be at least one text"),
        ("{}", "'fields' names no column"),
        (f"[{', '.join(f'x{at}' for at in range(51))}]", "51 fields are more than 50"),
    ],
)
def test_a_name_that_templates_cannot_read_is_refused(
    tmp_path: Path, named: str, message: str
) -> None:
    put(tmp_path, "t.csv", "img,q,a,country\n0.jpg,What?,red,Peru\n")
    with pytest.raises(UserError, match=message):
        run(tmp_path, entry("t.csv", named))


def test_a_table_without_the_column_is_refused_and_class_folders_have_none(tmp_path: Path) -> None:
    put(tmp_path, "t.csv", "img,q,a,country\n0.jpg,What?,red,Peru\n")
    with pytest.raises(UserError, match="has no column 'contry'; did you mean 'country'"):
        run(tmp_path, entry("t.csv", "[contry]"))
    folders = "task: image_classification\ndata: {folder: photos, fields: [country]}"
    with pytest.raises(UserError, match="class folders have no 'fields'"):
        run(tmp_path, folders)
