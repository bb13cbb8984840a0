"""Conversations of all writings become a record a turn; marks and pictures are counted."""

import json
from pathlib import Path

import pytest
from table_help import put, reasons, run

TALK = "task: llava_instruct\ndata: {file: chat.jsonl, kind: conversations}"
USER = {"from": "human", "value": "Who?"}
BOT = {"from": "gpt", "value": "Me."}


def talk(raw: Path, *items: object, entry: str = TALK) -> list[dict[str, object]]:
    """Read items that have nothing wrong with them."""
    put(raw, "chat.jsonl", "".join(f"{json.dumps(item)}\n" for item in items))
    read = run(raw, entry)
    assert read.rejects == []
    return read.records


def fault(raw: Path, item: object, entry: str = TALK) -> tuple[str | None, str, str]:
    """Read one item and return what is wrong with it."""
    put(raw, "chat.jsonl", f"{json.dumps(item)}\n")
    (reject,) = run(raw, entry).rejects
    return reject.field, reject.reason, reject.detail


def test_each_turn_of_the_assistant_is_a_record_with_its_history(tmp_path: Path) -> None:
    turns = [USER, BOT, {"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    first, second = talk(tmp_path, {"image": "1.jpg", "conversations": turns})
    assert (first["record_id"], second["record_id"]) == ("mine/train/0-0", "mine/train/0-1")
    assert (first["history"], second["history"]) == ([], [{"question": "Who?", "answer": "Me."}])
    assert first["pictures"] == second["pictures"] == ["mine/1.jpg"]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<image>\nWho is there?", "Who is there?"),
        ("Who is there?\n<image>", "Who is there?"),
        ("Who is <image> there?", "Who is there?"),
        ("Who is in <image>?", "Who is in?"),
        ("Line one\n<image>\nline two", "Line one\nline two"),
        ("<image> Who?\n\nTwo lines.", "Who?\n\nTwo lines."),
    ],
)
def test_a_mark_goes_wherever_it_stands(tmp_path: Path, text: str, question: str) -> None:
    turns = [{"from": "human", "value": text}, BOT]
    (record,) = talk(tmp_path, {"image": "1.jpg", "conversations": turns})
    assert record["question"] == question


def test_marks_take_pictures_in_order_and_a_turn_sees_those_up_to_it(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "<image> and <image>: which?"},
        BOT,
        {"from": "human", "value": "And <image>?"},
        BOT,
    ]
    item = {"image": ["1.jpg", "2.jpg", "3.jpg"], "conversations": turns}
    first, second = talk(tmp_path, item)
    assert first["pictures"] == ["mine/1.jpg", "mine/2.jpg"]
    assert second["pictures"] == ["mine/1.jpg", "mine/2.jpg", "mine/3.jpg"]
    assert second["question"] == "And?"


@pytest.mark.parametrize(
    ("item", "detail"),
    [
        (
            {"image": "1.jpg", "turn": "<image><image>"},
            "2 marks <image> in 'messages' and 1 picture",
        ),
        ({"images": ["1.jpg", "2.jpg"], "turn": "<image>"}, "1 mark <image> in 'messages' and 2"),
        ({"turn": "<image>"}, "1 mark <image> in 'messages' and 0 pictures"),
    ],
)
def test_marks_and_pictures_must_be_as_many(
    tmp_path: Path, item: dict[str, object], detail: str
) -> None:
    text = f"{item.pop('turn')} Who?"
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "Me."}]
    _, reason, said = fault(tmp_path, {**item, "messages": messages})
    assert reason == "bad-value"
    assert said.startswith(detail)


def test_parts_of_messages_hold_text_and_pictures(tmp_path: Path) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "a/1.jpg"}},
        {"type": "text", "text": "Who?"},
        {"type": "image", "image": "2.jpg"},
        {"type": "input_text", "text": "And who?"},
    ]
    answer = {"role": "assistant", "content": [{"type": "text", "text": "Me."}]}
    (record,) = talk(tmp_path, {"messages": [{"role": "user", "content": parts}, answer]})
    assert record["question"] == "Who?\nAnd who?"
    assert record["pictures"] == ["mine/a/1.jpg", "mine/2.jpg"]
    assert record["answer"] == "Me."


def test_parts_without_a_source_take_the_pictures_of_the_item(tmp_path: Path) -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "Who?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "Me."}]
    (record,) = talk(tmp_path, {"messages": messages, "images": ["1.jpg"]})
    assert record["pictures"] == ["mine/1.jpg"]


def test_what_the_system_says_stands_before_the_first_question(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Me."},
    ]
    inside, beside = talk(
        tmp_path,
        {"messages": messages},
        {"messages": messages[1:], "system": "Be brief."},
    )
    assert inside["question"] == beside["question"] == "Be brief.\nWho?"
    assert inside["pictures"] == []


def test_two_turns_of_the_user_are_one_question(tmp_path: Path) -> None:
    turns = [USER, {"from": "human", "value": "Really?"}, BOT]
    (record,) = talk(tmp_path, {"conversations": turns})
    assert record["question"] == "Who?\nReally?"


def test_a_turn_of_weight_zero_is_history_alone(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Me.", "weight": 0},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
    ]
    (record,) = talk(tmp_path, {"messages": messages})
    assert (record["answer"], record["history"]) == ("So.", [{"question": "Who?", "answer": "Me."}])


def test_a_question_of_a_mark_alone_takes_the_question_of_the_entry(tmp_path: Path) -> None:
    item = {"image": "1.jpg", "conversations": [{"from": "human", "value": "<image>"}, BOT]}
    field, reason, _ = fault(tmp_path, item)
    assert (field, reason) == ("question", "null-field")
    (record,) = talk(tmp_path, item, entry=TALK.replace("kind:", "question: What is it?, kind:"))
    assert record["question"] == "What is it?"


@pytest.mark.parametrize(
    ("turns", "field", "reason"),
    [
        ([BOT, USER, BOT], "conversations[0]", "bad-value"),
        ([USER], "conversations[0]", "no-answer"),
        ([], "conversations", "no-answer"),
        ([USER, {"from": "gpt", "value": " "}], "conversations[1]", "empty-text"),
        ([USER, {"from": "tool", "value": "x"}], "conversations[1].from", "bad-value"),
        ([USER, {"value": "x"}], "conversations[1]", "missing-field"),
        ([USER, "Me."], "conversations[1]", "wrong-type"),
        ([USER, {"from": "gpt", "value": True}], "conversations[1].value", "wrong-type"),
        ("no list", "conversations", "wrong-type"),
    ],
)
def test_a_conversation_that_is_none_is_a_reject(
    tmp_path: Path, turns: object, field: str, reason: str
) -> None:
    assert fault(tmp_path, {"conversations": turns})[:2] == (field, reason)


def test_the_turns_before_a_bad_one_are_kept(tmp_path: Path) -> None:
    item = {"conversations": [USER, BOT, USER]}
    put(
        tmp_path,
        "chat.jsonl",
        f"{json.dumps(item)}\n{json.dumps({'conversations': [USER, BOT]})}\n",
    )
    read = run(tmp_path, TALK)
    assert [one["record_id"] for one in read.records] == ["mine/train/0-0", "mine/train/1-0"]
    assert reasons(read) == [(0, "conversations[2]", "no-answer")]


def test_clips_of_conversations_are_not_left_out_in_silence(tmp_path: Path) -> None:
    field, reason, _ = fault(tmp_path, {"conversations": [USER, BOT], "videos": ["1.mp4"]})
    assert (field, reason) == ("videos", "bad-value")


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    item = {"key": "k7", "files": ["1.jpg"], "lines": [["Who?", "Me."]], "rule": "Be brief."}
    columns = "{turns: lines, picture: files, context: rule, id: key}"
    entry = TALK.replace("kind:", f"columns: {columns}, kind:")
    (record,) = talk(tmp_path, item, entry=entry)
    assert record["record_id"] == "mine/train/k7-0"
    assert (record["question"], record["pictures"]) == ("Be brief.\nWho?", ["mine/1.jpg"])


def test_a_json_list_lines_and_lines_under_the_name_of_a_list_are_told_apart(
    tmp_path: Path,
) -> None:
    item = {"conversations": [USER, BOT]}
    for content in (json.dumps([item, item]), f"{json.dumps(item)}\n{json.dumps(item)}\n"):
        put(tmp_path, "chat.json", content)
        assert len(run(tmp_path, TALK.replace("chat.jsonl", "chat.json")).records) == 2
