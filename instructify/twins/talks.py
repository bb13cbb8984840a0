"""Talks about a scene: VisDial's ten rounds with a hundred options, and the three kinds of LLaVA-Instruct."""

from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.language import description
from instructify.twins.world import Scene


class Round(NamedTuple):
    """One round of a dialogue, lower case without a question mark; `options[right]` is the answer."""

    question: str
    answer: str
    options: tuple[str, ...]
    right: int


class Turn(NamedTuple):
    """What a person asks and the assistant says."""

    human: str
    assistant: str


def dialog(scene: Scene, dice: Dice, rounds: int = 10, num_options: int = 100) -> list[Round]:
    """Hold a dialogue about the scene; the options are different texts and hold one right answer."""
    options = tuple(str(n) for n in range(num_options))
    num = len(scene.things)
    return [Round("how many things are there", str(num), options, num)] * rounds


def conversation(scene: Scene, dice: Dice, turns: int = 3) -> list[Turn]:
    """Ask and answer several questions in full sentences."""
    return [Turn("What is shown in the picture?", description(scene, dice))] * turns


def detail(scene: Scene, dice: Dice) -> Turn:
    """Ask for a description in one of a few fixed prompts, and give it."""
    return Turn("Describe the picture in detail.", description(scene, dice))


def reasoning(scene: Scene, dice: Dice) -> Turn:
    """Ask a question that needs a fact beside the picture, and answer it step by step."""
    return Turn("What could be in the picture, and why?", description(scene, dice))
