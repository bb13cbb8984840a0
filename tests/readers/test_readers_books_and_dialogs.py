"""OCR-VQA and LLaVA-Instruct: keys, splits and turns, what is rejected."""

from pathlib import Path

import pytest
from heldin_cases import (
    Read,
    book,
    column,
    dialogue,
    ids,
    reader_of,
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader_of(tmp_path)


def test_ocr_vqa_keys_stay_texts_and_split_codes_are_read(read: Read) -> None:
    books = {"076118327X": book(), "00123": book(split=2), "9": book(split=3, imageURL=None)}
    outcome = read("ocr_vqa", {"data": books})
    assert ids(outcome) == ["076118327X-0", "076118327X-1"]
    assert column(outcome, "pictures") == [["ocr_vqa/076118327X"]] * 2
    assert column(outcome, "references") == [["Sandra Boynton"], ["No"]]
    assert column(outcome, "subset") == ["Calendars"] * 2
    assert ids(read("ocr_vqa", {"data": books}, split="val")) == ["00123-0", "00123-1"]
    assert ids(read("ocr_vqa", {"data": books}, split="test")) == ["9-0", "9-1"]


def test_ocr_vqa_names_what_it_cannot_use(read: Read) -> None:
    books = {
        "1": book(split=4),
        "2": book(answers=["one"]),
        "../3": book(),
        "4": book(questions=["", "Fine?"]),
        "5": book(answers=["a", " "]),
        "6": book(questions=None),
        "7": 3,
    }
    outcome = read("ocr_vqa", {"data": books})
    assert sorted(outcome.reasons()) == [
        (0, "split", "bad-value"),
        (1, "answers", "bad-value"),
        (2, None, "path-outside-root"),
        (3, "questions[0]", "empty-text"),
        (4, "answers[1]", "empty-text"),
        (5, "questions", "null-field"),
        (6, None, "not-an-object"),
    ]
    assert ids(outcome) == ["4-1", "5-0"]


def test_llava_gives_every_turn_with_the_rounds_before_it(read: Read) -> None:
    talk = dialogue("<image>\nWhat colour?", "White.\n\n1. Red", "And <image>?", "{{ no }}</s>")
    outcome = read("llava", {"data": [talk, dialogue("Describe it.\n<image>", "A bus.")]})
    assert ids(outcome) == ["data/0-0", "data/0-1", "data/1-0"]
    assert column(outcome, "question") == ["What colour?", "And <image>?", "Describe it."]
    assert column(outcome, "answer") == ["White.\n\n1. Red", "{{ no }}</s>", "A bus."]
    earlier = {"question": "What colour?", "answer": "White.\n\n1. Red"}
    assert column(outcome, "history") == [[], [earlier], []]
    assert column(outcome, "pictures") == [["coco/000000033471"]] * 3


def test_llava_reads_a_dialogue_up_to_the_first_odd_turn(read: Read) -> None:
    twice = dialogue("Hi", "Hello", "Why?", "So")
    twice["conversations"][2]["from"] = "gpt"
    dialogues = [
        twice,
        dialogue("Hi", "Hello", "<image>", ""),
        dialogue("<image>", "An empty question"),
        dialogue("Hi", "Hello", "Nobody answers"),
        dialogue(),
        dialogue("Hi", "Hello", image="../../000000033471.jpg"),
        dialogue("Hi", "Hello", image="33471.png"),
        dialogue("Hi", "Hello", image="coco/train2017/000000033471.jpg"),
        {"id": "text only", "conversations": []},
    ]
    outcome = read("llava", {"data": dialogues})
    assert ids(outcome) == ["data/0-0", "data/1-0", "data/3-0", "data/7-0"]
    assert sorted(outcome.reasons()) == [
        (0, "conversations[2].from", "bad-value"),
        (1, "conversations[3].value", "empty-text"),
        (2, "conversations[0].value", "empty-text"),
        (3, "conversations[2]", "no-answer"),
        (4, "conversations", "no-answer"),
        (5, "image", "path-outside-root"),
        (6, "image", "bad-value"),
        (8, "image", "missing-field"),
    ]
