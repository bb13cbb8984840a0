"""NoCaps and TextVQA as their authors publish them: two releases on photographs of Open Images.

Quirks on purpose: NoCaps counts pictures from 0 and its test file has no captions; TextVQA keeps
val pictures in `train_images`, its OCR in files of their own, answers with trailing blanks and
sentinels among the ten.
"""

from collections.abc import Iterator

from instructify.twins.dice import Dice
from instructify.twins.heldout import bare_words, num_evaluated, num_other, untidy
from instructify.twins.jsonfiles import JsonObject
from instructify.twins.language import QA, captions, ten_answers
from instructify.twins.layout import (
    PICTURE_SIZE,
    Album,
    Photo,
    TwinRequest,
    open_images_photo,
)
from instructify.twins.picture_questions import SIGN_KINDS, questions
from instructify.twins.truth import Json
from instructify.twins.world import RESERVED_PAIRS, Scene, sign_box

NUM_CAPTIONS = 10
_SENTINELS = (
    "unanswerable",
    "not a question",
    "answering does not require reading text in the image",
)


def write_nocaps(request: TwinRequest) -> None:
    """Write the captions of val and the picture list of test."""
    num_val, num_test = num_evaluated(request), num_other(request)
    with Album(request) as album:
        with JsonObject(request.folder / "nocaps_val_4500_captions.json") as file:
            _start_nocaps(file, "validation")
            file.start("images")
            for index in range(num_val):
                photo = open_images_photo(request.seed, "nocaps_val", index, signs=False)
                album.add(photo)
                file.row(_nocaps_image(photo, index) | {"domain": domain(photo.scene)})
            file.rows("annotations", _nocaps_captions(request, num_val))
        with JsonObject(request.folder / "nocaps_test_image_info.json") as file:
            _start_nocaps(file, "test")
            file.start("images")
            for index in range(num_test):
                photo = open_images_photo(request.seed, "nocaps_test", index, signs=False)
                album.add(photo)
                file.row(_nocaps_image(photo, num_val + index))


def write_textvqa(request: TwinRequest) -> None:
    """Write questions and OCR tokens of the three splits; the answers of test are kept back."""
    question_id = 0
    with Album(request) as album:
        for split, pool, num in (
            ("train", "textcaps_train", num_other(request)),
            ("val", "textvqa_val", num_evaluated(request)),
            ("test", "textvqa_test", num_other(request)),
        ):
            with JsonObject(request.folder / f"TextVQA_0.5.1_{split}.json") as file:
                _start_textvqa(file, split, "0.5.1")
                for index in range(num):
                    photo = open_images_photo(request.seed, pool, index)
                    album.add(photo)
                    dice = request.dice("questions", split, index)
                    for qa in questions(photo.scene, dice, 1 + dice.below(3), SIGN_KINDS):
                        file.row(_textvqa_row(photo, qa, split, question_id, dice))
                        question_id += 1
            with JsonObject(request.folder / f"TextVQA_Rosetta_OCR_v0.2_{split}.json") as file:
                _start_textvqa(file, split, "0.2")
                for index in range(num):
                    photo = open_images_photo(request.seed, pool, index)
                    file.row(_ocr_row(photo, request.dice("ocr", split, index)))


def domain(scene: Scene) -> str:
    """Sort a scene as NoCaps does, by how many of its things the held-in sets never show."""
    novel = sum(thing.pair in RESERVED_PAIRS for thing in scene.things)
    if novel == 0:
        return "in-domain"
    return "out-domain" if novel == len(scene.things) else "near-domain"


def _start_nocaps(file: JsonObject, name: str) -> None:
    file.put("licenses", [])
    file.put(
        "info",
        {
            "url": "http://nocaps.org",
            "date_created": "2018/11/06",
            "version": "0.1",
            "description": f"nocaps {name} dataset",
            "contributor": "instructify twin",
            "year": 2018,
        },
    )


def _nocaps_image(photo: Photo, image_id: int) -> dict[str, Json]:
    name = _hex_name(photo)
    return {
        "id": image_id,
        "open_images_id": name,
        "height": PICTURE_SIZE,
        "width": PICTURE_SIZE,
        "coco_url": f"https://nocaps.example/{photo.file.removeprefix('nocaps/')}",
        "file_name": f"{name}.jpg",
        "license": 0,
        "date_captured": "2018-11-06 11:04:33",
    }


def _nocaps_captions(request: TwinRequest, num: int) -> Iterator[Json]:
    for image_id in range(num):
        photo = open_images_photo(request.seed, "nocaps_val", image_id, signs=False)
        dice = request.dice("captions", image_id)
        for nth, caption in enumerate(captions(photo.scene, NUM_CAPTIONS, dice)):
            yield {
                "image_id": image_id,
                "id": NUM_CAPTIONS * image_id + nth,
                "caption": untidy(caption, dice),
            }


def _start_textvqa(file: JsonObject, split: str, version: str) -> None:
    file.put("dataset_type", split)
    file.put("dataset_name", "textvqa")
    file.put("dataset_version", version)
    file.start("data")


def _textvqa_row(photo: Photo, qa: QA, split: str, question_id: int, dice: Dice) -> dict[str, Json]:
    name = _hex_name(photo)
    question = qa.question.lower()
    row: dict[str, Json] = {
        "question": question,
        "question_tokens": bare_words(question),
        "image_id": name,
        "image_classes": ["Sign", *dict.fromkeys(t.shape.title() for t in photo.scene.things)],
        "flickr_original_url": f"https://flickr.example/{name}_o.jpg",
        "flickr_300k_url": f"https://flickr.example/{name}_z.jpg",
        "image_width": PICTURE_SIZE,
        "image_height": PICTURE_SIZE,
        "question_id": question_id,
        "set_name": split,
    }
    if split != "test":
        row["answers"] = _typed_answers(qa, dice)
    return row


def _typed_answers(qa: QA, dice: Dice) -> list[str]:
    """Give ten answers as people type them; a sentinel or a trailing blank is among a few."""
    answers = ten_answers(qa.answer, qa.wrong, dice)
    for place, answer in enumerate(answers):
        if answer != qa.answer and dice.chance(0.15):
            answers[place] = dice.pick(_SENTINELS)
        elif dice.chance(0.04):
            answers[place] = answer + " "
    return answers


def _ocr_row(photo: Photo, dice: Dice) -> dict[str, Json]:
    """List the words as a reader of pictures finds them: now and then one is missed or misread."""
    info: list[Json] = []
    words: list[str] = []
    for sign in sorted(photo.scene.signs, key=lambda sign: sign.row):
        if dice.chance(0.04):
            continue
        words.append(sign.text[:-1] if dice.chance(0.04) else sign.text)
        box = sign_box(sign)
        bounding_box: dict[str, Json] = {
            "top_left_x": round(box.left, 4),
            "top_left_y": round(box.top, 4),
            "width": round(box.width, 4),
            "height": round(box.height, 4),
            "rotation": 0.0,
            "yaw": 0,
            "roll": 0,
            "pitch": 0,
        }
        info.append({"word": words[-1], "bounding_box": bounding_box})
    return {"image_id": _hex_name(photo), "ocr_tokens": words, "ocr_info": info}


def _hex_name(photo: Photo) -> str:
    return photo.key.rpartition("/")[2]
