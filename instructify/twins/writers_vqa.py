"""The twin of VQAv2: questions about COCO photographs with the answers of ten people.

The right answer is always a most frequent one. Quirks on purpose: ties, and doubts in
`answer_confidence`. Files are streamed, so that the official size can be written in bounded memory.
"""

from collections.abc import Sequence
from pathlib import Path

from instructify.twins.dice import Dice
from instructify.twins.jsonfiles import JsonObject
from instructify.twins.language import QA, ten_answers
from instructify.twins.layout import Album, CocoPhoto, TwinRequest, coco_photo
from instructify.twins.picture_questions import questions
from instructify.twins.truth import Json

# Official numbers of questions and photographs; a twin of the official size has exactly as many
# questions.
_RATIO = {
    "train2014": (443_757, 82_783),
    "val2014": (214_354, 40_504),
    "test2015": (447_793, 81_434),
}
LICENCE: Json = {"url": "http://twin.invalid/licence", "name": "Generated, no rights reserved"}
QUESTION_TYPES = (
    *("how many", "what color is the", "what color", "what is the", "what is", "what shape"),
    *("what does the", "what kind of", "what", "where is the", "where", "which", "is there a"),
    *("is there", "is the", "is this", "is", "are the", "are there", "are", "do", "does the"),
    *("can you", "is it", "in"),
)


def write_vqav2(request: TwinRequest) -> None:
    """Write the four question files and the annotations of train and val."""
    with Album(request) as album:
        _write_split(request, album, "train2014", request.num_train)
        _write_split(request, album, "val2014", request.num_val)
        _write_test(request, album)


def _write_split(request: TwinRequest, album: Album, subset: str, num: int) -> None:
    questions_path = request.folder / f"v2_OpenEnded_mscoco_{subset}_questions.json"
    answered = request.folder / f"v2_mscoco_{subset}_annotations.json"
    with _questions_file(questions_path, subset) as ask, JsonObject(answered) as answer:
        answer.put("info", _info())
        answer.put("license", LICENCE)
        answer.put("data_subtype", subset)
        answer.start("annotations")
        for index in range(num):
            photo = coco_photo(request.seed, subset, index)
            album.add(photo.photo)
            for at, qa in enumerate(_asked(request, photo, subset, index)):
                ask.row(_question(photo, qa, at))
                dice = request.dice("people", subset, index, at)
                answer.row(_annotation(photo, qa, at, dice))
        answer.put("data_type", "mscoco")


def _write_test(request: TwinRequest, album: Album) -> None:
    """Write test, and test-dev as every fourth photograph of it."""
    folder = request.folder
    whole = folder / "v2_OpenEnded_mscoco_test2015_questions.json"
    part = folder / "v2_OpenEnded_mscoco_test-dev2015_questions.json"
    with _questions_file(whole, "test2015") as test, _questions_file(part, "test-dev2015") as dev:
        for index in range(request.num_test):
            photo = coco_photo(request.seed, "test2015", index)
            album.add(photo.photo)
            for at, qa in enumerate(_asked(request, photo, "test2015", index)):
                test.row(_question(photo, qa, at))
                if index % 4 == 0:
                    dev.row(_question(photo, qa, at))


def _asked(request: TwinRequest, photo: CocoPhoto, subset: str, index: int) -> list[QA]:
    """Ask 5 or 6 questions: together as many as the official files for as many photographs."""
    num_questions, num_photos = _RATIO[subset]
    num = (index + 1) * num_questions // num_photos - index * num_questions // num_photos
    return questions(photo.photo.scene, request.dice("questions", subset, index), num)


def question_kinds(request: TwinRequest, subset: str, num: int) -> dict[int, str]:
    """Name the kind of each question about the first `num` photographs of a split, by its id."""
    kinds = {}
    for index in range(num):
        photo = coco_photo(request.seed, subset, index)
        for at, qa in enumerate(_asked(request, photo, subset, index)):
            kinds[_question_id(photo, at)] = qa.kind
    return kinds


def ten_people(qa: QA, dice: Dice) -> list[str]:
    """Give ten answers; in one case of 25 a wrong answer is as frequent as the right one."""
    if not qa.wrong or not dice.chance(0.04):
        return ten_answers(qa.answer, qa.wrong, dice)
    rival, *others = dice.some(qa.wrong, 3)
    # With two more wrong answers at hand the tie is at four, otherwise it is five against five.
    stray = others if len(others) == 2 else [qa.answer, rival]
    return dice.shuffled([qa.answer, rival] * 4 + stray)


def confidence(right: bool, dice: Dice) -> str:
    """Say how sure a person was: those who are wrong doubt more often."""
    return dice.weighted(("yes", "maybe", "no"), (88, 11, 1) if right else (55, 38, 7))


def question_type(question: str) -> str:
    """Name VQA's question type: the longest known opening of the question."""
    text = question.lower() + " "
    openings = [opening for opening in QUESTION_TYPES if text.startswith(opening + " ")]
    return max(openings, key=len) if openings else "none of the above"


def answer_rows(answers: Sequence[str], right: str, dice: Dice) -> list[Json]:
    """Lay out answers as VQAv2 does, numbered from 1."""
    return [
        {
            "answer": answer,
            "answer_confidence": confidence(answer == right, dice),
            "answer_id": number,
        }
        for number, answer in enumerate(answers, 1)
    ]


def _question_id(photo: CocoPhoto, at: int) -> int:
    return photo.image_id * 1000 + at


def _annotation(photo: CocoPhoto, qa: QA, at: int, dice: Dice) -> Json:
    return {
        "question_type": question_type(qa.question),
        "multiple_choice_answer": qa.answer,
        "answers": answer_rows(ten_people(qa, dice), qa.answer, dice),
        "image_id": photo.image_id,
        "answer_type": qa.answer_type,
        "question_id": _question_id(photo, at),
    }


def _question(photo: CocoPhoto, qa: QA, at: int) -> Json:
    return {
        "image_id": photo.image_id,
        "question": qa.question,
        "question_id": _question_id(photo, at),
    }


def _questions_file(path: Path, subset: str) -> JsonObject:
    file = JsonObject(path)
    file.put("info", _info())
    file.put("task_type", "Open-Ended")
    file.put("data_type", "mscoco")
    file.put("license", LICENCE)
    file.put("data_subtype", subset)
    file.start("questions")
    return file


def _info() -> Json:
    return {
        "description": "Twin of VQA v2.0",
        "url": "http://twin.invalid",
        "version": "2.0",
        "year": 2017,
        "contributor": "generated",
        "date_created": "2017-01-01 00:00:00",
    }
