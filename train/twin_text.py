"""The twins as text: words that stand for a picture, an instruction, its response.

Every task of the 26 datasets is told here in the wordings of the templates, about generated scenes
of a family of their own that no twin shows; like held-in sets, they never show a reserved
combination. A text is a pure function of (seed, index). Nothing is painted, nothing is written.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from instructify.catalog import load_catalog
from instructify.resources import find
from instructify.templates import Template, TemplateSet, load_templates, render_row
from instructify.twins.covers import cover
from instructify.twins.dice import Dice
from instructify.twins.events import Event, clip_questions, event
from instructify.twins.language import (
    NUMBERS,
    PLURALS,
    QA,
    captions,
    multiple_choice,
    name,
    place,
)
from instructify.twins.questions import (
    CLOSED_KINDS,
    KNOWLEDGE_KINDS,
    PICTURE_KINDS,
    SIGN_KINDS,
    questions,
)
from instructify.twins.statements import meme, statement
from instructify.twins.talks import conversation, detail, dialog, reasoning
from instructify.twins.world import Scene, scene, sign_scene

FAMILY = "towers"
_PER_SCENE = 4
# Kinds that are learnt late: one question in four is theirs. Where a thing lies takes two words,
# which nothing else teaches; the others compare two things.
_SLOW_KINDS = ("place", "place", "relation", "same", "more")
_MOST_ROUNDS = 2  # of a dialogue's history: longer ones only make the text longer
# What is asked is learnt sooner where no words stand around it.
_BARE, _BARE_RATE = "question-alone", 0.4
_JINJA = re.compile(r"\{[{%].*?[%}]\}")

Row = Mapping[str, Any]


class Lesson(NamedTuple):
    """One thing asked about a picture; `picture` has a phrase for each thing that it shows.

    `kind` is the twins' kind of question where there is one, else the task. `remark` is a sentence
    about the picture that settles the question, "" where the twins have none.
    """

    picture: tuple[str, ...]
    kind: str
    instruction: str
    response: str
    remark: str


class _Told(NamedTuple):
    """A record before a template words it: fields by the names of the record schema."""

    task: str
    kind: str
    row: Row
    remark: str = ""


class _Page(NamedTuple):
    """A picture in phrases and what is asked about it."""

    picture: tuple[str, ...]
    told: Sequence[_Told]


def lessons(seed: int, index: int | str) -> list[Lesson]:
    """Draw a scene and ask up to four things about it, all of one task or two."""
    dice = Dice("lesson text", seed, index)
    return _worded(_THEMES[dice.weighted(_NAMES, _WEIGHTS)].page(seed, index, dice), dice)


def asked(question: str, dice: Dice) -> str:
    """Put a question about a picture into the words of a template."""
    told = _told("image_qa", "", "open", question=question, answer="yes")
    return _worded(_Page((), [told]), dice)[0].instruction


def corpus(num_scenes: int = 600) -> list[str]:
    """List the texts that tokenizers are trained on: lessons of all themes, bare templates."""
    texts: list[str] = []
    for index in range(num_scenes):
        name = _NAMES[index % len(_NAMES)]  # each theme comes, however few scenes there are
        where = f"corpus-{index}"
        dice = Dice("corpus", 0, where)
        page = _THEMES[name].page(0, where, dice)
        texts += page.picture
        for lesson in _worded(page, dice):
            texts += (lesson.instruction, lesson.response)
    return texts + list(_bare_templates())


def _bare_templates() -> Iterable[str]:
    """Give the words of all templates without their fields, and those that a prefix may hold."""
    for template in _templates().templates:
        for text in (template.instruction, template.response, template.qformer_instruction or ""):
            yield _JINJA.sub(" ", text)
    catalog = load_catalog()
    for task in catalog.tasks.values():
        yield task.title
    for dataset in catalog.datasets.values():
        yield dataset.title


@lru_cache(maxsize=1)
def _templates() -> TemplateSet:
    return load_templates(find("templates"))


def _worded(page: _Page, dice: Dice) -> list[Lesson]:
    out = []
    for task, kind, row, remark in page.told:
        fitting = _fitting(task, row["form"], frozenset(k for k in row if row[k]))
        bare = [template for template in fitting if template.id == _BARE]
        template = dice.pick(bare if bare and dice.chance(_BARE_RATE) else fitting)
        text = render_row(template, row)
        out.append(Lesson(page.picture, kind, text.instruction, text.response or "", remark))
    return out


@lru_cache(maxsize=256)
def _fitting(task: str, form: str, present: frozenset[str]) -> tuple[Template, ...]:
    """List the templates of a task for a record that has these fields."""
    return tuple(
        template
        for template in _templates().for_task(task)
        if form in template.forms
        and present.issuperset(template.requires)
        and present.isdisjoint(template.excludes)
    )


def _told(task: str, kind: str, form: str, **fields: object) -> _Told:
    return _Told(task, kind, {"form": form, "pictures": ["one"], **fields})


def _open(task: str, qas: Iterable[QA], **fields: object) -> list[_Told]:
    out = []
    for qa in qas:
        told = _told(task, qa.kind, "open", question=qa.question, answer=qa.answer, **fields)
        out.append(told._replace(remark=qa.sentence))
    return out


def _scene(seed: int, index: int | str) -> Scene:
    return scene(seed, FAMILY, index, held_out=False)


def _signs(seed: int, index: int | str) -> Scene:
    return sign_scene(seed, FAMILY, index, held_out=False)


def _phrases(shown: Scene, dice: Dice) -> tuple[str, ...]:
    """Say what a picture shows: `snow`, `big red circle top left`, `blue sign says open`."""
    phrases = [f"{name(thing, size=True)} {place(thing)}" for thing in shown.things]
    for sign in shown.signs:
        row = ("upper", "middle", "lower")[sign.row]
        phrases.append(f"{row} {sign.colour or 'printed'} sign says {sign.text}")
    return tuple(dice.shuffled([shown.background, *phrases]))


def _words(shown: Scene) -> list[str]:
    return [sign.text for sign in sorted(shown.signs, key=lambda sign: sign.row)]


def _captions(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = _scene(seed, index)
    told = [
        _told("image_captioning", "caption", "caption", answer=text)
        for text in captions(shown, 2, dice)
    ]
    return _Page(_phrases(shown, dice), told)


def _reading_captions(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = _signs(seed, index)
    words = _words(shown)
    told = [
        _told("image_captioning_reading", "caption", "caption", answer=text, ocr_tokens=words)
        for text in captions(shown, 2, dice)
    ]
    return _Page(_phrases(shown, dice), told)


def _picture_questions(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = _scene(seed, index)
    asked = questions(shown, dice, _PER_SCENE - 1)
    asked += [one for one in questions(shown, dice, 1, _SLOW_KINDS) if one not in asked]
    return _Page(_phrases(shown, dice), _open("image_qa", asked))


def _closed_questions(seed: int, index: int | str, dice: Dice) -> _Page:
    """Ask as GQA, VSR and IconQA do."""
    shown = _scene(seed, index)
    task = "visual_reasoning"
    told = _open(task, questions(shown, dice, 2, CLOSED_KINDS))
    said = statement(shown, dice)
    if said is not None:
        answer = "yes" if said.truth else "no"
        one = _told(task, "statement", "binary", question=said.text, answer=answer)
        told.append(one._replace(remark=f"It is {str(said.truth).lower()}: {answer}."))
    for qa in questions(shown, dice, 1, ("count", "color", "shape", "more", "setting")):
        told.append(_choice(task, qa, dice))
    return _Page(_phrases(shown, dice), told)


def _choice(task: str, qa: QA, dice: Dice, **fields: object) -> _Told:
    choices = multiple_choice(qa.answer, qa.wrong, dice, 2 + dice.below(4))
    told = _told(
        task,
        f"{qa.kind} of choices",
        "multiple_choice",
        question=qa.question,
        answer=qa.answer,
        choices=list(choices.texts),
        **fields,
    )
    return told._replace(remark=qa.sentence)


def _knowledge(seed: int, index: int | str, dice: Dice) -> _Page:
    """Ask as OK-VQA, A-OKVQA and ScienceQA do."""
    shown = _scene(seed, index)
    asked = questions(shown, dice, _PER_SCENE, KNOWLEDGE_KINDS)
    told = _open("knowledge_qa", asked[:2])
    hint = "Look at the picture." if dice.chance(0.3) else ""
    told += [_choice("knowledge_qa", qa, dice, context=hint) for qa in asked[2:]]
    return _Page(_phrases(shown, dice), told)


def _reading(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = _signs(seed, index)
    asked = questions(shown, dice, _PER_SCENE, SIGN_KINDS)
    return _Page(_phrases(shown, dice), _open("image_qa_reading", asked, ocr_tokens=_words(shown)))


def _covers(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = cover(seed, f"{FAMILY}-{index}")
    words = list(shown.words)
    told = [
        _told(
            "image_qa_reading",
            "cover",
            "open",
            question=qa.question,
            answer=qa.answer,
            ocr_tokens=words,
        )
        for qa in dice.some(shown.questions, _PER_SCENE)
    ]
    return _Page(_phrases(shown.scene, dice), told)


def _question_generation(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = _scene(seed, index)
    kinds = KNOWLEDGE_KINDS if dice.chance(0.4) else PICTURE_KINDS
    told = [
        _told(
            "question_generation",
            "question_generation",
            "question_generation",
            question=qa.question,
            answer=qa.answer,
        )
        for qa in questions(shown, dice, 2, kinds)
    ]
    return _Page(_phrases(shown, dice), told)


def _clips(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = event(seed, FAMILY, index, held_out=False)
    told = [
        _told("video_qa", "clip", "open", question=qa.question, answer=qa.answer)
        for qa in clip_questions(shown, dice, _PER_SCENE)
    ]
    return _Page(_event_phrases(shown), told)


def _event_phrases(shown: Event) -> tuple[str, ...]:
    """Say what happens in a clip: `sand`, `two red circles`, `moving left`, `changing to blue`."""
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


def _dialogues(seed: int, index: int | str, dice: Dice) -> _Page:
    shown = _scene(seed, index)
    caption = captions(shown, 1, dice)[0].removesuffix(".").lower()
    rounds = dialog(shown, dice, rounds=3, num_options=2)
    told = [
        _told(
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
    return _Page(_phrases(shown, dice), dice.some(told, 2))


def _memes(seed: int, index: int | str, dice: Dice) -> _Page:
    turn = 0
    while (shown := meme(seed, f"{FAMILY}-{index}-{turn}")).scene.novel:
        turn += 1  # reserved combinations are for the twins of held-out sets alone
    answer = "yes" if shown.label else "no"
    told = [_told("image_classification", "meme", "binary", text=shown.text, answer=answer)]
    return _Page(_phrases(shown.scene, dice), told)


def _talks(seed: int, index: int | str, dice: Dice) -> _Page:
    """Talk as the three parts of LLaVA-Instruct do."""
    shown = _scene(seed, index)
    turns = conversation(shown, dice, _MOST_ROUNDS + 1)
    told = [
        _told(
            "llava_instruct",
            "conversation",
            "conversation",
            question=turn.human,
            answer=turn.assistant,
            history=[{"question": t.human, "answer": t.assistant} for t in turns[:nth]],
        )
        for nth, turn in enumerate(turns)
    ]
    for kind, one in (("detail", detail(shown, dice)), ("reasoning", reasoning(shown, dice))):
        told.append(
            _told("llava_instruct", kind, "conversation", question=one.human, answer=one.assistant)
        )
    return _Page(_phrases(shown, dice), dice.some(told, 2))


class _Theme(NamedTuple):
    """What is asked about a scene, and how often of all scenes."""

    weight: int
    page: Callable[[int, int | str, Dice], _Page]


_THEMES: Mapping[str, _Theme] = MappingProxyType(
    {
        "picture_questions": _Theme(30, _picture_questions),
        "closed_questions": _Theme(12, _closed_questions),
        "knowledge": _Theme(12, _knowledge),
        "captions": _Theme(8, _captions),
        "reading_captions": _Theme(4, _reading_captions),
        "reading": _Theme(6, _reading),
        "covers": _Theme(4, _covers),
        "question_generation": _Theme(4, _question_generation),
        "clips": _Theme(5, _clips),
        "dialogues": _Theme(6, _dialogues),
        "memes": _Theme(3, _memes),
        "talks": _Theme(6, _talks),
    }
)
_NAMES = tuple(_THEMES)
_WEIGHTS = tuple(theme.weight for theme in _THEMES.values())
