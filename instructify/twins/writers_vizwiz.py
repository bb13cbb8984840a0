"""VizWiz-VQA as published: questions as spoken by people who cannot see the picture.

Quirks on purpose: train and val carry the names of the first release (twelve digits, counted on
over the splits), test those of the present one; key order varies; a quarter asks for what is not
there, answered by `unanswerable` or `unsuitable`; `answerable` and `answer_type` disagree at times.
"""

from collections.abc import Iterator
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.heldout import confident_answers, num_evaluated, num_other
from instructify.twins.jsonfiles import write_list
from instructify.twins.language import QA, ten_answers
from instructify.twins.layout import Album, Photo, TwinRequest
from instructify.twins.picture_questions import PICTURE_KINDS, SIGN_KINDS, questions
from instructify.twins.truth import Json
from instructify.twins.world import COLOURS, SHAPES, SIZES, Scene, Thing, scene, sign_scene, single

NO_ANSWERS = ("unanswerable", "unanswerable", "unanswerable", "unsuitable")
_ABSENT_KINDS = ("color", "shape", "place", "size")
_ADDRESSES = ("{}", "{}", "{}", "{} ", "Hi. {}", "{} Thank you.", "Please help me. {}", "{0} {0}")


class _Asked(NamedTuple):
    """A question and whether the picture answers it."""

    qa: QA
    answerable: bool


def write_vizwiz(request: TwinRequest) -> None:
    """Write `Annotations/{train,val,test}.json`; test has questions only."""
    num_train, num_val = num_other(request), num_evaluated(request)
    with Album(request) as album:
        for split, first, num, digits in (
            ("train", 0, num_train, 12),
            ("val", num_train, num_val, 12),
            ("test", 0, num_evaluated(request), 8),
        ):
            names = [f"VizWiz_{split}_{first + nth:0{digits}d}.jpg" for nth in range(num)]
            rows = _rows(request, split, names, album)
            write_list(request.folder / "Annotations" / f"{split}.json", rows)


def _rows(request: TwinRequest, split: str, names: list[str], album: Album) -> Iterator[Json]:
    for index, name in enumerate(names):
        dice = request.dice("questions", split, index)
        draw = sign_scene if dice.chance(0.3) else scene
        shown = draw(request.seed, "vizwiz", f"{split}-{index}", held_out=True)
        album.add(Photo(f"vizwiz/{name}", f"vizwiz/{split}/{name}", shown))
        question = _ask(shown, dice)
        row: dict[str, Json] = {"image": name, "question": _spoken(question.qa.question, dice)}
        if split != "test":
            row = _labelled(row, question, dice)
        yield row


def _ask(shown: Scene, dice: Dice) -> _Asked:
    """Ask for what is there or, once in four, for what is not."""
    if dice.chance(0.25):
        return _Asked(_ask_absent(shown, dice), False)
    kinds = PICTURE_KINDS + (SIGN_KINDS if shown.signs else ())
    # Where no kind that is drawn fits, there is always a background to ask about.
    drawn = questions(shown, dice, 1, kinds) or questions(shown, dice, 1, ("setting",))
    return _Asked(drawn[0], True)


def _ask_absent(shown: Scene, dice: Dice) -> QA:
    """Ask about a thing whose color and shape the picture does not show."""
    colours = [c for c in COLOURS if all(thing.colour != c for thing in shown.things)]
    shapes = [s for s in SHAPES if all(thing.shape != s for thing in shown.things)]
    thing = Thing(dice.pick(colours), dice.pick(shapes), dice.pick(SIZES), 1, 1)
    elsewhere = single(thing, "absent", shown.background, held_out=True)
    while True:
        qa = questions(elsewhere, dice, 1, _ABSENT_KINDS)[0]
        # `the thing in the center` may well be there.
        if "thing in the " not in qa.question:
            return qa


def _spoken(question: str, dice: Dice) -> str:
    if dice.chance(0.3):
        question = question.lower()
    if dice.chance(0.1):
        question = question.removesuffix("?")
    return dice.pick(_ADDRESSES).format(question)


def _labelled(row: dict[str, Json], question: _Asked, dice: Dice) -> dict[str, Json]:
    qa, answerable = question
    answer_type: str = qa.answer_type
    if answerable:
        answers = ten_answers(qa.answer, (*qa.wrong, "unanswerable"), dice)
        if dice.chance(0.06):
            answer_type = "unanswerable"
    else:
        wanted = dice.pick(NO_ANSWERS)
        answers = ten_answers(wanted, (*NO_ANSWERS, qa.answer, *qa.wrong), dice)
        answer_type = qa.answer_type if dice.chance(0.05) else "unanswerable"
    turned = dice.chance(0.5)
    given: list[Json] = [
        {"answer_confidence": sure, "answer": answer}
        if turned
        else {"answer": answer, "answer_confidence": sure}
        for answer, sure in confident_answers(answers, dice)
    ]
    if turned:
        return {
            "answerable": int(answerable),
            **row,
            "answer_type": answer_type,
            "answers": given,
        }
    return {**row, "answers": given, "answer_type": answer_type, "answerable": int(answerable)}
