"""Own data becomes records: tables of five kinds and class folders, bad rows as rejects."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_help import put, reasons, run

from instructify._util.errors import UserError
from instructify.build.raw import hash_source
from instructify.readers.base import CHUNK_ROWS, RawFile
from instructify.readers.class_folders import class_files, class_names

BIRDS = """
task: image_classification
table: {file: birds.csv, columns: {picture: file, answer: species}, question: What bird is it?}
"""
QUIZ = """
task: knowledge_qa
form: multiple_choice
table:
  file: quiz.jsonl
  columns: {id: n, picture: img, question: q, choices: options, choice_index: right, context: hint}
"""


def test_a_classification_table_becomes_question_and_answer(tmp_path: Path) -> None:
    put(tmp_path, "birds.csv", "file,species\na/1.jpg, robin \n./2.jpg,house sparrow\n")
    read = run(tmp_path, BIRDS)
    first = read.records[0]
    assert (first["question"], first["answer"]) == ("What bird is it?", "robin")
    assert first["references"] == ["robin"]
    assert [one["pictures"] for one in read.records] == [["mine/a/1.jpg"], ["mine/2.jpg"]]
    assert [one["record_id"] for one in read.records] == ["mine/train/0", "mine/train/1"]
    assert (first["form"], first["source"], first["position"]) == ("open", "mine/birds.csv", 0)
    assert read.rejects == []


def test_every_kind_of_table_gives_the_same_records(tmp_path: Path) -> None:
    rows = [
        {"file": "1.jpg", "species": "robin", "more": "x"},
        {"file": "2.jpg", "species": 'a "great" tit, perched\non a twig', "more": "y"},
        {"file": "3.jpg", "species": "\u03b1\U0001f426", "more": "z"},
    ]
    folder = tmp_path / "mine"
    folder.mkdir()
    for suffix, dialect in (("csv", "excel"), ("tsv", "excel-tab")):
        with (folder / f"birds.{suffix}").open("w", encoding="utf-8-sig", newline="") as handle:
            writer = csv.DictWriter(handle, list(rows[0]), dialect=dialect)
            writer.writeheader()
            writer.writerows(rows)
    put(tmp_path, "birds.json", json.dumps(rows))
    put(tmp_path, "birds.jsonl", "\n".join(json.dumps(row) for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), folder / "birds.parquet")
    results = []
    for suffix in ("csv", "tsv", "json", "jsonl", "parquet"):
        read = run(tmp_path, BIRDS.replace("birds.csv", f"birds.{suffix}"))
        assert read.rejects == []
        results.append([{**one, "source": ""} for one in read.records])
    assert [one["answer"] for one in results[0]] == [row["species"] for row in rows]
    assert all(result == results[0] for result in results)


def test_multiple_choice_by_number_or_letter(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"n": "x1", "img": "1.png", "q": "Where?", "options": ["sea", "land"], "right": 1},
        {"n": "x2", "img": "1.png", "q": "Who?", "options": ["cat", "dog"], "right": "(A)"},
        {"n": "x3", "img": "1.png", "q": "Who?", "options": ["cat", "dog"], "right": 2},
        {"n": "x4", "img": "1.png", "q": "Who?", "options": ["cat", ""], "right": 0},
        {"n": "x5", "img": "1.png", "q": "Who?", "options": ["cat", "dog"], "right": "cat"},
        {"n": "x6", "img": "1.png", "q": "Who?", "options": ["cat", "dog"], "right": None},
    ]
    put(tmp_path, "quiz.jsonl", "\n".join(json.dumps({**row, "hint": "h"}) for row in rows))
    read = run(tmp_path, QUIZ)
    assert [(one["record_id"], one["answer"], one["choice_index"]) for one in read.records] == [
        ("mine/train/x1", "land", 1),
        ("mine/train/x2", "cat", 0),
        ("mine/train/x5", "cat", 0),
    ]
    assert read.records[0]["context"] == "h"
    assert reasons(read) == [
        (2, "right", "bad-value"),
        (3, "options", "empty-text"),
        (5, "right", "null-field"),
    ]


def test_choices_in_one_cell_and_the_right_one_by_its_text(tmp_path: Path) -> None:
    content = 'img,q,options,answer\n1.jpg,What?,red|green| blue,blue\n2.jpg,What?,"[""a"",1]",1\n'
    put(tmp_path, "quiz.csv", content + "3.jpg,What?,red|green,black\n")
    columns = "{picture: img, question: q, choices: options, answer: answer}"
    read = run(tmp_path, f"task: knowledge_qa\ntable: {{file: quiz.csv, columns: {columns}}}")
    assert [one["choices"] for one in read.records] == [["red", "green", "blue"], ["a", "1"]]
    assert [one["choice_index"] for one in read.records] == [2, 1]
    assert reasons(read) == [(2, "answer", "bad-value")]


def test_the_most_common_of_several_answers_is_the_target(tmp_path: Path) -> None:
    put(tmp_path, "vqa.jsonl", '{"img": "1.jpg", "q": "Q?", "all": ["no", "yes", "yes"]}')
    columns = "{picture: img, question: q, references: all}"
    read = run(tmp_path, f"task: image_qa\ntable: {{file: vqa.jsonl, columns: {columns}}}")
    record = read.records[0]
    assert (record["answer"], record["answer_choice"]) == ("yes", 1)
    assert record["references"] == ["no", "yes", "yes"]


def test_captions_one_by_one_and_as_a_set(tmp_path: Path) -> None:
    put(tmp_path, "c.csv", "img,text\n1.jpg,A  dog\n2.jpg,\n")
    single = "table: {file: c.csv, columns: {picture: img, answer: text}}"
    read = run(tmp_path, f"task: image_captioning\n{single}")
    assert (read.records[0]["answer"], read.records[0]["question"]) == ("A dog", None)
    assert reasons(read) == [(1, "text", "null-field")]
    put(
        tmp_path,
        "s.jsonl",
        '{"img": "1.jpg", "t": ["A dog", "a\\ndog"]}\n{"img": "1.jpg", "t": []}',
    )
    many = "table: {file: s.jsonl, columns: {picture: img, references: t}}"
    read = run(tmp_path, f"task: image_captioning\nform: caption_set\n{many}")
    assert read.records[0]["references"] == ["A dog", "a dog"]
    assert read.records[0]["answer"] is None
    assert reasons(read) == [(1, "t", "no-caption")]


def test_truth_values_are_yes_and_no(tmp_path: Path) -> None:
    rows = [{"img": "1.jpg", "q": "Q?", "a": value} for value in (True, 0, "No", "1", "maybe", 7)]
    put(tmp_path, "b.json", json.dumps(rows))
    columns = "{picture: img, question: q, answer: a}"
    entry = f"task: visual_reasoning\nform: binary\ntable: {{file: b.json, columns: {columns}}}"
    read = run(tmp_path, entry)
    assert [one["answer"] for one in read.records] == ["yes", "no", "no", "yes"]
    assert reasons(read) == [(4, "a", "bad-value"), (5, "a", "bad-value")]


def test_rounds_of_a_dialogue(tmp_path: Path) -> None:
    rounds = [{"question": "Is it big?", "answer": "yes"}]
    row: dict[str, object] = {"img": "1.jpg", "q": "Is it red?", "a": "no", "h": rounds}
    rows = [row, {**row, "h": None}, {**row, "h": "none"}, {**row, "h": [{"question": "x"}]}]
    put(tmp_path, "d.json", json.dumps(rows))
    columns = "{picture: img, question: q, answer: a, history: h}"
    read = run(tmp_path, f"task: visual_dialog\ntable: {{file: d.json, columns: {columns}}}")
    assert [one["history"] for one in read.records] == [rounds, []]
    assert reasons(read) == [(2, "h", "wrong-type"), (3, "h", "empty-text")]


def test_classes_that_are_given_are_the_only_ones(tmp_path: Path) -> None:
    put(tmp_path, "birds.csv", "file,species\n1.jpg,robin\n2.jpg,rbin\n")
    read = run(tmp_path, BIRDS.replace("question:", "classes: [wren, robin], question:"))
    assert [one["answer"] for one in read.records] == ["robin"]
    assert reasons(read) == [(1, "species", "bad-value")]
    chosen = BIRDS.replace("table:", "form: multiple_choice\ntable:")
    read = run(tmp_path, chosen.replace("question:", "classes: [wren, robin], question:"))
    assert (read.records[0]["choices"], read.records[0]["choice_index"]) == (["robin", "wren"], 0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../1.jpg", "path-outside-root"),
        ("a/../../1.jpg", "path-outside-root"),
        ("C:\\1.jpg", "path-outside-root"),
        (None, "null-field"),
        ("  ", "empty-text"),
        (True, "wrong-type"),
        ({"page": 1}, "wrong-type"),
    ],
)
def test_bad_picture_names(tmp_path: Path, name: object, reason: str) -> None:
    rows = [{"file": name, "species": "robin"}, {"file": "1.jpg", "species": "robin"}]
    put(tmp_path, "birds.json", json.dumps(rows))
    read = run(tmp_path, BIRDS.replace("birds.csv", "birds.json"))
    assert reasons(read) == [(0, "file", reason)]
    assert len(read.records) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1.jpg", "missing-field"),
        (b"1.jpg,robin,more", "bad-value"),
        (b"1.jpg,caf\xe9", "lone-surrogate"),
        (b'1.jpg,"rob"in', "bad-value"),
        (b"1.jpg,   ", "empty-text"),
        (b"1.jpg," + b"x" * 200_000, "bad-value"),
    ],
)
def test_bad_lines_of_csv_leave_their_neighbours_alone(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    put(tmp_path, "birds.csv", b"file,species\n0.jpg,wren\n" + line + b"\n2.jpg,robin\n")
    read = run(tmp_path, BIRDS)
    assert [(one.position, one.reason) for one in read.rejects] == [(1, reason)]
    assert [one["position"] for one in read.records] == [0, 2]


def test_bad_rows_of_json_leave_their_neighbours_alone(tmp_path: Path) -> None:
    good = '{"file": "1.jpg", "species": "robin"}'
    bad = ['{"file": "1.jpg"}', '{"file": "1.jpg", "species": NaN}', "[1]", '{"file": "1.j']
    put(tmp_path, "birds.jsonl", "\n".join([good, *bad, good]))
    read = run(tmp_path, BIRDS.replace("birds.csv", "birds.jsonl"))
    assert len(read.records) == 2
    assert [reject.position for reject in sorted(read.rejects, key=lambda r: r.position or 0)] == [
        1,
        2,
        3,
        4,
    ]


def test_values_of_parquet_without_a_text_form(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    broken = pa.Array.from_buffers(
        pa.string(),
        2,
        [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0\5\0\0\0"), pa.py_buffer(b"\xff\xfewre")],
    )
    table = pa.table({"file": ["1.jpg", "2.jpg"], "species": broken})
    pq.write_table(table, tmp_path / "mine" / "birds.parquet")
    read = run(tmp_path, BIRDS.replace("birds.csv", "birds.parquet"))
    assert [one["answer"] for one in read.records] == ["wre"]
    assert [(one.position, one.reason) for one in read.rejects] == [(0, "bad-value")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("birds.csv", "", "has no header line"),
        ("birds.csv", "file,specie\n", "no column 'species'; did you mean 'specie'?"),
        ("birds.csv", "file,species,species\n", "two columns 'species'"),
        ("birds.parquet", "not parquet", "is no whole Parquet file"),
        ("birds.json", '{"data": 1}', "is not a JSON list"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    put(tmp_path, name, content)
    with pytest.raises(UserError) as error:
        run(tmp_path, BIRDS.replace("birds.csv", name))
    assert message in str(error.value)
    assert f"mine/{name}" in str(error.value)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_an_absent_table_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=f"mine/birds{suffix}"):
        run(tmp_path, BIRDS.replace(".csv", suffix))


FOLDERS = "task: image_classification\ntable: {folder: photos}"


def test_class_folders_in_order_of_class_and_name(tmp_path: Path) -> None:
    for name in ("wren/2.jpg", "wren/1.JPG", "house_sparrow/sub/9.png", "wren/.DS_Store"):
        put(tmp_path, f"photos/{name}", "")
    read = run(tmp_path, FOLDERS)
    assert [(one["record_id"], one["answer"]) for one in read.records] == [
        ("mine/train/house_sparrow/sub/9.png", "house sparrow"),
        ("mine/train/wren/1.JPG", "wren"),
        ("mine/train/wren/2.jpg", "wren"),
    ]
    assert read.records[1]["pictures"] == ["mine/photos/wren/1.JPG"]
    assert read.records[1]["question"] == "What is shown in the picture?"
    assert read.rejects == []
    chosen = run(tmp_path, f"form: multiple_choice\n{FOLDERS}")
    assert [one["choice_index"] for one in chosen.records] == [0, 1, 1]
    assert chosen.records[0]["choices"] == ["house sparrow", "wren"]


def test_what_is_no_picture_of_a_class_is_a_reject(tmp_path: Path) -> None:
    put(tmp_path, "photos/wren/1.jpg", "")
    put(tmp_path, "photos/wren/notes.txt", "")
    put(tmp_path, "photos/stray.jpg", "")
    put(tmp_path, "secret.jpg", "")
    (tmp_path / "mine/photos/wren/3.jpg").symlink_to(tmp_path / "mine/secret.jpg")
    read = run(tmp_path, FOLDERS)
    assert [one["record_id"] for one in read.records] == ["mine/train/wren/1.jpg"]
    assert [one.reason for one in read.rejects] == [
        "bad-value",
        "path-outside-root",
        "not-a-picture",
    ]
    assert "3.jpg" in read.rejects[1].detail


def test_a_class_folder_that_is_a_link_leads_to_no_other_place(tmp_path: Path) -> None:
    put(tmp_path, "photos/wren/1.jpg", "")
    outside = tmp_path / "outside/sub"
    outside.mkdir(parents=True)
    (outside / "secret-name.json").write_text("{")
    (outside / "2.jpg").write_text("")
    photos = tmp_path / "mine/photos"
    for name, target in {
        "out": "../../outside",
        "absolute": str(outside),
        "all": "/",
        "above": "..",
        "nothing": "nowhere",
        "chain": "out",
        "inside": "wren",
        "itself": "itself",
    }.items():
        (photos / name).symlink_to(target)
    (photos / "wren/deeper").symlink_to("/")
    read = run(tmp_path, FOLDERS)
    assert [one["record_id"] for one in read.records] == [
        "mine/train/inside/1.jpg",
        "mine/train/wren/1.jpg",
    ]
    assert [(one.detail.partition(":")[0], one.reason) for one in read.rejects] == [
        ("above", "path-outside-root"),
        ("absolute", "path-outside-root"),
        ("all", "path-outside-root"),
        ("chain", "path-outside-root"),
        ("inside/deeper", "not-a-picture"),
        ("itself", "bad-value"),
        ("nothing", "bad-value"),
        ("out", "path-outside-root"),
        ("wren/deeper", "not-a-picture"),
    ]
    assert "secret" not in str(read.rejects)
    chosen = run(tmp_path, f"form: multiple_choice\n{FOLDERS}")
    assert chosen.records[0]["choices"] == ["inside", "wren"]


def test_what_a_desktop_leaves_in_class_folders_is_passed_over(tmp_path: Path) -> None:
    strays = ("Thumbs.db", "thumbs.db", "desktop.ini", "Desktop.ini", ".DS_Store", "._1.jpg")
    for name in ("1.jpg", *strays):
        put(tmp_path, f"photos/wren/{name}", "")
    for name in strays:
        put(tmp_path, f"photos/{name}", "")
    read = run(tmp_path, FOLDERS)
    assert [one["record_id"] for one in read.records] == ["mine/train/wren/1.jpg"]
    assert read.rejects == []


def test_a_folder_without_classes_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="photos can't be read"):
        run(tmp_path, FOLDERS)
    (tmp_path / "mine/photos").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no class folders"):
        run(tmp_path, FOLDERS)


def test_large_tables_come_in_chunks(tmp_path: Path) -> None:
    lines = "".join(f"{i}.jpg,robin\n" for i in range(CHUNK_ROWS * 2 + 5))
    put(tmp_path, "birds.csv", "file,species\n" + lines)
    read = run(tmp_path, BIRDS)
    assert len(read.records) == CHUNK_ROWS * 2 + 5
    assert read.records[-1]["position"] == CHUNK_ROWS * 2 + 4


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
KEYS = ("n", "img", "q", "options", "right", "hint")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), values) | values, max_size=4))
def test_arbitrary_json_gives_records_or_rejects(
    tmp_path_factory: pytest.TempPathFactory, rows: list[object]
) -> None:
    raw = tmp_path_factory.getbasetemp()
    put(raw, "quiz.jsonl", "\n".join(json.dumps(row) for row in rows))
    read = run(raw, QUIZ)
    assert len(read.records) + len(read.rejects) == len(rows)
    put(raw, "quiz.json", json.dumps(rows))
    again = run(raw, QUIZ.replace("jsonl", "json"))
    assert len(again.records) == len(read.records)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet='file,spc"\n\r\t1.jg\0', max_size=80))
def test_arbitrary_bytes_as_csv(
    tmp_path_factory: pytest.TempPathFactory, content: bytes | str
) -> None:
    raw = tmp_path_factory.getbasetemp()
    body = content.encode() if isinstance(content, str) else content
    put(raw, "birds.csv", b"file,species\n" + body)
    run(raw, BIRDS)


def test_a_new_picture_of_a_class_changes_the_hash_of_its_folder(tmp_path: Path) -> None:
    put(tmp_path, "photos/wren/1.jpg", "")
    folder = RawFile("mine/photos", tmp_path / "mine" / "photos")
    before = hash_source("folder", folder)
    assert hash_source("folder", folder) == before
    put(tmp_path, "photos/wren/2.jpg", "")
    assert hash_source("folder", folder).sha256 != before.sha256


def test_a_link_in_class_folders_is_called_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"x")
    put(tmp_path, "birds/owl/1.jpg", b"x")
    put(tmp_path, "birds/owl/more/2.jpg", b"x")
    owl = tmp_path / "mine" / "birds" / "owl"
    links = {
        "birds/owl/again": (owl / "more", "a link to a folder"),
        "birds/owl/out": (outside, "a link to a folder"),
        "birds/owl/out.jpg": (outside / "a.jpg", "a link that leads out"),
        "birds/owl/same.jpg": (owl / "1.jpg", None),
        "birds/wren": (owl / "nothing", "a link to nothing"),
        "birds/hawk": (outside, "a link that leads out"),
    }
    for name, (target, _) in links.items():
        (tmp_path / "mine" / name).symlink_to(target)
    listed = RawFile("mine/birds", tmp_path / "mine" / "birds")
    faults = {f"birds/{one.name}": one.fault for one in class_files(listed, class_names(listed))}
    for name, (_, said) in links.items():
        fault = faults[name]
        assert (fault is None) == (said is None), name
        assert fault is None or str(said) in str(fault.detail), name
    assert faults["birds/owl/1.jpg"] is None
