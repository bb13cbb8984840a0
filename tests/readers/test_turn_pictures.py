"""Which pictures a turn of a conversation has, and in which order."""

import json
from pathlib import Path

import pytest
from table_help import Read, put, run

TALK = "task: llava_instruct\ndata: {file: chat.jsonl, kind: conversations}"
TWO = {"images": ["1.jpg", "2.jpg"]}


def read(raw: Path, *items: object) -> Read:
    put(raw, "chat.jsonl", "".join(f"{json.dumps(item)}\n" for item in items))
    return run(raw, TALK)


def asked(*contents: object) -> dict[str, object]:
    """Put together messages of a user, each answered."""
    turns: list[object] = []
    for content in contents:
        turns += [{"role": "user", "content": content}, {"role": "assistant", "content": "So."}]
    return {"messages": turns}


def part(index: object) -> list[object]:
    return [{"type": "image", "text": None, "index": index}, {"type": "text", "text": "Which?"}]


@pytest.mark.parametrize(
    ("text", "question", "pictures"),
    [
        ("Picture 1: <img>a/1.jpg</img>\nWhat?", "Picture 1:\nWhat?", ["mine/a/1.jpg"]),
        ("<img>1.jpg</img><img> 2.jpg </img>Which?", "Which?", ["mine/1.jpg", "mine/2.jpg"]),
        ("<img>2.jpg</img> or <img>1.jpg</img>?", "or?", ["mine/2.jpg", "mine/1.jpg"]),
        ("What does <img src=x> do in HTML?", "What does <img src=x> do in HTML?", []),
    ],
)
def test_a_mark_may_name_its_picture(
    tmp_path: Path, text: str, question: str, pictures: list[str]
) -> None:
    result = read(tmp_path, asked(text))
    assert [(row["question"], row["pictures"]) for row in result.records] == [(question, pictures)]
    assert result.rejects == []


def test_named_and_counted_marks_keep_their_order(tmp_path: Path) -> None:
    item = {**asked("<image> <img>n.jpg</img> <image> Which?"), **TWO}
    (row,) = read(tmp_path, item).records
    assert row["pictures"] == ["mine/1.jpg", "mine/n.jpg", "mine/2.jpg"]


@pytest.mark.parametrize(
    ("indices", "first", "second"),
    [
        ((1, 0), ["mine/2.jpg"], ["mine/2.jpg", "mine/1.jpg"]),
        ((0, 1), ["mine/1.jpg"], ["mine/1.jpg", "mine/2.jpg"]),
        ((1.0, 0.0), ["mine/2.jpg"], ["mine/2.jpg", "mine/1.jpg"]),  # of a column with gaps
        ((None, None), ["mine/1.jpg"], ["mine/1.jpg", "mine/2.jpg"]),
    ],
)
def test_a_part_with_an_index_has_that_picture(
    tmp_path: Path, indices: tuple[object, object], first: list[str], second: list[str]
) -> None:
    item = {**asked(*map(part, indices)), **TWO}
    assert [row["pictures"] for row in read(tmp_path, item).records] == [first, second]


@pytest.mark.parametrize(
    ("indices", "says"),
    [
        ((0, 2), "the parts have the indices 0, 2, and the item has 2 pictures"),
        ((-1, 0), "the parts have the indices -1, 0, and the item has 2 pictures"),
        ((0, 0), "the parts have the indices 0, 0, and the item has 2 pictures"),
        ((0, None), "some pictures of 'messages' have an index and others have none"),
    ],
)
def test_indices_that_do_not_fit_the_pictures_are_a_reject(
    tmp_path: Path, indices: tuple[object, object], says: str
) -> None:
    result = read(tmp_path, {**asked(*map(part, indices)), **TWO})
    assert result.records == []
    assert [reject.detail for reject in result.rejects] == [says]


@pytest.mark.parametrize(
    ("key", "says"),
    [("videos", "clips"), ("video", "clips"), ("audios", "sounds"), ("audio", "sounds")],
)
def test_clips_and_sounds_beside_pictures_are_a_reject(tmp_path: Path, key: str, says: str) -> None:
    item = {**asked("<image>What?"), "images": ["1.jpg"]}
    result = read(tmp_path, {**item, key: ["x"]}, {**item, key: []}, item)
    assert [(one.position, one.field) for one in result.rejects] == [(0, key)]
    assert result.rejects[0].detail == f"conversations about {says} are not read"


@pytest.mark.parametrize(
    ("cell", "marks", "pictures"),
    [
        ("1.jpg|2.jpg", "<image><image>", ["mine/1.jpg", "mine/2.jpg"]),
        ("['1.jpg', '2.jpg']", "<image><image>", ["mine/1.jpg", "mine/2.jpg"]),
        ('["2.jpg", "1.jpg"]', "<image><image>", ["mine/2.jpg", "mine/1.jpg"]),
        ("1.jpg|2.jpg", "<image>", None),
    ],
)
def test_names_in_one_cell_are_counted_one_by_one(
    tmp_path: Path, cell: str, marks: str, pictures: list[str] | None
) -> None:
    result = read(tmp_path, {**asked(f"{marks}Which?"), "image": cell})
    assert [row["pictures"] for row in result.records] == ([] if pictures is None else [pictures])
    says = [] if pictures else ["1 mark <image> in 'messages' and 2 pictures"]
    assert [reject.detail for reject in result.rejects] == says


@pytest.mark.parametrize(
    "write", [json.dumps, str, lambda turns: str(turns).replace("}, {", "}\n {")]
)
def test_turns_in_a_cell_as_json_python_or_numpy_write_them(tmp_path: Path, write: object) -> None:
    turns = [{"from": "human", "value": "<image>Who's?"}, {"from": "gpt", "value": 'My "x"'}]
    assert callable(write)
    (row,) = read(tmp_path, {"image": "1.jpg", "conversations": write(turns)}).records
    assert (row["question"], row["answer"], row["pictures"]) == ("Who's?", 'My "x"', ["mine/1.jpg"])
