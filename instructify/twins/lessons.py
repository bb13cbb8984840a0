"""School exercises: IconQA's three kinds and ScienceQA's questions with hint, lecture and solution."""

from typing import Literal, NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.world import Scene, Thing, row_scene

IconKind = Literal["choose_txt", "choose_img", "fill_in_blank"]


class IconProblem(NamedTuple):
    """One IconQA exercise; `answer` is text for fill_in_blank, else the text at `right` of `choices`.

    For choose_img `choices` are names and `choice_things` what each choice's picture shows (paint with `single`).
    """

    scene: Scene
    question: str
    choices: tuple[str, ...]
    right: int
    answer: str
    choice_things: tuple[Thing, ...] = ()


class Lesson(NamedTuple):
    """One ScienceQA item. With `scene` None the hint alone gives what is needed; texts may be empty."""

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


def icon_problem(seed: int, index: int | str, kind: IconKind) -> IconProblem:
    """Draw an exercise of the held-out world: order, counting or comparing."""
    shown = row_scene(seed, "iconqa", index, held_out=True)
    texts = tuple(thing.shape for thing in shown.things)
    question = "The first picture is a circle. Which picture is second?"
    things = shown.things if kind == "choose_img" else ()
    return IconProblem(
        shown, question, texts if kind != "fill_in_blank" else (), 1, texts[1], things
    )


def lesson(seed: int, index: int | str, *, picture: bool) -> Lesson:
    """Draw an item of the held-out world, with a picture or with text alone."""
    dice = Dice("lesson", seed, index)
    shown = row_scene(seed, "scienceqa", index, held_out=True) if picture else None
    choices = ("three", "four")
    return Lesson(
        shown,
        "How many sides?",
        choices,
        dice.below(2),
        "",
        "",
        "",
        "natural science",
        "physics",
        "Shapes",
        "Sides",
    )
