"""Questions that need the picture and a fact: foods of a color, sides of a shape, uses of a tool.

The facts are few and fixed, so that a small language model can learn them from text alone.
"""

from collections.abc import Mapping

from instructify.twins.dice import Dice
from instructify.twins.language import QA, SETTINGS, a, wrong_answers
from instructify.twins.views import Secret, View

FOODS = {
    "red": "tomato",
    "green": "lime",
    "blue": "blueberry",
    "yellow": "banana",
    "purple": "plum",
    "orange": "carrot",
}
NATURE = {
    "red": "fire",
    "green": "grass",
    "blue": "sky",
    "yellow": "sun",
    "purple": "lavender",
    "orange": "pumpkin",
}
OBJECTS = {
    "circle": "wheel",
    "square": "box",
    "triangle": "roof",
    "cross": "plus sign",
    "diamond": "kite",
}
SIDES = {"circle": "0", "square": "4", "triangle": "3", "cross": "12", "diamond": "4"}
TOOLS = {"night": "lamp", "fog": "whistle", "snow": "coat", "sand": "hat"}
_FOOD = (
    "Which food has the same color as the {}?",
    "What food is the color of the {}?",
    "What could you eat that has the color of the {}?",
    "The {} has the color of which food?",
)
_NATURE = (
    "What in nature has the color of the {}?",
    "The {} has the color of what in nature?",
    "What in nature shares its color with the {}?",
    "Which part of nature is colored like the {}?",
)
_OBJECT = (
    "Which everyday object has the shape of the {}?",
    "What everyday object looks like the {}?",
    "The {} is shaped like which object?",
    "What object has the same shape as the {}?",
)
_SIDES = (
    "How many straight sides does the {} have?",
    "How many straight edges has the {}?",
    "What number of straight sides does the {} have?",
)
_TOOL = (
    "What would a person need most in this place?",
    "What should a person bring to this place?",
    "What would be most useful in this place?",
)


def ask_food(view: View, dice: Dice) -> QA | None:
    """Ask for a food of the same color as a thing."""
    return _fact(view, dice, "food", _FOOD, FOODS, "colour")


def ask_nature(view: View, dice: Dice) -> QA | None:
    """Ask what in nature has the color of a thing."""
    return _fact(view, dice, "nature", _NATURE, NATURE, "colour")


def ask_object(view: View, dice: Dice) -> QA | None:
    """Ask for an object of the same shape as a thing."""
    return _fact(view, dice, "object", _OBJECT, OBJECTS, "shape")


def ask_sides(view: View, dice: Dice) -> QA | None:
    """Ask for the number of straight sides of a thing."""
    qa = _fact(view, dice, "sides", _SIDES, SIDES, "shape")
    # Two shapes have four sides: half of those questions are dropped, or four is a good guess.
    return None if qa is not None and qa.answer == "4" and dice.chance(0.5) else qa


def ask_tool(view: View, dice: Dice) -> QA:
    """Ask what is useful where the picture was made."""
    ground = view.scene.background
    answer = TOOLS[ground]
    which = dice.below(len(_TOOL))
    why = f"It is a picture taken {SETTINGS[ground]}, where {a(answer)} is useful."
    wrong = tuple(tool for tool in TOOLS.values() if tool != answer)
    sentence = f"A person would need {a(answer)}."
    return QA("tool", f"tool/{which}", _TOOL[which], answer, sentence, why, wrong)


def _fact(
    view: View,
    dice: Dice,
    kind: str,
    wordings: tuple[str, ...],
    facts: Mapping[str, str],
    secret: Secret,
) -> QA | None:
    reference = view.refer(dice, secret)
    if reference is None:
        return None
    text, thing, by_place = reference
    seen = thing.colour if secret == "colour" else thing.shape
    answer = facts[seen]
    if secret == "colour":
        possible = view.possible_colours(thing.shape)
    else:
        possible = view.possible_shapes(thing.colour)
    likely = facts.values() if by_place else [facts[other] for other in possible]
    wrong = wrong_answers(answer, likely, facts.values())
    which = dice.below(len(wordings))
    why, sentence = _explain(kind, text, seen, answer)
    question = wordings[which].format(text)
    return QA(kind, f"{kind}/{which}", question, answer, sentence, why, wrong)


def _explain(kind: str, text: str, seen: str, answer: str) -> tuple[str, str]:
    """Give the reason and the answer in full."""
    match kind:
        case "food":
            why = f"The {text} is {seen}, and {a(answer)} is {seen} too."
            return why, f"{a(answer).capitalize()} has the color of the {text}."
        case "nature":
            why = f"The {text} is {seen}, and {answer} is {seen} too."
            return why, f"The color of the {text} is that of {answer}."
        case "object":
            why = f"The {text} is {a(seen)}, and {a(answer)} has that shape."
            return why, f"{a(answer).capitalize()} has the shape of the {text}."
        case _:
            why = f"The {text} is {a(seen)}, and {a(seen)} has {answer} straight sides."
            return why, f"The {text} has {answer} straight sides."
