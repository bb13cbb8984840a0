"""School exercises: IconQA's three kinds, and ScienceQA's items with hint, lecture and solution.

All belong to the held-out world. The right choice is at each position with equal chance, and no
choice can be ruled out by the question alone.
"""

from typing import Literal, NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.facts import FOODS, NATURE, OBJECTS, SIDES, TOOLS
from instructify.twins.language import (
    QA,
    SETTINGS,
    Choices,
    a,
    description,
    listed,
    multiple_choice,
    place,
)
from instructify.twins.picture_questions import KNOWLEDGE_KINDS, questions
from instructify.twins.world import (
    ALL_PAIRS,
    COLOURS,
    SHAPES,
    SIZES,
    Scene,
    Thing,
    draw_tint,
    row_scene,
    scene,
)

IconKind = Literal["choose_txt", "choose_img", "fill_in_blank"]
_ORDINALS = ("first", "second", "third")


class IconProblem(NamedTuple):
    """One IconQA exercise; `right` is the index of the answer among `choices`.

    fill_in_blank has no choices and `answer` is the text to fill in. For choose_img `choices` names
    what `choice_things` show; paint each with `world.single`.
    """

    scene: Scene
    question: str
    choices: tuple[str, ...]
    right: int
    answer: str
    choice_things: tuple[Thing, ...] = ()


class Lesson(NamedTuple):
    """One ScienceQA item; texts may be empty.

    With `scene` None the hint describes what the picture would show.
    """

    scene: Scene | None
    question: str
    choices: tuple[str, ...]
    right: int
    hint: str
    lecture: str
    solution: str
    subject: str
    topic: str
    category: str
    skill: str


class _Subject(NamedTuple):
    subject: str
    topic: str
    category: str
    skill: str
    lecture: str


def icon_problem(seed: int, index: int | str, kind: IconKind) -> IconProblem:
    """Draw an exercise about order, number or likeness."""
    dice = Dice("icon", seed, index, kind)
    match kind:
        case "choose_img":
            return _likeness(seed, index, dice)
        case "fill_in_blank":
            return _number(seed, index, dice)
        case _:
            return _order(seed, index, dice) if dice.below(2) else _quiz(seed, index, dice)


def lesson(seed: int, index: int | str, *, picture: bool) -> Lesson:
    """Draw an item that needs a fact and a picture, or a fact and the hint."""
    dice = Dice("lesson", seed, index, int(picture))
    shown = scene(seed, "scienceqa", index, held_out=True)
    kind = dice.pick(KNOWLEDGE_KINDS)
    # Where a scene has nothing to ask of this kind, its background always has.
    drawn = questions(shown, dice, 1, (kind,)) or questions(shown, dice, 1, ("tool",))
    qa = drawn[0]
    choices = multiple_choice(qa.answer, qa.wrong, dice, 2 + dice.below(4))
    about = _subject(qa)
    hint = description(shown, dice) if not picture else dice.pick(("", "Look at the picture."))
    return Lesson(
        shown if picture else None,
        qa.question,
        choices.texts,
        choices.right,
        hint,
        about.lecture if dice.below(3) else "",
        f"{qa.why}\n{qa.sentence}" if dice.below(4) else "",
        about.subject,
        about.topic,
        about.category,
        about.skill,
    )


def _order(seed: int, index: int | str, dice: Dice) -> IconProblem:
    shown = row_scene(seed, "iconqa", index, held_out=True)
    shapes = [thing.shape for thing in shown.things]
    given_place, asked_place = dice.some((0, 1, 2), 2)
    # The picture that the question names is no choice: it could be ruled out without looking.
    wrong = [shape for shape in SHAPES if shape not in (shapes[given_place], shapes[asked_place])]
    choices = multiple_choice(shapes[asked_place], wrong, dice, 3)
    text = f"The {_ORDINALS[given_place]} picture is {a(shapes[given_place])}. Which picture is "
    return _text_problem(shown, f"{text}{_ORDINALS[asked_place]}?", choices)


def _quiz(seed: int, index: int | str, dice: Dice) -> IconProblem:
    shown = scene(seed, "iconqa", index, held_out=True)
    kinds = ("count", "color", "shape", "more", "setting")
    qa = questions(shown, dice, 1, kinds)[0]
    choices = multiple_choice(qa.answer, qa.wrong, dice, 2 + dice.below(4))
    return _text_problem(shown, qa.question, choices)


def _number(seed: int, index: int | str, dice: Dice) -> IconProblem:
    shown = scene(seed, "iconqa", index, held_out=True)
    qa = questions(shown, dice, 1, ("count",))[0]
    return IconProblem(shown, qa.question, (), 0, qa.answer)


def _likeness(seed: int, index: int | str, dice: Dice) -> IconProblem:
    """Ask which of a few pictures shares its shape or colour with a thing of the main picture."""
    shown = scene(seed, "iconqa", index, held_out=True)
    thing = dice.pick(shown.things)
    by_colour = dice.chance(0.5)
    values = COLOURS if by_colour else SHAPES
    right = thing.colour if by_colour else thing.shape
    choices = multiple_choice(right, [v for v in values if v != right], dice, 2 + dice.below(3))
    things = []
    for value in choices.texts:
        pair = dice.pick([pair for pair in ALL_PAIRS if value in pair])
        size, tint = dice.pick(SIZES), draw_tint(dice)
        things.append(Thing(pair.colour, pair.shape, size, 1, 1, tint=tint))
    quality = "color" if by_colour else "shape"
    text = f"Which picture has the same {quality} as the thing in the {place(thing)}?"
    return IconProblem(shown, text, choices.texts, choices.right, right, tuple(things))


def _text_problem(shown: Scene, question: str, choices: Choices) -> IconProblem:
    texts, right = choices
    return IconProblem(shown, question, texts, right, texts[right])


def _subject(qa: QA) -> _Subject:
    """Say what a question belongs to, with a lecture that states every fact of its kind."""
    match qa.kind:
        case "food":
            facts = [f"{a(food)} is {colour}" for colour, food in FOODS.items()]
            about = ("natural science", "biology", "Food", "Name the colors of food")
        case "nature":
            facts = [f"{thing} is {colour}" for colour, thing in NATURE.items()]
            about = ("natural science", "earth-science", "Nature", "Name the colors of nature")
        case "object":
            facts = [f"{a(thing)} looks like {a(shape)}" for shape, thing in OBJECTS.items()]
            about = ("language science", "figures", "Objects", "Compare objects by shape")
        case "sides":
            facts = [f"{a(shape)} has {num} straight sides" for shape, num in SIDES.items()]
            about = ("natural science", "geometry", "Shapes", "Count the sides of a shape")
        case _:
            facts = [f"{SETTINGS[ground]} {a(tool)} is useful" for ground, tool in TOOLS.items()]
            about = ("social science", "geography", "Places", "Choose a useful tool")
    text = listed(facts)
    return _Subject(*about, f"Some facts to know:\n{text[0].upper()}{text[1:]}.")
