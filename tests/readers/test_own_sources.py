"""Where own data lies: archives of pictures, several columns of pictures, tars, folders, splits."""

import json
import zipfile
from pathlib import Path

import pytest
from shape_makers import photos, picture
from table_help import Read, put, reasons, run, shard

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.class_folders import class_names, split_word
from instructify.readers.picture_archive import PictureArchives, RowPicture
from instructify.readers.tar_rows import tar_rows

TWO = (
    "task: image_qa\n"
    "data: {file: t.jsonl, %scolumns: {picture: [left, right], question: q, answer: a}}"
)
ROW = {"q": "Q?", "a": "a"}


def lines(raw: Path, entry: str, *rows: object) -> Read:
    put(raw, "t.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    return run(raw, entry)


def test_pictures_of_several_columns_are_read_in_the_order_of_the_entry(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"right": "2.jpg", "left": "1.jpg"},
        {"left": "", "right": "3.jpg"},
        {"left": "a.jpg|b.jpg", "right": ["c.jpg"]},
        {"left": None, "right": []},
    ]
    result = lines(tmp_path, TWO % "", *({**row, **ROW} for row in rows))
    assert [row["pictures"] for row in result.records] == [
        ["mine/1.jpg", "mine/2.jpg"],
        ["mine/3.jpg"],
        ["mine/a.jpg", "mine/b.jpg", "mine/c.jpg"],
    ]
    assert reasons(result) == [(3, "picture", "empty-text")]


def archive(folder: Path, name: str, **members: int) -> RawFile:
    with zipfile.ZipFile(folder / name, "w") as packed:
        for member, number in members.items():
            packed.writestr(member.replace("__", "/") + ".jpg", picture(number))
    return RawFile(name, folder / name)


def test_a_picture_is_found_in_the_one_archive_that_has_it(tmp_path: Path) -> None:
    files = [archive(tmp_path, "a.zip", a__0=0, a__1=1), archive(tmp_path, "b.zip", b__0=2, b__3=3)]
    archives = PictureArchives(files)
    for name, number in (("1.jpg", 1), ("3.jpg", 3), ("a/0.jpg", 0), ("b/0.jpg", 2)):
        assert archives.find(name) == RowPicture("", picture(number))
    both, none = archives.find("0.jpg"), archives.find("7.jpg")
    assert getattr(both, "detail", "").startswith("0.jpg is in a.zip and b.zip; write the folder")
    assert getattr(none, "detail", "") == "no 7.jpg in a.zip, b.zip"
    archives.close()


@pytest.mark.parametrize("text", ["[a.zip, photos]", "'photo-*'", "[photos, more]"])
def test_a_list_or_glob_of_pictures_names_archives_alone(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="is no archive; 'pictures' is one folder, or archives"):
        lines(tmp_path, TWO % f"pictures: {text}, ", ROW)


@pytest.mark.parametrize("name", ["a.tar.gz", "A.TGZ", "p.7z"])
def test_a_packed_archive_of_pictures_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is a packed archive; unpack it into a folder"):
        lines(tmp_path, TWO % f"pictures: {name}, ", ROW)


@pytest.mark.parametrize(
    ("name", "key"), [("sub\\1.jpg", "mine/sub/1.jpg"), (".\\a\\b\\1.jpg", "mine/a/b/1.jpg")]
)
def test_folders_as_windows_writes_them_are_read(tmp_path: Path, name: str, key: str) -> None:
    (row,) = lines(tmp_path, TWO % "", {"left": name, "right": None, **ROW}).records
    assert row["pictures"] == [key]


@pytest.mark.parametrize("name", ["..\\1.jpg", "a\\..\\..\\1.jpg", "C:\\1.jpg", "\\\\host\\1.jpg"])
def test_a_path_of_windows_stays_below_the_folder(tmp_path: Path, name: str) -> None:
    result = lines(tmp_path, TWO % "", {"left": name, "right": None, **ROW})
    assert reasons(result) == [(0, "picture", "path-outside-root")]


@pytest.mark.parametrize("values", ["{train: true, val: false}", "{train: 'true', val: 'False'}"])
@pytest.mark.parametrize("cell", [True, "True", "true", "TRUE"])
def test_a_truth_value_names_a_split(tmp_path: Path, values: str, cell: object) -> None:
    entry = TWO % f"split: {{column: right, values: {values}}}, "
    entry = entry.replace("[left, right]", "left")
    rows = [{"left": "1.jpg", "right": cell, **ROW}, {"left": "2.jpg", "right": False, **ROW}]
    result = lines(tmp_path, entry, *rows)
    assert [row["pictures"] for row in result.records] == [["mine/1.jpg"]]
    assert result.rejects == []


def test_suffixes_of_a_tar_are_small_letters_and_members_come_before_keys_of_json(
    tmp_path: Path,
) -> None:
    told = json.dumps({"txt": "of the json", "jpg": "name", "more": 1}).encode()
    members = [("JPG", b"x"), ("Json", told), ("txt", b"of the tar")]
    for order in (members, members[::-1], [members[1], members[0], members[2]]):
        (rows,) = tar_rows(shard(tmp_path, *((f"a.{end}", data) for end, data in order)), ())
        cells = rows.rows[0][1]
        assert (cells["jpg"], cells["txt"], cells["more"]) == (b"x", "of the tar", 1)
        assert rows.rejects == []


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("test_set", "test"),
        ("val2017", "val"),
        ("train images", "train"),
        ("train station", None),
        ("cat", None),
        ("set", None),
    ],
)
def test_a_folder_of_a_split_is_known_by_its_words(name: str, split: str | None) -> None:
    assert split_word(name) == split


@pytest.mark.parametrize(
    ("folders", "says"),
    [
        (["x/train/cat", "x/val/cat"], r"write folders: \{train: x/train, val: x/val\}"),
        (["training_set/cat", "test_set/cat", "odd"], "train: training_set"),
        (["Pets/cat", "Pets/dog"], "write folder: Pets, whose folders are the classes"),
        (["a/b/cat", "a/b/dog"], "write folder: a/b, whose folders are the classes"),
        (["train/cat"], r"write folders: \{train: train\}"),
    ],
)
def test_a_folder_around_the_classes_is_not_taken_for_a_class(
    tmp_path: Path, folders: list[str], says: str
) -> None:
    for folder in folders:
        photos(tmp_path / "mine" / folder)
    with pytest.raises(UserError, match=says):
        class_names(RawFile("mine", tmp_path / "mine"))


@pytest.mark.parametrize("folders", [["train", "bus"], ["cat/old", "dog"], ["one"], ["a/x", "b/y"]])
def test_folders_of_classes_stay_classes(tmp_path: Path, folders: list[str]) -> None:
    for folder in folders:
        photos(tmp_path / "mine" / folder)
    expected = tuple(sorted(folder.partition("/")[0] for folder in folders))
    assert class_names(RawFile("mine", tmp_path / "mine")) == expected


@pytest.mark.parametrize(
    ("header", "says"),
    [("left;right;q;a", "has semicolons between the names"), ("left\tq\ta", "name it .tsv")],
)
def test_a_header_with_other_separators_is_said(tmp_path: Path, header: str, says: str) -> None:
    put(tmp_path, "t.csv", f"{header}\n{header}\n")
    with pytest.raises(UserError, match=says):
        run(tmp_path, (TWO % "").replace("t.jsonl", "t.csv"))


COCO = "task: image_captioning\ndata: {file: c.json, kind: coco}"


def test_a_second_picture_of_one_id_is_a_reject(tmp_path: Path) -> None:
    names = [(1, "a.jpg"), ("1", "b.jpg"), (2, "c.jpg"), (None, "d.jpg")]
    images = [{"id": key, "file_name": name} for key, name in names]
    notes = [{"id": at, "image_id": at, "caption": f"c{at}"} for at in (1, 2)]
    put(tmp_path, "c.json", json.dumps({"images": images, "annotations": notes}))
    result = run(tmp_path, COCO)
    assert [row["pictures"] for row in result.records] == [["mine/a.jpg"], ["mine/c.jpg"]]
    assert reasons(result) == [(1, "id", "duplicate-id"), (3, "id", "missing-field")]


def test_a_second_annotation_of_one_question_is_a_reject(tmp_path: Path) -> None:
    questions = [{"question_id": 1, "image": "a.jpg", "question": "Q?"}]
    notes = [
        {"question_id": key, "answers": [{"answer": text}]} for key, text in ((1, "x"), ("1", "y"))
    ]
    put(tmp_path, "q.json", json.dumps({"questions": questions, "annotations": notes}))
    result = run(tmp_path, "task: image_qa\ndata: {file: q.json, kind: vqa}")
    assert [row["answer"] for row in result.records] == ["x"]
    assert reasons(result) == [(1, "question_id", "duplicate-id")]


@pytest.mark.parametrize("content", [{"1": {"q": "Q?"}}, {"q": {"0": "Q?"}}, {"q": "Q?"}])
def test_an_object_without_a_list_is_told_how_to_write_it(tmp_path: Path, content: object) -> None:
    put(tmp_path, "t.json", json.dumps(content))
    with pytest.raises(UserError, match="write its rows as a list"):
        run(tmp_path, (TWO % "").replace("t.jsonl", "t.json"))
