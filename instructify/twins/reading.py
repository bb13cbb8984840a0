"""Questions about printed signs: their text, their color, and their number."""

from instructify.twins.dice import Dice
from instructify.twins.language import QA
from instructify.twins.views import View
from instructify.twins.world import COLOURS, SIGN_WORDS, Sign, is_reserved_sign

_WORD = (
    "What does the {} say?",
    "What word is on the {}?",
    "What is written on the {}?",
    "What can you read on the {}?",
    "Which word is printed on the {}?",
)
_SIGN_COLOR = (
    "What color is the sign that says {}?",
    "What is the color of the {} sign?",
    "Which color has the sign with the word {}?",
    "The word {} is on a sign of what color?",
)
_SAYS = (
    "Does a sign say {}?",
    "Is there a sign that says {}?",
    "Is the word {} on a sign?",
    "Can you read the word {}?",
)
_SIGNS = ("How many signs are there?", "How many words are printed in the picture?")


def ask_word(view: View, dice: Dice) -> QA | None:
    """Ask for the word on a sign, picked out by color, height or being the only one."""
    signs = view.scene.signs
    if not signs:
        return None
    sign = dice.pick(signs)
    text = dice.pick(_sign_names(sign, signs))
    which = dice.below(len(_WORD))
    possible = [
        w for w in SIGN_WORDS if view.scene.held_out or not is_reserved_sign(w, sign.colour)
    ]
    wrong = tuple(dice.some([word for word in possible if word != sign.text], 6))
    sentence = f"The {text} says {sign.text}."
    why = f"The word {sign.text} is printed on the {text}."
    return QA("word", f"word/{which}", _WORD[which].format(text), sign.text, sentence, why, wrong)


def ask_sign_color(view: View, dice: Dice) -> QA | None:
    """Ask for the color of the sign with a given word."""
    signs = [sign for sign in view.scene.signs if sign.colour is not None]
    if not signs:
        return None
    sign = dice.pick(signs)
    answer = sign.colour or ""
    which = dice.below(len(_SIGN_COLOR))
    held_out = view.scene.held_out
    possible = [c for c in COLOURS if held_out or not is_reserved_sign(sign.text, c)]
    sentence = f"The sign that says {sign.text} is {answer}."
    why = f"The word {sign.text} is printed on a {answer} sign."
    wrong = tuple(colour for colour in possible if colour != answer)
    question = _SIGN_COLOR[which].format(sign.text)
    return QA("sign_color", f"sign_color/{which}", question, answer, sentence, why, wrong)


def ask_says(view: View, dice: Dice) -> QA | None:
    """Ask whether a given word is printed."""
    words = [sign.text for sign in view.scene.signs]
    if not words:
        return None
    yes = dice.chance(0.5)
    word = dice.pick(words if yes else [word for word in SIGN_WORDS if word not in words])
    which = dice.below(len(_SAYS))
    answer, other = ("yes", "no") if yes else ("no", "yes")
    sentence = f"Yes, a sign says {word}." if yes else f"No, there is no sign that says {word}."
    why = f"The printed words are: {', '.join(words)}."
    return QA("says", f"says/{which}", _SAYS[which].format(word), answer, sentence, why, (other,))


def ask_signs(view: View, dice: Dice) -> QA | None:
    """Ask for the number of signs, one or two."""
    num = len(view.scene.signs)
    if not num:
        return None
    which = dice.below(len(_SIGNS))
    sentence = "There is 1 sign." if num == 1 else f"There are {num} signs."
    why = f"The printed words are: {', '.join(sign.text for sign in view.scene.signs)}."
    wrong = tuple(str(n) for n in range(4) if n != num)
    return QA("signs", f"signs/{which}", _SIGNS[which], str(num), sentence, why, wrong)


def _sign_names(sign: Sign, signs: tuple[Sign, ...]) -> list[str]:
    names = [f"{sign.colour} sign"] if sign.colour else []
    if len(signs) == 1:
        return [*names, "sign"]
    return [*names, "upper sign" if sign.row == min(s.row for s in signs) else "lower sign"]
