"""The user's own data read range by range: the bytes of one reader, whatever the files hold."""

import bz2
import gzip
import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from range_help import Outcome, both

from instructify.build import range_shards, records
from instructify.catalog import Dataset, load_catalog
from instructify.readers import JSON_LINES, Ranges, RawFile, plan_ranges

CHAT = "{task: llava_instruct, data: {file: chat.json, kind: conversations}}"
TABLE = (
    "{task: image_qa, data: {file: rows.json, columns: {picture: file, question: q, answer: a}}}"
)
BORDERS = ["}, {", '"}, {"q": "', "\n", '"}\n{"q": "x"}\n', '{"from": "human"}, {', "is it red?"]
DAMAGE = [b"", b"}", b"]", b'"', b"\xff", b",", b" ", b"\n", b"{", b"7"]
WORDS = st.text(st.characters(codec="utf-8"), max_size=9) | st.sampled_from(BORDERS)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (records, range_shards):
        monkeypatch.setattr(module, "SHARD_ROWS", 7)


@cache
def own(entry: str) -> Dataset:
    """Make the dataset of an entry."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "mine.yaml")
        path.write_text(f"format: 1\ndatasets:\n  mine: {entry}\n", encoding="utf-8")
        return load_catalog(extra=path).dataset("mine")


def chats(number: int, words: Sequence[str] = ("said",)) -> list[dict[str, Any]]:
    """Make conversations of LLaVA, some without a picture."""
    return [
        {
            "id": f"{at // 2}",
            **({"image": f"{at}.jpg"} if at % 5 else {}),
            "conversations": [
                {
                    "from": ("human", "gpt")[turn % 2],
                    "value": f"{words[(at + turn) % len(words)]} {at} {turn}",
                }
                for turn in range(2 + 2 * (at % 3))
            ],
        }
        for at in range(number)
    ]


def rows(number: int, words: Sequence[str] = ("is it?",)) -> list[dict[str, Any]]:
    """Make rows of a table."""
    return [
        {"file": f"{at}.jpg", "q": f"{words[at % len(words)]} {at}", "a": "yes" if at % 3 else at}
        for at in range(number)
    ]


def text_of(items: Sequence[Any], kind: str) -> bytes:
    """Write items as a JSON list, as an indented one, in an object, or as JSON lines."""
    if kind == "lines":
        return b"".join(json.dumps(item).encode() + b"\n" for item in items)
    if kind == "object":
        return json.dumps({"info": {"data": []}, "data": items, "after": [{"file": 1}]}).encode()
    return json.dumps(items, indent=1 if kind == "indented" else None, ensure_ascii=False).encode()


def by_ranges(
    entry: str,
    files: Mapping[str, bytes],
    range_bytes: int,
    split: str = "train",
    role: str = "file",
) -> tuple[Outcome, Outcome]:
    """Read files by one reader and by ranges; the roles are those of several files of a split."""
    with tempfile.TemporaryDirectory() as name:
        paths = {}
        for at, (file, data) in enumerate(files.items()):
            paths[f"{role}-{at:05d}" if at else role] = Path(name, file)
            Path(name, file).write_bytes(data)
        return both(own(entry), split, paths, Path(name), range_bytes)


def same(outcomes: tuple[Outcome, Outcome]) -> bool:
    one, many = outcomes
    assert (many.refused, many.files) == (one.refused, one.files)
    return many.by_ranges


@pytest.mark.parametrize("kind", ["list", "indented", "object", "lines"])
@pytest.mark.parametrize("entry", [CHAT, TABLE])
def test_good_files_are_read_range_by_range(entry: str, kind: str) -> None:
    items = chats(90) if entry == CHAT else rows(200)
    if kind == "object":
        entry = entry.replace("data: {", "data: {key: data, ")
    outcomes = by_ranges(entry, {f"x.json{'l' * (kind == 'lines')}": text_of(items, kind)}, 2000)
    assert same(outcomes)
    assert len(outcomes[0].files) > 5, "several shards"


@given(
    number=st.integers(1, 60),
    words=st.lists(WORDS, min_size=1, max_size=5),
    kind=st.sampled_from(["list", "indented", "object", "lines"]),
    is_chat=st.booleans(),
    range_bytes=st.integers(150, 4000),
    damage=st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(DAMAGE)), max_size=2),
    cut=st.integers(0, 200) | st.just(0),
)
@settings(max_examples=15, deadline=None)
def test_any_damage(
    number: int,
    words: list[str],
    kind: str,
    is_chat: bool,
    range_bytes: int,
    damage: list[tuple[int, bytes]],
    cut: int,
) -> None:
    data = text_of(chats(number, words) if is_chat else rows(number, words), kind)
    for at, instead in damage:
        place = at % len(data)
        data = data[:place] + instead + data[place + 1 :]
    entry = CHAT if is_chat else TABLE
    if kind == "object":
        entry = entry.replace("data: {", "data: {key: data, ")
    name = "x.jsonl" if kind == "lines" else "x.json"
    same(by_ranges(entry, {name: data[: len(data) - cut]}, range_bytes))


def test_every_field_and_a_bad_line_keep_their_places(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in rows(120)]
    lines[3] = lines[3][:-9]
    lines[40] = ""
    lines[41] = json.dumps({"file": "../x.jpg", "q": "?", "a": "b"})
    lines[90] = json.dumps([1])
    one, many = by_ranges(TABLE, {"x.jsonl": "\n".join(lines).encode()}, 1500)
    assert same((one, many)), "a bad line is a reject of its range"
    places = [json.loads(line)["position"] for line in many.files["rejects.jsonl"].splitlines()]
    assert places == [3, 41, 90]


@pytest.mark.parametrize("far", [True, False])
def test_an_id_that_is_there_twice(far: bool) -> None:
    entry = TABLE.replace("columns: {", "columns: {id: id, ")
    items = [{**row, "id": f"n{at}"} for at, row in enumerate(rows(80))]
    items[60 if far else 4]["id"] = "n3"
    for name, kind in (("x.json", "list"), ("x.jsonl", "lines")):
        one, many = by_ranges(entry, {name: text_of(items, kind)}, 1500)
        assert same((one, many))
        assert b"duplicate-id" in one.files["rejects.jsonl"]


def test_an_item_that_holds_items_like_those_of_the_list() -> None:
    items = rows(40)
    items[10]["more"] = rows(30)
    items[20]["q"] = json.dumps(rows(30))
    assert same(by_ranges(TABLE, {"x.json": text_of(items, "list")}, 1500))


def test_an_item_that_is_no_object_is_left_to_one_reader() -> None:
    items: list[Any] = rows(90)
    items[50] = "a text"
    assert not same(by_ranges(TABLE, {"x.json": text_of(items, "list")}, 1500))


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    "how", ["{column: s}", "{val: 20%}", "{column: s, values: {train: 1, val: [2, '']}}"]
)
def test_splits_of_one_file(how: str, split: str) -> None:
    entry = TABLE.replace("columns:", f"split: {how}, columns:")
    cells = (1, 2, "", 3) if "values" in how else ("train", "val", "", "dev")
    items = [{**row, "s": cells[at % 7 % 4]} for at, row in enumerate(rows(150))]
    name, kind = ("x.json", "list") if split == "train" else ("x.jsonl", "lines")
    assert same(by_ranges(entry, {name: text_of(items, kind)}, 2500, split))


def test_a_column_that_is_named_like_the_split_is_refused_wherever_it_is() -> None:
    entry = TABLE.replace("columns:", "split: fold, columns:")
    items = rows(90)
    items[70]["fold"] = 3
    one, many = by_ranges(entry, {"x.json": text_of(items, "list")}, 1500, "fold")
    assert one.refused == many.refused != ""


def test_pictures_in_the_data_are_left_to_one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [{**row, "file": "data:image/png;base64,iVBORw0KGgo="} for row in rows(60)]
    read = monkeypatch.setattr  # a range would be read in vain
    read("instructify.build.range_stage.run_range", lambda unit: pytest.fail(unit.name))
    assert not same(by_ranges(TABLE, {"x.json": text_of(items, "list")}, 1500))


def test_a_picture_far_in_the_data_is_left_to_one_reader() -> None:
    items = rows(60)
    items[50]["file"] = "data:image/png;base64,iVBORw0KGgo="
    one, many = by_ranges(TABLE, {"x.jsonl": text_of(items, "lines")}, 1500)
    assert not same((one, many))
    assert any(name.startswith("pack") or "pictures" in name for name in one.files), one.files


def test_the_metadata_of_a_folder_of_pictures() -> None:
    entry = TABLE.replace("file: rows.json", "folder: train")
    outcomes = by_ranges(entry, {"metadata.jsonl": text_of(rows(90), "lines")}, 1500, role="folder")
    assert same(outcomes)


def test_names_of_keys_that_mean_something_else_here() -> None:
    for key in ("lines", "[]", "{}", "whole file", "Parquet rows", "a.b"):
        names = key.split(".")
        data: Any = rows(90)
        for name in reversed(names):
            data = {"first": 1, name: data}
        entry = TABLE.replace("data: {", f"data: {{key: '{key}', ")
        used = same(by_ranges(entry, {"x.json": json.dumps(data).encode()}, 1500))
        assert used == (key == "a.b"), key


def test_several_files_of_several_kinds() -> None:
    bad = rows(9)
    bad[7]["q"] = " "
    files = {
        "a.json": text_of(rows(90), "list"),
        "b.json": text_of([*bad, 7], "list"),
        "c.jsonl.gz": gzip.compress(text_of(rows(30), "lines")),
        "d.jsonl": b"\xef\xbb\xbf" + text_of(rows(90), "lines"),
        "e.jsonl": b"",
        "f.csv": b"file,q,a\n0.jpg,is it?,yes\n",
        "g.tsv": b"file\tq\ta\n0.jpg\tis it?\tno\n",
        "h.json": text_of(rows(60), "indented"),
    }
    for range_bytes in (2000, 9000):
        assert same(by_ranges(TABLE, files, range_bytes))


@pytest.mark.parametrize("name", ["d.jsonl.gz", "x.json.bz2", "y.json", "z.csv"])
def test_a_damaged_file_among_several(name: str) -> None:
    data = {
        "d.jsonl.gz": gzip.compress(text_of(rows(300), "lines"))[:-30],
        "x.json.bz2": bz2.compress(text_of(rows(9), "list")[:-40]),
        "y.json": b'{"no": "list"}',
        "z.csv": b'file,q,a\n1.jpg,"is it,yes\n',
    }
    files = {"a.jsonl": text_of(rows(90), "lines"), name: data[name]}
    same(by_ranges(TABLE, files, 1500))


def test_small_files_are_read_together_and_alone_by_one_reader() -> None:
    files = {f"{at}.jsonl": text_of(rows(5), "lines") for at in range(9)}
    assert same(by_ranges(TABLE, files, 4000))
    assert not same(by_ranges(TABLE, files, 1 << 20))
    named = {f"file-{at}": RawFile(name, Path("/", name)) for at, name in enumerate(files)}
    with tempfile.TemporaryDirectory() as folder:
        for role, file in named.items():
            named[role] = file._replace(path=Path(folder, file.name))
            named[role].path.write_bytes(b"x" * 300)
        cuts = plan_ranges(named, Ranges(places=dict.fromkeys(named, JSON_LINES)), 4000)
    assert [len(cut) for cut in cuts] == [3, 3, 3]


def parquet(number: int, group: int, **more: Any) -> bytes:
    """Write rows with so many rows in a group."""
    table = pa.Table.from_pylist([{**row, "a": str(row["a"])} for row in rows(number)])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=group, **more)
    return bytes(sink.getvalue())


@given(
    number=st.integers(0, 90),
    group=st.integers(1, 40),
    dictionary=st.booleans(),
    range_bytes=st.integers(500, 9000),
    damage=st.none() | st.tuples(st.integers(0, 9999), st.sampled_from(DAMAGE)),
)
@settings(max_examples=9, deadline=None)
def test_any_parquet(
    number: int, group: int, dictionary: bool, range_bytes: int, damage: tuple[int, bytes] | None
) -> None:
    data = parquet(number, group, use_dictionary=dictionary)
    if damage is not None:
        place = damage[0] % len(data)
        data = data[:place] + damage[1] + data[place + 1 :]
    same(by_ranges(TABLE, {"x.parquet": data}, range_bytes))


@pytest.mark.parametrize("group", [20, 300, 7])
def test_parquet_is_cut_between_groups_and_within_large_ones(group: int) -> None:
    entry = TABLE.replace("columns: {", "columns: {id: file, ")
    for used in (entry, TABLE):
        one, many = by_ranges(used, {"x.parquet": parquet(300, group)}, 1500)
        assert same((one, many))
        assert len(one.files) > 40, "each row is a record"
