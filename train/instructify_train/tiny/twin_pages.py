"""Make training data of the towers from generated scenes: phrases for a picture, and records.

A theme draws a scene and asks about it as one kind of dataset does. No twin shows these scenes,
and like those of held-in datasets they have no reserved combination. A page depends only on
(seed, index) and its random stream.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from instructify.twins import (
    CLOSED_KINDS,
    KNOWLEDGE_KINDS,
    NUMBERS,
    PICTURE_KINDS,
    PLURALS,
    QA,
    SIGN_KINDS,
    Dice,
    Event,
    Scene,
    captions,
    clip_questions,
    conversation,
    cover,
    detail,
    dialog,
    event,
    meme,
    multiple_choice,
    name,
    place,
    questions,
    reasoning,
    scene,
    sign_scene,
    statement,
)

FAMILY = "towers"
_PER_SCENE = 4
# Kinds that are learned late get one question in four. The place of a thing is named by two words
# that no other kind uses; the other kinds compare two things.
_SLOW_KINDS = ("place", "place", "relation", "same", "more")
_MOST_ROUNDS = 2  # turns of a dialogue's history; more would only make the text longer

Row = Mapping[str, Any]


class Told(NamedTuple):
    """A record to be rendered by a template: values by the field names of the record schema."""

    task: str
    kind: str
    row: Row
    remark: str = ""


class Page(NamedTuple):
    """The phrases that describe a picture, and the questions about it."""

    picture: tuple[str, ...]
    told: Sequence[Told]


def told_of(task: str, kind: str, form: str, **fields: object) -> Told:
    return Told(task, kind, {"form": form, "pictures": ["one"], **fields})


def _open(task: str, qas: Iterable[QA], **fields: object) -> list[Told]:
    out = []
    for qa in qas:
        record = told_of(task, qa.kind, "open", question=qa.question, answer=qa.answer, **fields)
        out.append(record._replace(remark=qa.sentence))
    return out


def _scene(seed: int, index: int | str) -> Scene:
    return scene(seed, FAMILY, index, held_out=False)


def _signs(seed: int, index: int | str) -> Scene:
    return sign_scene(seed, FAMILY, index, held_out=False)


def _phrases(shown: Scene, dice: Dice) -> tuple[str, ...]:
    """Describe a picture: `snow`, `big red circle top left`, `blue sign says open`."""
    phrases = [f"{name(thing, size=True)} {place(thing)}" for thing in shown.things]
    for sign in shown.signs:
        row = ("upper", "middle", "lower")[sign.row]
        phrases.append(f"{row} {sign.colour or 'printed'} sign says {sign.text}")
    return tuple(dice.shuffled([shown.background, *phrases]))


def _words(shown: Scene) -> list[str]:
    return [sign.text for sign in sorted(shown.signs, key=lambda sign: sign.row)]


def _captions(seed: int, index: int | str, dice: Dice) -> Page:
    shown = _scene(seed, index)
    records = [
        told_of("image_captioning", "caption", "caption", answer=text)
        for text in captions(shown, 2, dice)
    ]
    return Page(_phrases(shown, dice), records)


def _reading_captions(seed: int, index: int | str, dice: Dice) -> Page:
    shown = _signs(seed, index)
    words = _words(shown)
    records = [
        told_of("image_captioning_reading", "caption", "caption", answer=text, ocr_tokens=words)
        for text in captions(shown, 2, dice)
    ]
    return Page(_phrases(shown, dice), records)


def _picture_questions(seed: int, index: int | str, dice: Dice) -> Page:
    shown = _scene(seed, index)
    asked = questions(shown, dice, _PER_SCENE - 1)
    asked += [
        question for question in questions(shown, dice, 1, _SLOW_KINDS) if question not in asked
    ]
    return Page(_phrases(shown, dice), _open("image_qa", asked))


def _closed_questions(seed: int, index: int | str, dice: Dice) -> Page:
    """Make questions of the kinds of GQA, VSR and IconQA."""
    shown = _scene(seed, index)
    task = "visual_reasoning"
    records = _open(task, questions(shown, dice, 2, CLOSED_KINDS))
    said = statement(shown, dice)
    if said is not None:
        answer = "yes" if said.truth else "no"
        record = told_of(task, "statement", "binary", question=said.text, answer=answer)
        records.append(record._replace(remark=f"It is {str(said.truth).lower()}: {answer}."))
    for qa in questions(shown, dice, 1, ("count", "color", "shape", "more", "setting")):
        records.append(_choice(task, qa, dice))
    return Page(_phrases(shown, dice), records)


def _choice(task: str, qa: QA, dice: Dice, **fields: object) -> Told:
    choices = multiple_choice(qa.answer, qa.wrong, dice, 2 + dice.below(4))
    record = told_of(
        task,
        f"{qa.kind} of choices",
        "multiple_choice",
        question=qa.question,
        answer=qa.answer,
        choices=list(choices.texts),
        **fields,
    )
    return record._replace(remark=qa.sentence)


def _knowledge(seed: int, index: int | str, dice: Dice) -> Page:
    """Make questions of the kinds of OK-VQA, A-OKVQA and ScienceQA."""
    shown = _scene(seed, index)
    asked = questions(shown, dice, _PER_SCENE, KNOWLEDGE_KINDS)
    records = _open("knowledge_qa", asked[:2])
    hint = "Look at the picture." if dice.chance(0.3) else ""
    records += [_choice("knowledge_qa", qa, dice, context=hint) for qa in asked[2:]]
    return Page(_phrases(shown, dice), records)


def _reading(seed: int, index: int | str, dice: Dice) -> Page:
    shown = _signs(seed, index)
    asked = questions(shown, dice, _PER_SCENE, SIGN_KINDS)
    return Page(_phrases(shown, dice), _open("image_qa_reading", asked, ocr_tokens=_words(shown)))


def _covers(seed: int, index: int | str, dice: Dice) -> Page:
    shown = cover(seed, f"{FAMILY}-{index}")
    words = list(shown.words)
    records = [
        told_of(
            "image_qa_reading",
            "cover",
            "open",
            question=qa.question,
            answer=qa.answer,
            ocr_tokens=words,
        )
        for qa in dice.some(shown.questions, _PER_SCENE)
    ]
    return Page(_phrases(shown.scene, dice), records)


def _question_generation(seed: int, index: int | str, dice: Dice) -> Page:
    shown = _scene(seed, index)
    kinds = KNOWLEDGE_KINDS if dice.chance(0.4) else PICTURE_KINDS
    records = [
        told_of(
            "question_generation",
            "question_generation",
            "question_generation",
            question=qa.question,
            answer=qa.answer,
        )
        for qa in questions(shown, dice, 2, kinds)
    ]
    return Page(_phrases(shown, dice), records)


def _clips(seed: int, index: int | str, dice: Dice) -> Page:
    shown = event(seed, FAMILY, index, held_out=False)
    records = [
        told_of("video_qa", "clip", "open", question=qa.question, answer=qa.answer)
        for qa in clip_questions(shown, dice, _PER_SCENE)
    ]
    return Page(_event_phrases(shown), records)


def _event_phrases(shown: Event) -> tuple[str, ...]:
    """Describe a clip: `sand`, `two red circles`, `moving left`, `changing to blue`."""
    actor, num = shown.actor, shown.num_actors
    noun = f"{actor.colour} {actor.shape if num == 1 else PLURALS[actor.shape]}"
    doing = shown.action
    if shown.way is not None:
        doing += f" {shown.way}"
    if shown.becomes is not None:
        doing += f" to {shown.becomes}"
    if shown.moment is not None:
        doing += f" at the {shown.moment}"
    return (shown.start.background, f"{NUMBERS[num]} {noun}", doing)


def _dialogues(seed: int, index: int | str, dice: Dice) -> Page:
    shown = _scene(seed, index)
    caption = captions(shown, 1, dice)[0].removesuffix(".").lower()
    rounds = dialog(shown, dice, rounds=3, num_options=2)
    records = [
        told_of(
            "visual_dialog",
            "dialog",
            "dialog",
            question=round_.question,
            answer=round_.answer,
            caption=caption,
            history=[{"question": r.question, "answer": r.answer} for r in rounds[:nth]],
        )
        for nth, round_ in enumerate(rounds[: _MOST_ROUNDS + 1])
    ]
    return Page(_phrases(shown, dice), dice.some(records, 2))


def _memes(seed: int, index: int | str, dice: Dice) -> Page:
    turn = 0
    while (shown := meme(seed, f"{FAMILY}-{index}-{turn}")).scene.novel:
        turn += 1  # only the twins of held-out datasets have reserved combinations
    answer = "yes" if shown.label else "no"
    records = [told_of("image_classification", "meme", "binary", text=shown.text, answer=answer)]
    return Page(_phrases(shown.scene, dice), records)


def _talks(seed: int, index: int | str, dice: Dice) -> Page:
    """Make conversations of the kinds of LLaVA-Instruct's three parts."""
    shown = _scene(seed, index)
    turns = conversation(shown, dice, _MOST_ROUNDS + 1)
    records = [
        told_of(
            "llava_instruct",
            "conversation",
            "conversation",
            question=turn.human,
            answer=turn.assistant,
            history=[{"question": t.human, "answer": t.assistant} for t in turns[:nth]],
        )
        for nth, turn in enumerate(turns)
    ]
    for kind, dialogue in (("detail", detail(shown, dice)), ("reasoning", reasoning(shown, dice))):
        records.append(
            told_of(
                "llava_instruct",
                kind,
                "conversation",
                question=dialogue.human,
                answer=dialogue.assistant,
            )
        )
    return Page(_phrases(shown, dice), dice.some(records, 2))


class Theme(NamedTuple):
    """A kind of question about a scene, and its share of all scenes."""

    weight: int
    page: Callable[[int, int | str, Dice], Page]


THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "picture_questions": Theme(30, _picture_questions),
        "closed_questions": Theme(12, _closed_questions),
        "knowledge": Theme(12, _knowledge),
        "captions": Theme(8, _captions),
        "reading_captions": Theme(4, _reading_captions),
        "reading": Theme(6, _reading),
        "covers": Theme(4, _covers),
        "question_generation": Theme(4, _question_generation),
        "clips": Theme(5, _clips),
        "dialogues": Theme(6, _dialogues),
        "memes": Theme(3, _memes),
        "talks": Theme(6, _talks),
    }
)
