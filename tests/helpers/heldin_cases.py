"""Small files in the layouts of the held-in releases, and how their readers are run on them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reader_help import Outcome, run_reader, write_json

from instructify.readers import READERS
from instructify.readers.base import OptionValue

CAPFILT: dict[str, OptionValue] = {
    "captions": "both",
    "sources": "both",
    "size": "base",
    "per_url": "all",
    "sample": 0,
}
DEFAULTS: dict[str, dict[str, OptionValue]] = {
    "coco_caption": {"split_source": "auto"},
    "web_capfilt": CAPFILT,
    "textcaps": {"ocr_tokens": 30},
    "vqav2": {"target": "most_common"},
    "okvqa": {"target": "most_common"},
    "aokvqa": {"forms": "both", "target": "most_common"},
    "ocr_vqa": {"ocr_tokens": 30},
    "vqav2_qg": {"yes_no": "keep"},
    "okvqa_qg": {"yes_no": "keep"},
    "aokvqa_qg": {"yes_no": "keep"},
    "llava": {},
}
Read = Callable[..., Outcome]


def reader_of(folder: Path) -> Read:
    """Give a function that reads values, by role, written as the release's files."""

    def run(
        name: str,
        files: Mapping[str, object],
        *,
        split: str = "train",
        seed: int = 0,
        **options: OptionValue,
    ) -> Outcome:
        paths = {role: write_json(folder / f"{role}.json", files[role]) for role in files}
        given = {**DEFAULTS[name], **options}
        return run_reader(READERS[name], paths, split=split, options=given, seed=seed)

    return run


def column(outcome: Outcome, name: str) -> list[Any]:
    return [record[name] for record in outcome.records]


def ids(outcome: Outcome) -> list[str]:
    return [record["record_id"].split("/", 2)[2] for record in outcome.records]


def coco_file() -> dict[str, Any]:
    return {
        "info": {"description": "annotations"},
        "images": [
            {"id": 9, "file_name": "a.jpg"},
            {"id": 318219, "file_name": "b.jpg"},
            {"id": 25},
        ],
        "licenses": [],
        "annotations": [
            {"image_id": 318219, "id": 342, "caption": " A bathroom\n with a  toilet. "},
            {"image_id": 9, "id": 1, "caption": "Food."},
            {"image_id": 318219, "id": 343, "caption": "A sink."},
        ],
    }


def karpathy_file() -> dict[str, Any]:
    def picture(number: int, split: str, *texts: str) -> dict[str, Any]:
        sentences = [
            {"tokens": text.split(), "raw": text, "imgid": number, "sentid": 10 * number + index}
            for index, text in enumerate(texts)
        ]
        return {
            "filepath": "val2014",
            "filename": f"COCO_val2014_{number:012d}.jpg",
            "imgid": number,
            "split": split,
            "sentids": [one["sentid"] for one in sentences],
            "sentences": sentences,
            "cocoid": number,
        }

    pictures = [
        picture(1, "test", "One. ", "Uno."),
        picture(2, "train", "Two."),
        picture(3, "restval", "Three. ", "Drei."),
        picture(4, "val", "Four."),
    ]
    return {"images": pictures, "dataset": "coco"}


def vqa_files(*question_ids: int, **answers: list[str]) -> dict[str, Any]:
    """Questions and annotations of VQAv2's shape; the target is the last of ten answers."""
    given = answers.get("answers") or ["tea"] * 4 + ["coffee"] * 6
    questions = [
        {"image_id": number // 1000, "question": f" Which {number}?", "question_id": number}
        for number in question_ids
    ]
    annotations = [
        {
            "question_type": "what",
            "multiple_choice_answer": given[-1],
            "answers": [
                {
                    "answer": text,
                    "raw_answer": text.upper(),
                    "answer_confidence": "yes",
                    "answer_id": 1,
                }
                for text in given
            ],
            "image_id": number // 1000,
            "answer_type": "other",
            "question_id": number,
        }
        for number in question_ids
    ]
    return {
        "questions": {"info": {"questions": []}, "questions": questions, "data_type": "mscoco"},
        "annotations": {"annotations": annotations, "license": {}},
    }


def aokvqa_row(name: str = "22jbM6gDxdaMaunuzgrsBB", **changes: object) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image_id": 461751,
        "question_id": name,
        "question": "What is in the mouth?",
        "choices": ["toothpick", "food", "stick", "cigarette"],
        "correct_choice_idx": 3,
        "direct_answers": ["smoke", "cigarette", "cigarette", "smoke"],
        "difficult_direct_answer": True,
        "rationales": ["He smokes."],
    }
    return {**row, **changes}


def textcaps_row(image: str, number: int, caption: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image_id": image,
        "image_path": f"train/{image}.jpg",
        "caption_id": number,
        "reference_strs": ["one", "two", "three"],
    }
    return row if caption is None else {**row, "caption_str": caption, "caption_tokens": ["<s>"]}


def book(*, split: int = 1, **changes: object) -> dict[str, Any]:
    value: dict[str, Any] = {
        "imageURL": "http://images.example.com/61Y5.gif",
        "questions": ["Who wrote this?", "Is this a games related book?"],
        "answers": ["Sandra Boynton", "No"],
        "title": "Mom's Calendar",
        "authorName": "Sandra Boynton",
        "genre": "Calendars",
        "split": split,
    }
    return {**value, **changes}


def dialogue(*texts: str, image: str = "000000033471.jpg") -> dict[str, Any]:
    turns = [
        {"from": "gpt" if index % 2 else "human", "value": text} for index, text in enumerate(texts)
    ]
    return {"id": "000000033471", "image": image, "conversations": turns}


def pairs(*rows: tuple[str, str]) -> list[dict[str, str]]:
    return [{"url": url, "caption": caption} for url, caption in rows]
