"""Closed questions: yes or no, or one of two. A fair coin decides the answer before the question.

If a scene allows only one of the answers to a kind of question, this kind is not asked, since the
other answer would become rarer.
"""

from collections.abc import Sequence
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.language import PLURALS, QA, a, counted, name, place, roll_call
from instructify.twins.perception import ALL_PLACES, DIRECTIONS, lies
from instructify.twins.views import View
from instructify.twins.world import COLOURS, SHAPES, Thing, allowed_pairs

EXISTS = (
    "Is there {} in the picture?",
    "Can you see {}?",
    "Does the picture show {}?",
    "Do you see {} here?",
    "Is {} in this picture?",
)
_AT = ("Is there anything in the {}?", "Can you see a thing in the {}?", "Is something in the {}?")
_RELATION = (
    "Is the {} {} the {}?",
    "Can you see the {} {} the {}?",
    "Is it true that the {} is {} the {}?",
    "Does the picture show the {} {} the {}?",
)
_SAME = (
    "Are the {} and the {} the same {}?",
    "Do the {} and the {} have the same {}?",
    "Do the {} and the {} share the same {}?",
)
_CHOOSE = (
    "Is the {} {} or {}?",
    "Which color is the {}, {} or {}?",
    "What color does the {} have, {} or {}?",
)
_MORE = (
    "Are there more {} than {}?",
    "Can you see more {} than {}?",
    "Does the picture show more {} than {}?",
)
_BOTH = (
    "Are there both {} and {}?",
    "Can you see {} as well as {}?",
    "Does the picture show {} and also {}?",
)


class _Claim(NamedTuple):
    """What a question asks, as a statement, and its denial."""

    true: str
    false: str


class _Verdict(NamedTuple):
    """The answer, its wordings and the reason for it."""

    yes: bool
    claim: _Claim
    why: str


def ask_exists(view: View, dice: Dice) -> QA | None:
    """Ask whether there is a thing of a shape, a color or both."""
    yes = dice.chance(0.5)
    match dice.below(3):
        case 0:
            noun = _member(dice, SHAPES, list(view.shapes), yes)
        case 1:
            colour = _member(dice, COLOURS, list(view.colours), yes)
            noun = colour and f"{colour} thing"
        case _:
            pairs = [f"{pair.colour} {pair.shape}" for pair in allowed_pairs(view.scene.held_out)]
            noun = _member(dice, pairs, [name(thing) for thing in view.things], yes)
    if noun is None:
        return None
    claim = _Claim(f"there is {a(noun)}", f"there is no {noun}")
    verdict = _Verdict(yes, claim, roll_call(view.scene))
    return _yes_no("exists", EXISTS, (a(noun),), verdict, dice)


def ask_at(view: View, dice: Dice) -> QA | None:
    """Ask whether a part of the picture holds anything."""
    yes = dice.chance(0.5)
    cell = _member(dice, ALL_PLACES, [place(thing) for thing in view.things], yes)
    if cell is None or view.scene.signs:
        return None
    why = f"The {cell} holds a thing." if yes else f"The {cell} is empty."
    claim = _Claim(f"there is something in the {cell}", f"there is nothing in the {cell}")
    return _yes_no("at", _AT, (cell,), _Verdict(yes, claim, why), dice)


def ask_relation(view: View, dice: Dice) -> QA | None:
    """Ask whether a thing lies in a direction of another."""
    by_shape = dice.chance(0.5)
    things = view.by_shape() if by_shape else view.by_colour()
    if len(things) < 2:
        return None
    first, second = dice.some(things, 2)
    true = [d for d in DIRECTIONS if lies(first, d, second)]
    false = [d for d in DIRECTIONS if lies(second, d, first)]
    yes = dice.chance(0.5)
    direction = dice.pick(true if yes else false)
    texts = (_short(first, by_shape), direction, _short(second, by_shape))
    really = dice.pick(true)
    why = f"The {texts[0]} is {really} the {texts[2]}."
    start = f"the {texts[0]} is"
    end = f"{direction} the {texts[2]}"
    claim = _Claim(f"{start} {end}", f"{start} not {end}")
    return _yes_no("relation", _RELATION, texts, _Verdict(yes, claim, why), dice)


def ask_same(view: View, dice: Dice) -> QA | None:
    """Ask whether two things share their size or their color."""
    things = view.by_shape()
    if len(things) < 2:
        return None
    yes = dice.chance(0.5)
    quality = dice.pick(("size", "color"))
    at = 2 if quality == "size" else 0
    pairs = [(thing, other) for thing in things for other in things if thing is not other]
    fitting = [pair for pair in pairs if (pair[0][at] == pair[1][at]) == yes]
    if len(fitting) in (0, len(pairs)):
        return None
    left, right = dice.pick(fitting)
    why = f"The {left.shape} is {left[at]} and the {right.shape} is {right[at]}."
    both = f"the {left.shape} and the {right.shape}"
    claim = _Claim(f"{both} have the same {quality}", f"{both} do not have the same {quality}")
    texts = (left.shape, right.shape, quality)
    return _yes_no("same", _SAME, texts, _Verdict(yes, claim, why), dice)


def ask_more(view: View, dice: Dice) -> QA | None:
    """Ask whether there are more things of one shape or color than of another."""
    if dice.chance(0.5):
        counts = [(PLURALS[shape], view.shapes[shape]) for shape in SHAPES]
    else:
        counts = [(f"{colour} things", view.colours[colour]) for colour in COLOURS]
    few, many = sorted(dice.some(counts, 2), key=lambda counted: counted[1])
    if few[1] == many[1]:
        return None
    yes = dice.chance(0.5)
    texts = (many[0], few[0]) if yes else (few[0], many[0])
    why = f"The picture shows {counted(many[1], many[0])} and {counted(few[1], few[0])}."
    end = f"more {texts[0]} than {texts[1]}"
    claim = _Claim(f"there are {end}", f"there are not {end}")
    return _yes_no("more", _MORE, texts, _Verdict(yes, claim, why), dice)


def ask_both(view: View, dice: Dice) -> QA | None:
    """Ask whether two shapes are both there; one of them is in any case."""
    here = list(view.shapes)
    if len(here) < 2:
        return None
    yes = dice.chance(0.5)
    left, right = dice.some(here, 2)
    if not yes:
        right = dice.pick([shape for shape in SHAPES if shape not in view.shapes])
    texts = dice.shuffled((a(left), a(right)))
    why = f"The picture shows {texts[0]} and {texts[1]}." if yes else f"There is no {right}."
    claim = _Claim(f"there are both {texts[0]} and {texts[1]}", f"there is no {right}")
    return _yes_no("both", _BOTH, tuple(texts), _Verdict(yes, claim, why), dice)


def ask_choose(view: View, dice: Dice) -> QA | None:
    """Ask which of two colors a thing has; both may occur with its shape."""
    reference = view.refer(dice, "colour")
    if reference is None:
        return None
    text, thing, _ = reference
    wrong = dice.pick([c for c in view.possible_colours(thing.shape) if c != thing.colour])
    first, second = dice.shuffled((thing.colour, wrong))
    which = dice.below(len(_CHOOSE))
    sentence = f"The {text} is {thing.colour}."
    why = f"The {text} is {thing.colour}, not {wrong}."
    question = _CHOOSE[which].format(text, first, second)
    return QA("choose", f"choose/{which}", question, thing.colour, sentence, why, (wrong,))


def _member(dice: Dice, every: Sequence[str], here: Sequence[str], yes: bool) -> str | None:
    """Draw something that is here, or something that is not."""
    pool = list(dict.fromkeys(here)) if yes else [item for item in every if item not in here]
    return dice.pick(pool) if pool else None


def _short(thing: Thing, by_shape: bool) -> str:
    return thing.shape if by_shape else f"{thing.colour} thing"


def _yes_no(
    kind: str, wordings: tuple[str, ...], texts: tuple[str, ...], verdict: _Verdict, dice: Dice
) -> QA:
    yes, claim, why = verdict
    which = dice.below(len(wordings))
    answer, other = ("yes", "no") if yes else ("no", "yes")
    sentence = f"Yes, {claim.true}." if yes else f"No, {claim.false}."
    question = wordings[which].format(*texts)
    return QA(kind, f"{kind}/{which}", question, answer, sentence, why, (other,))
