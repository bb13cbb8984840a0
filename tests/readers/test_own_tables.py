"""Tables of own data in their many writings: choices, splits, captions, pictures in the cells."""

import base64
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shape_makers import picture
from table_help import Read, put, reasons, run, shard

from instructify._util.errors import UserError
from instructify.catalog import load_catalog
from instructify.readers.tar_rows import tar_rows

COLOURS = ["red", "green", "blue"]


def quiz(raw: Path, rows: list[dict[str, object]], data: str = "", **columns: str) -> Read:
    """Read rows of multiple choice."""
    put(raw, "quiz.json", json.dumps([{"img": "1.jpg", "q": "Which?", **row} for row in rows]))
    mapped = {"picture": "img", "question": "q", **columns}
    told = ", ".join(f"{field}: {column}" for field, column in mapped.items())
    entry = f"{{file: quiz.json, {data} columns: {{{told}}}}}"
    return run(raw, f"task: knowledge_qa\nform: multiple_choice\ndata: {entry}")


@pytest.mark.parametrize(
    "choices",
    [
        COLOURS,
        json.dumps(COLOURS),
        "red|green|blue",
        "['red', 'green', 'blue']",
        {"A": "red", "B": "green", "C": "blue"},
        json.dumps({"A": "red", "B": "green", "C": "blue"}),
        [
            {"label": "A", "text": "red"},
            {"label": "B", "text": "green"},
            {"key": "C", "value": "blue"},
        ],
        [{"A": "red"}, {"B": "green"}, {"C": "blue"}],
        {"text": COLOURS, "label": ["A", "B", "C"]},
    ],
    ids=repr,
)
@pytest.mark.parametrize("right", [1, "1", 1.0, "1.0", "B", "b", "(B)", "B.", "green"])
def test_choices_and_the_right_one_in_any_writing(
    tmp_path: Path, choices: object, right: object
) -> None:
    read = quiz(tmp_path, [{"o": choices, "r": right}], choices="o", choice_index="r")
    assert read.rejects == []
    (record,) = read.records
    assert (record["choices"], record["choice_index"]) == (COLOURS, 1)
    assert record["answer"] == "green"


def test_numbers_that_begin_with_one_need_the_base_and_are_advised(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"o": COLOURS, "r": at} for at in (1, 2, 3)]
    read = quiz(tmp_path, rows, choices="o", choice_index="r")
    assert reasons(read) == [(2, "r", "bad-value")]
    assert "choice_base: 1" in read.rejects[0].detail
    read = quiz(tmp_path, rows, "choice_base: 1,", choices="o", choice_index="r")
    assert [one["answer"] for one in read.records] == COLOURS
    read = quiz(
        tmp_path, [{"o": COLOURS, "r": 0}], "choice_base: 1,", choices="o", choice_index="r"
    )
    assert "before the first choice" in read.rejects[0].detail


def test_labels_of_its_own_come_before_letters_and_numbers(tmp_path: Path) -> None:
    pairs = [{"label": "C", "text": "red"}, {"label": "A", "text": "green"}]
    read = quiz(tmp_path, [{"o": pairs, "r": "A"}], choices="o", choice_index="r")
    assert read.records[0]["answer"] == "green"
    pairs = [{"label": "2", "text": "red"}, {"label": "1", "text": "green"}]
    read = quiz(tmp_path, [{"o": pairs, "r": 2}], choices="o", choice_index="r")
    assert read.records[0]["answer"] == "red"


def test_an_answer_that_is_a_choice_is_it_even_as_a_number(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"o": ["2", "1", "7"], "a": "1"},
        {"o": ["2", "1", "7"], "a": 7},
        {"o": COLOURS, "a": 2},
        {"o": COLOURS, "a": "C"},
    ]
    read = quiz(tmp_path, rows, choices="o", answer="a")
    assert [one["answer"] for one in read.records] == ["1", "7", "blue", "blue"]


def test_choices_in_columns_leave_out_an_empty_one(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"A": "red", "B": "green", "C": "", "r": "B"}]
    read = quiz(tmp_path, rows, choices="[A, B, C]", choice_index="r")
    assert (read.records[0]["choices"], read.records[0]["choice_index"]) == (["red", "green"], 1)
    read = quiz(tmp_path, [{"A": "red", "B": "green", "r": "Z"}], choices="[A, B]", answer="r")
    assert reasons(read) == [(0, "r", "bad-value")]


def test_a_list_of_answers_may_hold_objects_and_whole_numbers(tmp_path: Path) -> None:
    answers: list[object] = [{"answer": "two", "answer_id": 1}, {"answer": "two"}, 2.0]
    put(tmp_path, "q.json", json.dumps([{"i": "1.jpg", "q": "How many?", "a": answers}]))
    columns = "{picture: i, question: q, references: a}"
    read = run(tmp_path, f"task: image_qa\ndata: {{file: q.json, columns: {columns}}}")
    assert read.records[0]["references"] == ["two", "two", "2"]


def test_captions_of_a_row_are_records_to_train_on_and_a_set_to_evaluate_on(tmp_path: Path) -> None:
    put(tmp_path, "c.csv", "i,c\n1.jpg,A dog|A  dog|A cat\n2.jpg,\n")
    entry = "task: image_captioning\ndata: {file: c.csv, columns: {picture: i, references: c}}"
    read = run(tmp_path, entry)
    assert [(one["record_id"], one["answer"]) for one in read.records] == [
        ("mine/train/0-0", "A dog"),
        ("mine/train/0-1", "A cat"),
    ]
    assert reasons(read) == [(1, "c", "null-field")]
    read = run(tmp_path, entry.replace("c.csv,", "c.csv, split: test,"))
    assert [one["form"] for one in read.records] == ["caption_set"]
    assert read.records[0]["references"] == ["A dog", "A dog", "A cat"]


# Splits


SPLITS = (
    "task: image_qa\ndata: {file: q.csv, split: %s, columns: {picture: i, question: q, answer: a}}"
)


def splits_of(raw: Path, told: str, lines: list[str]) -> dict[str, Read]:
    """Read every split of one table."""
    put(raw, "q.csv", "i,q,a,part\n" + "\n".join(lines) + "\n")
    path = raw / "mine.yaml"
    entry = SPLITS % told
    path.write_text(
        f"format: 1\ndatasets:\n  mine:\n    {entry.replace(chr(10), chr(10) + '    ')}\n"
    )
    names = load_catalog(extra=path).dataset("mine").split_names
    return {name: run(raw, f"{entry}\ndefault_splits: [{name}]") for name in names}


def test_a_column_tells_the_splits_apart_in_the_usual_spellings(tmp_path: Path) -> None:
    parts = ("train", "Validation", "TEST", "dev", "extra", "")
    lines = [f"{at}.jpg,Who?,me,{part}" for at, part in enumerate(parts)]
    reads = splits_of(tmp_path, "{column: part}", lines)
    positions = {name: [one["position"] for one in read.records] for name, read in reads.items()}
    assert positions == {"train": [0], "val": [1, 3], "test": [2]}
    assert reasons(reads["train"]) == [(4, "part", "bad-value"), (5, "part", "bad-value")]
    assert reads["val"].rejects == reads["test"].rejects == []


def test_values_of_a_column_are_named(tmp_path: Path) -> None:
    lines = [f"{at}.jpg,Who?,me,{at}" for at in range(4)]
    reads = splits_of(tmp_path, "{column: part, values: {train: [0, 1, 2], val: 3}}", lines)
    assert [len(read.records) for read in reads.values()] == [3, 1]


def test_a_share_depends_on_the_picture_alone(tmp_path: Path) -> None:
    lines = [f"{at % 50}.jpg,Who {at}?,me,x" for at in range(200)]
    reads = splits_of(tmp_path, "{val: 20%, test: 10.5%}", lines)
    pictures = {
        name: {str(one["pictures"]) for one in read.records} for name, read in reads.items()
    }
    assert sum(len(read.records) for read in reads.values()) == 200
    assert sum(map(len, pictures.values())) == len(set.union(*pictures.values())) == 50
    assert 2 <= len(pictures["val"]) <= 20
    again = splits_of(tmp_path, "{val: 20%, test: 10.5%}", lines[::-1][:100])
    for name, read in again.items():
        assert {str(one["pictures"]) for one in read.records} <= pictures[name]


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ("split", "write split: {column: split}"),
        ("{val: 5}", "must be a share such as 5%"),
        ("{val: 60%, test: 50%}", "below 100 %"),
        ("{train: 95%}", "train gets what the shares leave"),
        ("{column: part, values: {}}", "'values' names no split"),
    ],
)
def test_a_split_that_means_something_else_is_refused(
    tmp_path: Path, split: str, says: str
) -> None:
    with pytest.raises(UserError) as error:
        splits_of(tmp_path, split, ["1.jpg,Who?,me,x"])
    assert says in str(error.value)


# Pictures


def pictures(raw: Path, cells: list[object], data: str = "") -> Read:
    put(raw, "q.json", json.dumps([{"i": cell, "c": "A dog"} for cell in cells]))
    columns = "{picture: i, answer: c}"
    return run(raw, f"task: image_captioning\ndata: {{file: q.json, {data} columns: {columns}}}")


def test_pictures_in_any_dress_are_one_content(tmp_path: Path) -> None:
    data = picture(1)
    text = base64.b64encode(data).decode()
    cells: list[object] = [text, f"data:image/jpeg;base64,{text}", {"url": f"data:;base64,{text}"}]
    read = pictures(tmp_path, cells)
    assert read.rejects == []
    keys = {str(one["pictures"]) for one in read.records}
    assert len(keys) == 1
    folder = tmp_path / "mine"
    pq.write_table(pa.table({"i": [data, None], "c": ["A dog", "A cat"]}), folder / "q.parquet")
    columns = "{picture: i, answer: c}"
    read = run(tmp_path, f"task: image_captioning\ndata: {{file: q.parquet, columns: {columns}}}")
    assert {str(one["pictures"]) for one in read.records} == keys
    assert reasons(read) == [(1, "i", "null-field")]


@pytest.mark.parametrize(
    ("cell", "reason", "says"),
    [
        ("https://example.org/1.jpg", "bad-value", "cache: FOLDER"),
        ("data:image/png,abc", "bad-value", "base64"),
        ("data:image/png;base64,####", "bad-value", "damaged"),
        ("C:\\photos\\1.jpg", "path-outside-root", "path of Windows"),
        ("../1.jpg", "path-outside-root", "../1.jpg"),
        ("/a/../../etc/passwd", "path-outside-root", "passwd"),
        ({"height": 3}, "wrong-type", "bytes or path"),
    ],
)
def test_a_cell_that_is_no_picture_is_a_reject(
    tmp_path: Path, cell: object, reason: str, says: str
) -> None:
    read = pictures(tmp_path, [cell])
    assert reasons(read) == [(0, "i", reason)]
    assert says in read.rejects[0].detail


def test_rows_without_a_picture_are_kept_where_the_entry_says_so(tmp_path: Path) -> None:
    assert reasons(pictures(tmp_path, [None])) == [(0, "i", "null-field")]
    read = pictures(tmp_path, [None, [], "1.jpg"], "text_only: true,")
    assert [one["pictures"] for one in read.records] == [[], [], ["mine/1.jpg"]]


def test_names_are_put_together_from_columns(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"n": 7, "f": "a"}, {"n": "x", "f": "a"}, {"f": "a"}]
    put(tmp_path, "q.json", json.dumps([{**row, "c": "A dog"} for row in rows]))
    columns = '{picture: "{f}/{split}_{n:04}.jpg", answer: c}'
    read = run(tmp_path, f"task: image_captioning\ndata: {{file: q.json, columns: {columns}}}")
    assert [one["pictures"] for one in read.records] == [["mine/a/train_0007.jpg"]]
    assert reasons(read) == [(1, "n", "bad-value"), (2, "n", "null-field")]


def test_columns_of_its_own_reach_the_templates_as_context(tmp_path: Path) -> None:
    row = {"i": "1.jpg", "q": "Who?", "a": "me", "names": ["cat", "dog"], "boxes": [[0, 1.5]]}
    put(tmp_path, "q.json", json.dumps([row, {**row, "boxes": []}]))
    columns = '{picture: i, question: q, answer: a, context: "{names} at {boxes}"}'
    read = run(tmp_path, f"task: image_qa\ndata: {{file: q.json, columns: {columns}}}")
    assert [one["context"] for one in read.records] == ["cat, dog at [[0, 1.5]]"]
    assert reasons(read) == [(1, "boxes", "null-field")]


def test_a_split_named_like_a_column_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "q.csv", "i,q,a,fold\n1.jpg,Who?,me,3\n")
    with pytest.raises(UserError, match=r"write split: \{column: fold\}"):
        run(tmp_path, SPLITS % "fold")


@pytest.mark.parametrize("name", ["p.zip", "p.tar"])
def test_pictures_of_an_archive_are_read_by_name(tmp_path: Path, name: str) -> None:
    members = {"all/1.jpg": picture(1), "all/b/2.jpg": picture(2)}
    buffer = io.BytesIO()
    if name == "p.zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    put(tmp_path, name, buffer.getvalue())
    read = pictures(tmp_path, ["1.jpg", "all/b/2.jpg", "3.jpg"], f"pictures: {name},")
    assert len({str(one["pictures"]) for one in read.records}) == 2
    assert reasons(read) == [(2, "i", "picture-missing")]


# Tars


def test_a_tar_gives_a_row_for_each_key(tmp_path: Path) -> None:
    row = json.dumps({"q": "Who?"}).encode()
    file = shard(tmp_path, ("a.0.jpg", b"x"), ("a.1.jpg", b"y"), ("a.json", row), ("b.txt", b"Me"))
    (rows,) = tar_rows(file, ())
    assert rows.rows[0][1]["__pictures__"] == [b"x", b"y"]
    assert rows.rows[0][1]["q"] == "Who?"
    assert rows.rows[1][1] == {"__key__": "b", "txt": "Me"}


def test_a_bad_row_of_a_tar_is_one_reject(tmp_path: Path) -> None:
    file = shard(tmp_path, ("a.json", b"{"), ("b.jpg", b"x"), ("b.jpg", b"y"), ("c.txt", b"Me"))
    (rows,) = tar_rows(file, ())
    assert [(one.position, one.reason) for one in rows.rejects] == [
        (0, "malformed-json"),
        (1, "bad-value"),
    ]
    assert [at for at, _ in rows.rows] == [2]


@pytest.mark.parametrize("cut", [512, 700, 1024, 1536 + 100])
def test_a_tar_that_is_cut_off_says_so(tmp_path: Path, cut: int) -> None:
    file = shard(tmp_path, ("a.txt", b"Me" * 400), ("b.txt", b"You"), ("c.txt", b"It" * 2_000))
    file.path.write_bytes(file.path.read_bytes()[:cut])
    rejects = [one.reason for rows in tar_rows(file, ()) for one in rows.rejects]
    assert "cut-off" in rejects
