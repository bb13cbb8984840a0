"""What `import` guesses where a first look misleads: right choices, splits, folders, archives."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shape_makers import dump_csv, dump_lines, photos, picture
from table_help import shard

from instructify._util.errors import UserError
from instructify.catalog import load_catalog
from instructify.importing import entry_lines, find_place, guess


def guessed(folder: Path) -> str:
    """Return the entry for a folder as one text."""
    catalog = load_catalog()
    place = find_place([folder])
    return "\n".join(entry_lines("mine", place, guess(place, None, catalog)))


def quiz(folder: Path, choices: Mapping[str, object], right: Sequence[object]) -> None:
    photos(folder)
    dump_lines(
        folder / "t.jsonl",
        [{"image": "0.jpg", "question": "Q?", **choices, "answer": cell} for cell in right],
    )


@pytest.mark.parametrize(
    ("choices", "right", "column"),
    [
        ({"A": "2", "B": "3", "C": "0"}, ["3", "2"], "answer: answer"),
        ({"options": ["b", "a", "c"]}, ["a", "b"], "answer: answer"),
        ({"options": [1, 2, 3]}, [1, 3], "answer: answer"),
        ({"options": ["red", "blue"]}, ["blue", "red"], "answer: answer"),
        ({"A": "2", "B": "3", "C": "0"}, ["B", "A"], "choice_index: answer"),
        ({"options": ["red", "blue"]}, [1, 0], "choice_index: answer"),
        ({"options": ["red", "blue"]}, ["B", "A"], "choice_index: answer"),
        ({"options": ["2", "3"]}, ["1", "0"], "choice_index: answer"),
    ],
)
def test_the_right_choice_is_a_text_or_a_place(
    tmp_path: Path, choices: Mapping[str, object], right: Sequence[object], column: str
) -> None:
    quiz(tmp_path / "mine", choices, right)
    assert column in guessed(tmp_path / "mine")


def test_a_long_table_sorted_by_split_has_all_its_splits(tmp_path: Path) -> None:
    photos(tmp_path / "mine")
    splits = ["train"] * 600 + ["test"] * 3
    row = {"image": "0.jpg", "question": "Q?", "answer": "a"}
    dump_csv(tmp_path / "mine/t.csv", [{**row, "split": split} for split in splits])
    assert "split: {column: split}" in guessed(tmp_path / "mine")


@pytest.mark.parametrize(
    ("folders", "line"),
    [
        (["data/train/cat", "data/val/cat"], "folders: {train: data/train, val: data/val}"),
        (["Pets/cat", "Pets/dog"], "folder: Pets"),
        (["training_set/cat", "test_set/cat", "single"], "test: test_set"),
        (["train/cat", "train/dog"], "folder: train"),
        (["train", "bus"], "folder: ."),
    ],
)
def test_class_folders_are_looked_for_below_other_folders(
    tmp_path: Path, folders: Sequence[str], line: str
) -> None:
    for folder in folders:
        photos(tmp_path / "mine" / folder)
    assert line in guessed(tmp_path / "mine")


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("images-1.zip", "images-2.zip", "images-3.zip"), 'pictures: "images-*.zip"'),
        (("cats.zip", "dogs.zip", "rest.zip"), "pictures: [cats.zip, dogs.zip, rest.zip]"),
    ],
)
def test_pictures_in_several_archives_are_found(
    tmp_path: Path, names: Sequence[str], line: str
) -> None:
    folder = tmp_path / "mine"
    rows = [{"id": at, "img": f"{at}.jpg", "question": "Q?", "answer": "a"} for at in range(6)]
    dump_csv(folder / "t.csv", [{**row} for row in rows])
    for at, name in enumerate(names):
        with zipfile.ZipFile(folder / name, "w") as packed:
            for number in (at, at + 3):
                packed.writestr(f"{number}.jpg", picture(number))
    assert line in guessed(folder)


def parquet(path: Path, row: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{"question": "Q?", "answer": "a", **row}]), path)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (("image_1", "image_2", "image_3"), "picture: [image_1, image_2, image_3]"),
        (("left_image", "right_image"), "picture: [left_image, right_image]"),
        (("image", "mask"), "picture: image,"),
    ],
)
def test_columns_of_further_pictures_are_taken_along(
    tmp_path: Path, columns: Sequence[str], line: str
) -> None:
    cells = {name: {"bytes": picture(at), "path": None} for at, name in enumerate(columns)}
    parquet(tmp_path / "mine/train.parquet", cells)
    assert line in guessed(tmp_path / "mine")


def test_configurations_of_the_hub_are_not_mixed(tmp_path: Path) -> None:
    image = {"image": {"bytes": picture(0), "path": None}}
    for config in ("small", "full"):
        parquet(tmp_path / f"mine/{config}/train-00000-of-00001.parquet", image)
    with pytest.raises(UserError, match=r"for train in several folders \(full, small\)"):
        guessed(tmp_path / "mine")


def test_shards_of_the_hub_with_hashes_are_one_glob(tmp_path: Path) -> None:
    image = {"image": {"bytes": picture(0), "path": None}}
    for at, digest in enumerate(("6b81bd7f7e2065e6", "725687bf7a18d64b")):
        parquet(tmp_path / f"mine/data/train-0000{at}-of-00002-{digest}.parquet", image)
    assert 'file: "data/train-*-*.parquet"' in guessed(tmp_path / "mine")


@pytest.mark.parametrize(
    ("members", "lines"),
    [
        ({"a.jpg": 0, "a.json": {"q": 1}, "b.png": 1}, ["picture: __pictures__"]),
        ({"a.JPG": 0, "a.json": {"q": 1}}, ["picture: jpg"]),
        ({"a.jpg": 0, "a.json": {"conversations": ["TURNS"]}}, ["kind: conversations"]),
        ({"a.jpg": 0, "a.json": ["TURNS"]}, ["kind: conversations"]),
    ],
)
def test_tars_of_webdataset(
    tmp_path: Path, members: Mapping[str, object], lines: Sequence[str]
) -> None:
    turns = [{"from": "human", "value": "<image>Q?"}, {"from": "gpt", "value": "a"}]
    (tmp_path / "mine").mkdir()
    written: list[tuple[str, bytes]] = []
    for name, content in members.items():
        text = json.dumps(content).replace('["TURNS"]', json.dumps(turns))
        text = text.replace('"q": 1', '"question": "Q?", "answer": "a"')
        written.append((name, picture(content) if isinstance(content, int) else text.encode()))
    shard(tmp_path / "mine", *written)
    entry = guessed(tmp_path / "mine")
    assert all(line in entry for line in lines)


@pytest.mark.parametrize("kind", ["coco", "table"])
@pytest.mark.parametrize(
    ("names", "column"),
    [
        (("train2017", "val2017"), '"{split}2017/{file_name}"'),
        (("images/train", "images/val"), '"images/{split}/{file_name}"'),
        (("photos", "photos"), None),
    ],
)
def test_pictures_in_a_folder_a_split_are_not_taken_from_one(
    tmp_path: Path, kind: str, names: Sequence[str], column: str | None
) -> None:
    folder = tmp_path / "mine"
    for split, name in zip(("train", "val"), names, strict=True):
        photos(folder / name)
        images = [{"id": 1, "file_name": "0.jpg"}]
        notes = [{"id": 1, "image_id": 1, "caption": "a"}]
        if kind == "coco":
            text = json.dumps({"images": images, "annotations": notes})
            (folder / f"{split}.json").write_text(text, encoding="utf-8")
        else:
            dump_csv(folder / f"{split}.csv", [{"file_name": "0.jpg", "caption": "a"}])
    entry = guessed(folder)
    assert ("pictures: photos" in entry) == (column is None)
    assert column is None or f"picture: {column}" in entry


def test_what_is_clear_stands_in_the_advice_for_the_rest(tmp_path: Path) -> None:
    photos(tmp_path / "mine")
    row: dict[str, object] = {"key": 7, "photo": "0.jpg", "query": "Q?", "x": "a", "y": "b"}
    dump_csv(tmp_path / "mine/t.csv", [row])
    with pytest.raises(UserError, match=r"columns: \{picture: photo, question: query, answer: COL"):
        guessed(tmp_path / "mine")
