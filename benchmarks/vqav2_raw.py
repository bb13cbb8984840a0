"""Writes questions and annotations of VQAv2 in the official file shape, at any size, from a seed.

For measuring only: the texts are invented and true of nothing, but their number, lengths and
repetition are like those of the real files (ten answers a question, up to 200,000 distinct ones
with a Zipf-like distribution, about five questions a picture). Same arguments, same bytes.

    python benchmarks/vqav2_raw.py OUT [NUM_QUESTIONS]     official train size: 443757
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

OFFICIAL_QUESTIONS = 443_757
QUESTIONS_NAME = "v2_OpenEnded_mscoco_train2014_questions.json"
ANNOTATIONS_NAME = "v2_mscoco_train2014_annotations.json"

_NUM_ANSWERS = 200_000
_BLOCK = 4_096
_STARTS = ("what color is the", "how many", "is the", "what is the", "where is the", "does the")
_SYLLABLES = ("ba", "co", "di", "fer", "go", "hul", "ki", "lam", "mo", "nes", "pol", "ri", "sta")
_INFO = {
    "description": "This is v2.0 of the VQA dataset.",
    "url": "http://visualqa.org",
    "version": "2.0",
    "year": 2017,
    "contributor": "VQA Team",
    "date_created": "2017-04-26 17:07:13",
}
_LICENSE = {
    "url": "http://creativecommons.org/licenses/by/4.0/",
    "name": "Creative Commons Attribution 4.0 International License",
}


def write_vqav2(folder: Path, num_questions: int = OFFICIAL_QUESTIONS, seed: int = 0) -> None:
    """Write both files into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.Generator(np.random.Philox(key=seed))
    words = _words(random, 4_000)
    answers = _answers(random, words)
    head = {"info": _INFO, "task_type": "Open-Ended", "data_type": "mscoco", "license": _LICENSE}
    head["data_subtype"] = "train2014"
    tail = {"data_type": "mscoco"}
    middle = {"info": _INFO, "license": _LICENSE, "data_subtype": "train2014"}
    with (
        (folder / QUESTIONS_NAME).open("w", encoding="utf-8") as questions,
        (folder / ANNOTATIONS_NAME).open("w", encoding="utf-8") as annotations,
    ):
        questions.write(json.dumps(head)[:-1] + ', "questions": [')
        annotations.write(json.dumps(middle)[:-1] + ', "annotations": [')
        for start in range(0, num_questions, _BLOCK):
            size = min(_BLOCK, num_questions - start)
            comma = ", " if start else ""
            rows = _rows(random, start, size, words, answers)
            questions.write(comma + json.dumps([question for question, _ in rows])[1:-1])
            annotations.write(comma + json.dumps([label for _, label in rows])[1:-1])
        questions.write("]}")
        annotations.write("], " + json.dumps(tail)[1:])


def _words(random: np.random.Generator, number: int) -> list[str]:
    parts = random.integers(0, len(_SYLLABLES), (number, 4))
    lengths = random.integers(1, 5, number)
    return [
        "".join(_SYLLABLES[part] for part in row[:length])
        for row, length in zip(parts.tolist(), lengths.tolist(), strict=True)
    ]


def _answers(random: np.random.Generator, words: Sequence[str]) -> list[str]:
    """The most frequent answers first; they are short, the rare ones have up to four words."""
    answers = ["yes", "no", *(str(number) for number in range(20))]
    picks = random.integers(0, len(words), (_NUM_ANSWERS, 4)).tolist()
    lengths = 1 + (random.random(_NUM_ANSWERS) * 3.2).astype(int)
    for place in range(_NUM_ANSWERS - len(answers)):
        length = 1 if place < 2_000 else int(lengths[place])
        answers.append(" ".join(words[pick] for pick in picks[place][:length]))
    return answers


def _rows(
    random: np.random.Generator, start: int, size: int, words: Sequence[str], answers: Sequence[str]
) -> list[tuple[dict[str, object], dict[str, object]]]:
    # rank r comes with a probability near 1 / r: the logarithm of the rank is uniform
    places = np.exp(random.random((size, 10)) * np.log(len(answers))).astype(np.int64) - 1
    places[:, 0] = np.where(random.random(size) < 0.3, places[:, 0] % 2, places[:, 0])
    agreement = random.choice([0.95, 0.6, 0.3], (size, 1), p=[0.5, 0.3, 0.2])
    agree = random.random((size, 10)) < agreement
    places = np.where(agree, places[:, :1], places)
    confident = np.searchsorted([0.81, 0.98], random.random((size, 10)))
    openings = random.integers(0, len(_STARTS), size)
    nouns = random.integers(0, len(words), (size, 5))
    num_nouns = random.integers(1, 6, size)
    rows = []
    for row in range(size):
        number = start + row
        image_id = 9 + (number // 5) * 7
        question_id = image_id * 1000 + number % 5
        opening = _STARTS[openings[row]]
        text = " ".join(words[noun] for noun in nouns[row, : num_nouns[row]])
        given = [answers[place] for place in places[row]]
        question = {
            "image_id": image_id,
            "question": f"{opening.capitalize()} {text}?",
            "question_id": question_id,
        }
        rows.append((question, _label(image_id, question_id, opening, given, confident[row])))
    return rows


def _label(
    image_id: int, question_id: int, opening: str, given: Sequence[str], confident: np.ndarray
) -> dict[str, object]:
    target = max(given, key=given.count)
    kind = "yes/no" if target in ("yes", "no") else "number" if target.isdigit() else "other"
    return {
        "question_type": opening,
        "multiple_choice_answer": target,
        "answers": [
            {
                "answer": answer,
                "answer_confidence": ("yes", "maybe", "no")[confidence],
                "answer_id": place,
            }
            for place, (answer, confidence) in enumerate(
                zip(given, confident.tolist(), strict=True), start=1
            )
        ],
        "image_id": image_id,
        "answer_type": kind,
        "question_id": question_id,
    }


if __name__ == "__main__":
    write_vqav2(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else OFFICIAL_QUESTIONS)
