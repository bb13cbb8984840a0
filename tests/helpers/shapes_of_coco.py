"""The lists of COCO, VQA and LAVIS."""

from pathlib import Path

from shape_files import (
    ANSWERS,
    QUESTION,
    Said,
    dump,
    numbered,
    photos,
    said,
    shape,
)


@shape
def coco_captions(folder: Path) -> list[Said]:
    photos(folder / "val2017", [f"{at:012d}.jpg" for at in range(4)])
    images = [{"id": 100 + at, "file_name": f"{at:012d}.jpg"} for at in range(4)]
    notes = [
        {"id": at, "image_id": 100 + at, "caption": f"A {answer} field"}
        for at, answer in numbered()
    ]
    dump(folder / "captions.json", {"info": {}, "images": images, "annotations": notes})
    return [(None, f"A {answer} field") for answer in ANSWERS]


@shape
def vqa_pair(folder: Path) -> list[Said]:
    photos(folder / "images", [f"COCO_train2014_{at:012d}.jpg" for at in range(4)])
    questions = [{"image_id": at, "question": QUESTION, "question_id": 10 + at} for at in range(4)]
    notes = [
        {"question_id": 10 + at, "answers": [{"answer": answer, "answer_id": 1}] * 3}
        for at, answer in reversed(numbered())
    ]
    dump(folder / "questions.json", {"questions": questions})
    dump(folder / "annotations.json", {"annotations": notes})
    return said()


@shape
def lavis_vqa(folder: Path) -> list[Said]:
    photos(folder / "images")
    rows = [
        {
            "question_id": at,
            "question": QUESTION,
            "answer": [answer, answer, "dark"],
            "image": f"{at}.jpg",
            "dataset": "vqa",
        }
        for at, answer in numbered()
    ]
    dump(folder / "vqa_train.json", rows)
    return said()
