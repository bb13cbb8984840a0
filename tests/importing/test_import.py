"""`import` writes an entry exactly where a conversion by it works, and else says what it lacks."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from shape_makers import MAKERS, Maker, dump, dump_csv, photos

from instructify._util.errors import UserError
from instructify.catalog import load_catalog
from instructify.commands.import_data import run_import

FAST = ("llava_two_pictures", "choices_in_columns", "coco_captions", "image_folder_classes")
AMBIGUOUS = ("csv_from_pandas",)  # two tables that nothing tells apart


def imported(folder: Path, out: Path, name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Import a shape and return the lines of its entry."""
    MAKERS[name](folder / name)
    run_import([folder / name], name=None, task=None, out=out)
    printed = capsys.readouterr().out
    assert f"next: instructify convert {name} --catalog {out} --raw {folder} --out BUILD" in printed
    assert printed.count("asked:") <= 3
    assert "asked:" in printed
    assert name in load_catalog(extra=out).datasets
    return out.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", FAST)
def test_a_shape_is_understood(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = imported(tmp_path, tmp_path / "mine.yaml", name, capsys)
    assert len(lines) - 2 <= 10


@pytest.mark.heavy
@pytest.mark.parametrize("name", sorted(set(MAKERS) - set(AMBIGUOUS)))
def test_every_shape_is_understood(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = imported(tmp_path, tmp_path / "mine.yaml", name, capsys)
    assert len(lines) - 2 <= 10


def test_a_second_import_adds_to_the_file_and_a_taken_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.yaml"
    for name in ("csv_questions", "llava_json"):
        MAKERS[name](tmp_path / name)
    run_import([tmp_path / "csv_questions"], name=None, task=None, out=out)
    run_import([tmp_path / "llava_json" / "chat.json"], name="talks", task=None, out=out)
    assert list(load_catalog(extra=out).datasets)[-2:] == ["csv_questions", "talks"]
    before = out.read_bytes()
    with pytest.raises(UserError, match="has a dataset 'talks' already"):
        run_import([tmp_path / "llava_json"], name="talks", task=None, out=out)
    assert out.read_bytes() == before


def test_a_pipe_in_place_of_the_catalog_is_refused(tmp_path: Path) -> None:
    MAKERS["csv_questions"](tmp_path / "csv_questions")
    os.mkfifo(tmp_path / "mine.yaml")
    with pytest.raises(UserError, match=r"mine\.yaml is no file; give a catalog file"):
        run_import([tmp_path / "csv_questions"], name=None, task=None, out=tmp_path / "mine.yaml")


def _odd_columns(folder: Path) -> list[tuple[str | None, ...]]:
    photos(folder)
    dump_csv(folder / "train.csv", [{"img": "0.jpg", "what": "Is it?", "who": "me"}])
    return []


def _no_picture_files(folder: Path) -> list[tuple[str | None, ...]]:
    folder.mkdir()
    dump_csv(folder / "train.csv", [{"image": "9.jpg", "question": "Is it?", "answer": "me"}])
    return []


def _bad_index(folder: Path) -> list[tuple[str | None, ...]]:
    photos(folder)
    row = {"image": "0.jpg", "question": "Who?", "choices": ["a", "b"], "answer_index": 7}
    dump(folder / "train.json", [row])
    return []


def _marks_without_pictures(folder: Path) -> list[tuple[str | None, ...]]:
    folder.mkdir()
    turns = [{"from": "human", "value": "<image> Who?"}, {"from": "gpt", "value": "Me."}]
    (folder / "chat.json").write_text(json.dumps([{"conversations": turns}]))
    return []


@pytest.mark.parametrize(
    ("maker", "says"),
    [
        (_odd_columns, "has the columns img, what, who"),
        (_no_picture_files, "names pictures such as '9.jpg'"),
        (_bad_index, "'7' points past the 2 choices"),
        (_marks_without_pictures, "1 mark <image> in 'conversations' and 0 pictures"),
    ],
)
def test_what_cannot_be_converted_is_said_and_nothing_is_written(
    tmp_path: Path, maker: Maker, says: str
) -> None:
    maker(tmp_path / "mine")
    with pytest.raises(UserError) as error:
        run_import([tmp_path / "mine"], name=None, task=None, out=tmp_path / "mine.yaml")
    assert says in str(error.value)
    assert not (tmp_path / "mine.yaml").exists()


def test_the_id_of_an_item_is_mapped_where_it_tells_items_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"from": who, "value": who} for who in ("human", "gpt")]
    out = tmp_path / "mine.yaml"
    for name, ids in (("named", ("x7", "x8")), ("same", ("x7", "x7")), ("some", ("x7", None))):
        dump(tmp_path / name / "chat.json", [{"id": one, "conversations": turns} for one in ids])
        run_import([tmp_path / name], name=None, task=None, out=out)
        printed = capsys.readouterr().out
        assert ("named/train/x7-0#0" in printed) == (name == "named")
        assert ("columns: {id: id}" in printed) == (name == "named")


def test_a_failure_advises_what_import_has(tmp_path: Path) -> None:
    good = [{"from": who, "value": who} for who in ("human", "gpt") * 3]
    bad = [{"from": "human", "value": "<image> Who?"}, {"from": "gpt", "value": "Me."}]
    items = [{"conversations": turns} for turns in (good, bad)]
    dump(tmp_path / "talk/chat.json", items)
    with pytest.raises(UserError) as error:
        run_import([tmp_path / "talk"], name=None, task=None, out=tmp_path / "mine.yaml")
    said = str(error.value)
    assert "talk: 1 reject against 3 records (25.0 %, allowed are 1 %): bad-value 1; " in said
    assert "item 1, image" in said
    assert "max_rejects_percent: 26" in said
    scratch = str(Path(tempfile.gettempdir(), "in"))
    assert not any(word in said for word in ("--max-rejects", "--allow-empty", "see /", scratch))
    entry = said[said.index("format: 1") : said.index("\nCorrect the data")]
    (tmp_path / "mine.yaml").write_text(entry + "\n    max_rejects_percent: 26\n", "utf-8")
    assert "talk" in load_catalog(extra=tmp_path / "mine.yaml").datasets


def test_an_export_with_fields_is_imported_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"from": who, "value": who} for who in ("human", "gpt")]
    fields = {"country": "Peru", "answer": "no", "Odd name": "no"}
    dump(tmp_path / "talk/chat.json", [{"conversations": turns, "fields": fields}])
    run_import([tmp_path / "talk"], name=None, task=None, out=tmp_path / "mine.yaml")
    assert "fields: {country: fields.country}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "entry"),
    [
        (("train2017", "val2017"), "values: {train: [train2017], val: [val2017]}"),
        (("Train", "valid"), "values: {train: [Train], val: [valid]}"),
        (("TRAINING", "Test-std"), "values: {train: [TRAINING], test: [Test-std]}"),
        (("a", "b"), None),
    ],
)
def test_a_column_of_splits_is_seen_by_the_words_in_it(
    tmp_path: Path, cells: tuple[str, str], entry: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "mine")
    rows = [{"image": "0.jpg", "question": "Q?", "answer": "a", "split": cell} for cell in cells]
    dump_csv(tmp_path / "mine/all.csv", [{**row} for row in rows])
    run_import([tmp_path / "mine"], name=None, task=None, out=tmp_path / "mine.yaml")
    printed = capsys.readouterr().out
    assert ("split: {column: split" in printed) == (entry is not None)
    assert entry is None or entry in printed


def test_an_empty_cell_of_the_split_is_said(tmp_path: Path) -> None:
    photos(tmp_path / "mine")
    rows = [
        {"image": "0.jpg", "question": "Q?", "answer": "a", "split": split}
        for split in ("train", "val", "")
    ]
    dump_csv(tmp_path / "mine/all.csv", [{**row} for row in rows])
    with pytest.raises(UserError, match="the cell that names the split is empty"):
        run_import([tmp_path / "mine"], name=None, task=None, out=tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("cell", "entry"),
    [
        ("0.jpg|1.jpg", "columns: {picture: image"),
        ("['0.jpg', '1.jpg']", "columns: {picture: image"),
        ("0.jpg;1.jpg", 'separator: ";"'),
        ("0.jpg, 1.jpg", 'separator: ","'),
    ],
)
def test_several_pictures_in_a_cell_are_seen(
    tmp_path: Path, cell: str, entry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "mine")
    row: dict[str, object] = {"image": cell, "question": "Q?", "answer": "a"}
    dump_csv(tmp_path / "mine/t.csv", [row, {**row, "image": "2.jpg"}])
    run_import([tmp_path / "mine"], name=None, task=None, out=tmp_path / "mine.yaml")
    printed = capsys.readouterr().out
    assert entry in printed
    assert "train: 2 records, 3 pictures" in printed


def test_metadata_in_the_folder_itself_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "mine/cat")
    dump_csv(tmp_path / "mine/metadata.csv", [{"file_name": "cat/0.jpg", "text": "a cat"}])
    run_import([tmp_path / "mine"], name=None, task=None, out=tmp_path / "mine.yaml")
    assert "train: 1 record, 1 picture" in capsys.readouterr().out
