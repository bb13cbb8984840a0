"""The twins of OK-VQA and A-OKVQA: questions about COCO photographs that need a fact beside the
look.

Quirks on purpose: OK-VQA's answers come in pairs, its `answer` is a stem of `raw_answer`, and
nothing names the right one; A-OKVQA's ids are strings, its test rows lack the labels altogether,
and now and then a choice stands twice.
"""

from collections.abc import Iterator

from instructify.twins.dice import Dice
from instructify.twins.facts import FOODS, NATURE, OBJECTS, TOOLS
from instructify.twins.jsonfiles import JsonObject, write_list, write_text
from instructify.twins.language import QA, Choices, multiple_choice
from instructify.twins.layout import Album, CocoPhoto, TwinRequest, coco_photo
from instructify.twins.picture_questions import KNOWLEDGE_KINDS, questions
from instructify.twins.truth import Json
from instructify.twins.writers_vqa import LICENCE, confidence, ten_people

# OK-VQA's question types that our kinds of question fall under, in its words.
_QUESTION_TYPES = {
    "one": "Vehicles and Transportation",
    "two": "Brands, Companies and Products",
    "three": "Objects, Material and Clothing",
    "four": "Sports and Recreation",
    "five": "Cooking and Food",
    "six": "Geography, History, Language and Culture",
    "seven": "People and Everyday life",
    "eight": "Plants and Animals",
    "nine": "Science and Technology",
    "ten": "Weather and Climate",
    "other": "Other",
}
_TYPE_OF_KIND = {
    "food": "five",
    "nature": "eight",
    "object": "three",
    "sides": "nine",
    "tool": "ten",
}
# How many of five people give which answer: 0 is the right one, others are wrong ones.
_FIVE = ((0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 1, 1), (0, 0, 0, 1, 2), (0, 0, 1, 1, 2))
_FIVE_WEIGHTS = (8, 5, 3, 3, 1)
_ID_SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Wrong choices where the picture offers fewer than three.
_FILLERS = {
    "food": tuple(FOODS.values()),
    "nature": tuple(NATURE.values()),
    "object": tuple(OBJECTS.values()),
    "sides": ("0", "3", "4", "12", "5", "6"),
    "tool": (*TOOLS.values(), "hammer", "spoon"),
}


def write_okvqa(request: TwinRequest) -> None:
    """Write questions and annotations of train and val."""
    with Album(request) as album:
        _write_okvqa_split(request, album, "train2014", request.num_train)
        _write_okvqa_split(request, album, "val2014", request.num_val)


def write_aokvqa(request: TwinRequest) -> None:
    """Write the three question files and the two vocabularies."""
    sizes = {"train": request.num_train, "val": request.num_val, "test": request.num_test}
    pools = {"train": "train2014", "val": "val2014", "test": "test2015"}
    with Album(request) as album:
        for split, num in sizes.items():
            path = request.folder / f"aokvqa_v1p0_{split}.json"
            write_list(path, _aokvqa_rows(request, album, split, pools[split], num))
    large = sorted({text for texts in _FILLERS.values() for text in texts})
    right = sorted({*FOODS.values(), *NATURE.values(), *OBJECTS.values(), *TOOLS.values()})
    write_text(request.folder / "large_vocab_train.csv", (f"{text}\n" for text in large))
    write_text(request.folder / "specialized_vocab_train.csv", (f"{text}\n" for text in right))


def _write_okvqa_split(request: TwinRequest, album: Album, subset: str, num: int) -> None:
    asked = request.folder / f"OpenEnded_mscoco_{subset}_questions.json"
    answered = request.folder / f"mscoco_{subset}_annotations.json"
    info: Json = {"year": 2019, "version": "1.0", "description": "Twin of OK-VQA."}
    with JsonObject(asked) as ask, JsonObject(answered) as answer:
        for file in (ask, answer):
            file.put("license", LICENCE)
            file.put("data_subtype", subset)
        ask.put("task_type", "Open-Ended")
        ask.start("questions")
        answer.put("question_types", _QUESTION_TYPES)
        answer.start("annotations")
        for index in range(num):
            photo = coco_photo(request.seed, subset, index)
            album.add(photo.photo)
            dice = request.dice("questions", subset, index)
            wanted = 2 if dice.chance(0.1) else 1
            for at, qa in enumerate(questions(photo.photo.scene, dice, wanted, KNOWLEDGE_KINDS)):
                ask.row(_okvqa_question(photo, qa, at))
                answer.row(_okvqa_annotation(photo, qa, at, dice))
        for file in (ask, answer):
            file.put("info", info)
            file.put("data_type", "mscoco")


def _okvqa_id(photo: CocoPhoto, at: int) -> int:
    return photo.image_id * 10 + 5 + at


def _okvqa_question(photo: CocoPhoto, qa: QA, at: int) -> Json:
    return {
        "image_id": photo.image_id,
        "question": qa.question,
        "question_id": _okvqa_id(photo, at),
    }


def _okvqa_annotation(photo: CocoPhoto, qa: QA, at: int, dice: Dice) -> Json:
    answers = [answer for answer in _five_people(qa, dice) for _ in range(2)]
    return {
        "image_id": photo.image_id,
        "answer_type": "other",
        "question_type": _TYPE_OF_KIND[qa.kind],
        "question_id": _okvqa_id(photo, at),
        "answers": [
            {
                "answer_id": number,
                "raw_answer": answer,
                "answer_confidence": confidence(answer == qa.answer, dice),
                "answer": stem(answer),
            }
            for number, answer in enumerate(answers, 1)
        ],
        "confidence": 3 + dice.below(3),
    }


def _five_people(qa: QA, dice: Dice) -> list[str]:
    """Give five answers, the right one most often; in a tie it comes first."""
    given = dice.weighted(_FIVE, _FIVE_WEIGHTS)
    texts = [qa.answer, *dice.some(qa.wrong, 2)]
    answers = [texts[min(which, len(texts) - 1)] for which in given]
    order = dice.shuffled(answers)
    if order.count(qa.answer) > 2:
        return order
    return sorted(order, key=qa.answer.__ne__)


def stem(text: str) -> str:
    """Cut the endings of words as OK-VQA's `answer` does, roughly after Porter."""
    return " ".join(_stem_word(word) for word in text.split())


def _stem_word(word: str) -> str:
    if len(word) < 4:
        return word
    if word.endswith("y"):
        return word[:-1] + "i"
    return word.removesuffix("s").removesuffix("e")


def _aokvqa_rows(
    request: TwinRequest, album: Album, split: str, pool: str, num: int
) -> Iterator[Json]:
    for index in range(num):
        photo = coco_photo(request.seed, pool, index)
        album.add(photo.photo)
        dice = request.dice("questions", split, index)
        wanted = 2 if dice.chance(0.1) else 1
        for qa in questions(photo.photo.scene, dice, wanted, KNOWLEDGE_KINDS):
            yield _aokvqa_row(photo, qa, split, dice)


def _aokvqa_row(photo: CocoPhoto, qa: QA, split: str, dice: Dice) -> Json:
    question_id = "".join(dice.pick(_ID_SIGNS) for _ in range(22))
    choices = _four_choices(qa, dice)
    head: dict[str, Json] = {
        "split": split,
        "image_id": photo.image_id,
        "question_id": question_id,
        "question": qa.question,
        "choices": choices.texts,
    }
    difficult = dice.chance(0.06)
    if split == "test":
        return head | {"difficult_direct_answer": difficult}
    return head | {
        "correct_choice_idx": choices.right,
        "direct_answers": ten_people(qa, dice),
        "difficult_direct_answer": difficult,
        "rationales": [qa.why, qa.sentence, f"{qa.why} {qa.sentence}"],
    }


def _four_choices(qa: QA, dice: Dice) -> Choices:
    """Lay out four choices; one question in a hundred has a wrong one twice."""
    others = [text for text in _FILLERS[qa.kind] if text != qa.answer and text not in qa.wrong]
    wrong = [*dice.some(qa.wrong, 3), *dice.some(others, 3)][:3]
    if dice.chance(0.01):
        texts = dice.shuffled([qa.answer, wrong[0], wrong[0], wrong[1]])
        return Choices(tuple(texts), texts.index(qa.answer))
    return multiple_choice(qa.answer, wrong, dice)
