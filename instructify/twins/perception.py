"""Open questions about what a picture shows: color, shape, size, number, place, neighbour,
background.

Where the scene leaves a choice, each function draws the answer first; it returns None if the scene
allows no such question.
"""

from instructify.twins.dice import Dice
from instructify.twins.language import PLACES, QA, a, counted, name, place, roll_call, wrong_answers
from instructify.twins.views import View
from instructify.twins.world import BACKGROUNDS, COLOURS, SHAPES, Thing

ALL_PLACES = tuple(cell for row in PLACES for cell in row)
_COLOR = (
    "What color is the {}?",
    "What is the color of the {}?",
    "Which color does the {} have?",
    "The {} has what color?",
    "What color do you see on the {}?",
)
_SHAPE = (
    "What shape is the {}?",
    "What is the shape of the {}?",
    "Which shape does the {} have?",
    "The {} has what shape?",
    "What kind of shape is the {}?",
)
_SIZE = (
    "What size is the {}?",
    "Is the {} big or small?",
    "Is the {} small or big?",
    "What is the size of the {}?",
)
_COUNT = (
    "How many {} are there?",
    "How many {} are in the picture?",
    "How many {} can you see?",
    "What is the number of {}?",
    "What number of {} do you see?",
)
_PLACE = (
    "Where is the {}?",
    "Where in the picture is the {}?",
    "In which part of the picture is the {}?",
    "What is the position of the {}?",
)
_SETTING = (
    "What is in the background?",
    "What does the background show?",
    "What is behind the things?",
    "What kind of background is there?",
)
_BESIDE = (
    "What shape is {} the {}?",
    "Which shape can be seen {} the {}?",
    "What kind of thing is {} the {}?",
)
# What is asked of one thing, of how many there are, and in both places a phrase.
OF_ONE, OF_MANY = (*_COLOR, *_SHAPE, *_SIZE, *_PLACE), _COUNT
# Larger numbers are rarer in scenes; these weights even them out among the questions.
_NUM_WEIGHTS = (3, 4, 6, 11, 14)
DIRECTIONS = ("to the left of", "to the right of", "above", "below")


def ask_color(view: View, dice: Dice) -> QA | None:
    """Ask for the color of one thing."""
    reference = view.refer(dice, "colour")
    if reference is None:
        return None
    text, thing, by_place = reference
    possible = COLOURS if by_place else view.possible_colours(thing.shape)
    which = dice.below(len(_COLOR))
    return QA(
        "color",
        f"color/{which}",
        _COLOR[which].format(text),
        thing.colour,
        f"The {text} is {thing.colour}.",
        f"The only {text} is {thing.colour}." if not by_place else _seen(thing),
        wrong_answers(thing.colour, possible, COLOURS),
    )


def ask_shape(view: View, dice: Dice) -> QA | None:
    """Ask for the shape of one thing."""
    reference = view.refer(dice, "shape")
    if reference is None:
        return None
    text, thing, by_place = reference
    possible = SHAPES if by_place else view.possible_shapes(thing.colour)
    which = dice.below(len(_SHAPE))
    return QA(
        "shape",
        f"shape/{which}",
        _SHAPE[which].format(text),
        thing.shape,
        f"The {text} is {a(thing.shape)}.",
        f"The only {text} is {a(thing.shape)}." if not by_place else _seen(thing),
        wrong_answers(thing.shape, possible, SHAPES),
    )


def ask_size(view: View, dice: Dice) -> QA | None:
    """Ask whether a thing is big or small."""
    reference = view.refer(dice, "size")
    if reference is None:
        return None
    text, thing, _ = reference
    which = dice.below(len(_SIZE))
    room = "fills most" if thing.size == "big" else "fills little"
    return QA(
        "size",
        f"size/{which}",
        _SIZE[which].format(text),
        thing.size,
        f"The {text} is {thing.size}.",
        f"The {text} {room} of its part of the picture.",
        ("small" if thing.size == "big" else "big",),
    )


def ask_count(view: View, dice: Dice) -> QA:
    """Ask how many there are of something; the number is drawn first, none included."""
    countables = view.countables()
    nums = sorted({counted.num for counted in countables})
    num = dice.weighted(nums, [_NUM_WEIGHTS[n] for n in nums])
    noun = dice.pick([counted.noun for counted in countables if counted.num == num])
    which = dice.below(len(_COUNT))
    verb = "is" if num == 1 else "are"
    return QA(
        "count",
        f"count/{which}",
        _COUNT[which].format(noun),
        str(num),
        f"There {verb} {counted(num, noun)}.",
        roll_call(view.scene),
        tuple(str(n) for n in range(5) if n != num),
    )


def ask_place(view: View, dice: Dice) -> QA | None:
    """Ask in which of the nine parts of the picture a thing is."""
    reference = view.refer(dice, "place")
    if reference is None:
        return None
    text, thing, _ = reference
    answer = place(thing)
    which = dice.below(len(_PLACE))
    return QA(
        "place",
        f"place/{which}",
        _PLACE[which].format(text),
        answer,
        f"The {text} is in the {answer}.",
        _seen(thing),
        tuple(other for other in ALL_PLACES if other != answer),
    )


def ask_setting(view: View, dice: Dice) -> QA:
    """Ask for the background."""
    answer = view.scene.background
    which = dice.below(len(_SETTING))
    ground = {"night": "dark", "fog": "gray", "snow": "white", "sand": "brown"}[answer]
    return QA(
        "setting",
        f"setting/{which}",
        _SETTING[which],
        answer,
        f"The background shows {answer}.",
        f"The background is {ground}, so it shows {answer}.",
        tuple(other for other in BACKGROUNDS if other != answer),
    )


def ask_beside(view: View, dice: Dice) -> QA | None:
    """Ask which shape lies in a direction of a thing; only one thing lies there."""
    anchors = view.by_shape()
    if len(view.things) < 2 or not anchors:
        return None
    anchor = dice.pick(anchors)
    direction = dice.pick(DIRECTIONS)
    matches = [thing for thing in view.things if lies(thing, direction, anchor)]
    if len(matches) != 1:
        return None
    answer = matches[0].shape
    which = dice.below(len(_BESIDE))
    return QA(
        "beside",
        f"beside/{which}",
        _BESIDE[which].format(direction, anchor.shape),
        answer,
        f"{a(answer).capitalize()} is {direction} the {anchor.shape}.",
        f"The {name(matches[0])} is {direction} the {name(anchor)}.",
        tuple(shape for shape in SHAPES if shape not in (answer, anchor.shape)),
    )


def lies(thing: Thing, direction: str, anchor: Thing) -> bool:
    """Tell whether a thing lies in a direction of another, by rows and columns of cells."""
    match direction:
        case "to the left of":
            return thing.column < anchor.column
        case "to the right of":
            return thing.column > anchor.column
        case "above":
            return thing.row < anchor.row
        case _:
            return thing.row > anchor.row


def _seen(thing: Thing) -> str:
    return f"{a(name(thing)).capitalize()} is in the {place(thing)}."
