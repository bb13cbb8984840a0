"""Dialogues about a scene: VisDial's rounds with a hundred options, and the kinds of
LLaVA-Instruct.

A round may refer to the thing of an earlier round as `it`; then the history is needed for the
answer. Each list of options has the right answer once, many options of the same sort, and no other
right one.
"""

from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.language import (
    NUMBERS,
    PLACES,
    QA,
    SETTINGS,
    a,
    description,
    name,
    place,
)
from instructify.twins.picture_questions import (
    KNOWLEDGE_KINDS,
    PICTURE_KINDS,
    SIGN_KINDS,
    questions,
)
from instructify.twins.world import ALL_PAIRS, BACKGROUNDS, COLOURS, SHAPES, SIZES, Scene, Thing

_TALK_KINDS = ("count", "count", "exists", "setting", "place", "color", "shape", "more", "size")
_DETAIL = (
    "Describe the picture in detail.",
    "What do you see in this picture?",
    "Can you describe everything in the picture?",
    "Please give a full description of this image.",
    "Write down all that the picture shows.",
    "Tell me everything about this image.",
)
_OVERVIEW = (
    "What is shown in the picture?",
    "What can be seen here?",
    "What is this a picture of?",
)
_STEPS = (
    "First look at the picture. {} This means the following. {}",
    "{} So the answer is clear: {}",
    "To answer this we need the picture and a fact.\n\n{}\n\n{}",
    "1. {}\n2. {}",
)


class Round(NamedTuple):
    """One round of a dialogue, lower case, no question mark; `options[right]` is the answer."""

    question: str
    answer: str
    options: tuple[str, ...]
    right: int


class Turn(NamedTuple):
    """What a person asks and the assistant says."""

    human: str
    assistant: str


class _Said(NamedTuple):
    """An answer before it is worded: its sort, its value, and its possible wordings."""

    sort: str
    value: str
    texts: tuple[str, ...]


class _Wording(NamedTuple):
    """One wording of what somebody may say."""

    sort: str
    value: str
    text: str


def dialog(scene: Scene, dice: Dice, rounds: int = 10, num_options: int = 100) -> list[Round]:
    """Hold a dialogue of `rounds` about the scene, each with `num_options` different options.

    At most 100 options and two or more; each list holds other wrong answers of the same sort.
    """
    truths = {name(thing) for thing in scene.things}
    truths |= {name(thing, size=True) for thing in scene.things}
    asked_rounds = _rounds(scene, dice, rounds)
    pool = dice.shuffled([wording for wording in _POOL if wording.value not in truths])
    return [
        _with_options(question, answer, pool, num_options, dice)
        for question, answer in asked_rounds
    ]


def conversation(scene: Scene, dice: Dice, turns: int = 3) -> list[Turn]:
    """Ask and answer `turns` questions in full sentences; the first may ask for an overview."""
    out = []
    if dice.chance(0.5):
        out.append(Turn(dice.pick(_OVERVIEW), description(scene, dice)))
    kinds = PICTURE_KINDS + (SIGN_KINDS if scene.signs else ())
    for qa in questions(scene, dice, turns - len(out), kinds):
        out.append(Turn(qa.question, qa.sentence))
    return out


def detail(scene: Scene, dice: Dice) -> Turn:
    """Ask for a description in one of a few fixed prompts, and give it, sometimes as a list."""
    text = description(scene, dice)
    if dice.below(3) == 0:
        first, *others = text.removesuffix(".").split(". ")
        lines = [f"{number}. {line}." for number, line in enumerate(others, start=1)]
        text = "\n".join([f"{first}:", *lines])
    return Turn(dice.pick(_DETAIL), text)


def reasoning(scene: Scene, dice: Dice) -> Turn:
    """Ask a question that needs a fact beside the picture, and answer it step by step."""
    qa = (questions(scene, dice, 1, KNOWLEDGE_KINDS) or questions(scene, dice, 1, ("tool",)))[0]
    return Turn(qa.question, dice.pick(_STEPS).format(qa.why, qa.sentence))


def _rounds(scene: Scene, dice: Dice, rounds: int) -> list[tuple[str, _Said]]:
    """Mix new questions with follow-ups on the thing last spoken of."""
    fresh = questions(scene, dice, rounds, _TALK_KINDS)
    out: list[tuple[str, _Said]] = []
    follow: list[tuple[str, _Said]] = []
    while len(out) < rounds:
        if follow and (dice.chance(0.6) or not fresh):
            out.append(follow.pop())
            continue
        if fresh:
            qa = fresh.pop()
            text = qa.question.lower().removesuffix("?")
            out.append((text, _said(qa)))
            known = _singled_out(scene, text)
            follow = dice.shuffled(_follow_ups(known, text)) if known else follow
        else:
            thing = dice.pick(scene.things)
            cell = place(thing)
            out.append((f"what about the thing in the {cell}, what is it", _thing_said(thing)))
            follow = [_follow_ups(thing, name(thing))[-1]]
    return out


def _singled_out(scene: Scene, text: str) -> Thing | None:
    """Find the one thing that a question spoke of by its color, its shape or both."""
    words = set(text.split())
    if "more" in words:
        return None
    for parts in ((0, 1), (1,), (0,)):
        matches = [thing for thing in scene.things if {thing[part] for part in parts} <= words]
        if len(matches) == 1:
            return matches[0]
    return None


def _follow_ups(thing: Thing, text: str) -> list[tuple[str, _Said]]:
    """Ask about `it` what the earlier question has neither told nor asked."""
    out = [("where is it", _place_said(place(thing)))] if "where" not in text else []
    if thing.size not in text and "size" not in text:
        out.append(("is it big or small", _size_said(thing.size)))
    if thing.colour not in text and "color" not in text:
        out.append(("what color is it", _colour_said(thing.colour)))
    if thing.shape not in text and "shape" not in text:
        out.append(("what shape is it", _shape_said(thing.shape)))
    return out


def _said(qa: QA) -> _Said:
    match qa.kind:
        case "color":
            return _colour_said(qa.answer)
        case "shape":
            return _shape_said(qa.answer)
        case "count":
            return _count_said(int(qa.answer))
        case "place":
            return _place_said(qa.answer)
        case "size":
            return _size_said(qa.answer)
        case "setting":
            return _setting_said(qa.answer)
        case _:
            return _yes_no_said(qa.answer)


def _colour_said(colour: str) -> _Said:
    return _Said("colour", colour, (colour, f"it is {colour}", f"it looks {colour}"))


def _shape_said(shape: str) -> _Said:
    return _Said("shape", shape, (shape, f"it is {a(shape)}", f"i think {a(shape)}"))


def _count_said(num: int) -> _Said:
    return _Said("count", str(num), (str(num), NUMBERS[num] if num else "none", f"i see {num}"))


def _place_said(cell: str) -> _Said:
    return _Said("place", cell, (f"in the {cell}", f"at the {cell}"))


def _size_said(size: str) -> _Said:
    texts = ("{}", "it is {}", "it looks {}", "i think {}", "{} i think", "it is a {} thing")
    return _Said("size", size, tuple(text.format(size) for text in texts))


def _setting_said(ground: str) -> _Said:
    return _Said("setting", ground, (ground, f"it is {SETTINGS[ground]}", f"i see {ground}"))


def _yes_no_said(answer: str) -> _Said:
    # Two values alone would be guessed too often among the options: so they have more wordings.
    claim = "it is true" if answer == "yes" else "it is not true"
    texts = ("{0}", "i think {0}", "{0} i think", "it looks like {0}", "{0} {1}", "{1}")
    return _Said("yes/no", answer, tuple(text.format(answer, claim) for text in texts))


def _thing_said(thing: Thing) -> _Said:
    return _pair_said(name(thing))


def _pair_said(noun: str) -> _Said:
    return _Said("thing", noun, (a(noun),))


# Everything that anybody may say; enough different texts for a hundred options of any round.
_POOL = tuple(
    _Wording(said.sort, said.value, text)
    for said in (
        *map(_colour_said, COLOURS),
        *map(_shape_said, SHAPES),
        *map(_count_said, range(5)),
        *(_place_said(cell) for row in PLACES for cell in row),
        *map(_size_said, SIZES),
        *map(_setting_said, BACKGROUNDS),
        *map(_yes_no_said, ("yes", "no")),
        *(_pair_said(f"{pair.colour} {pair.shape}") for pair in ALL_PAIRS),
        *(_pair_said(f"{size} {pair.colour} {pair.shape}") for size in SIZES for pair in ALL_PAIRS),
    )
    for text in said.texts
)


def _with_options(
    question: str, said: _Said, pool: list[_Wording], num_options: int, dice: Dice
) -> Round:
    """Take all wrong answers of the same sort and fill up with others, in the order of the pool."""
    answer = dice.pick(said.texts)
    same = sum(sort == said.sort and value != said.value for sort, value, _ in pool)
    room = num_options - 1 - same
    start = dice.below(len(pool))
    wrong = []
    for sort, value, text in pool[start:] + pool[:start]:
        if sort != said.sort:
            room -= 1
        if value != said.value if sort == said.sort else room >= 0:
            wrong.append(text)
    right = dice.below(num_options)
    wrong.insert(right, answer)
    return Round(question, answer, tuple(wrong), right)
