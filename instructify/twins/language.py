"""Texts about scenes: names of things, captions, descriptions, and variants of answers.

Every text is true for the scene and a pure function of the scene and the dice; all twins together
need about four hundred words. `questions` has questions, `statements` statements and memes, `talks`
dialogues, and `lessons` exercises.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.world import SHAPES, Scene, Sign, Thing

AnswerType = Literal["yes/no", "number", "other"]
PLACES = (
    ("top left", "top middle", "top right"),
    ("middle left", "center", "middle right"),
    ("bottom left", "bottom middle", "bottom right"),
)
PLURALS = {shape: "crosses" if shape == "cross" else shape + "s" for shape in SHAPES}
NUMBERS = ("no", "one", "two", "three", "four")
SETTINGS = {"night": "at night", "fog": "in the fog", "snow": "in the snow", "sand": "on the sand"}


class QA(NamedTuple):
    """A question about a picture with its one right answer.

    `wording` names kind and wording ("color/2"), `sentence` is the answer in full, `why` a true
    sentence that explains it; `wrong` holds plausible answers none of which is right.
    """

    kind: str
    wording: str
    question: str
    answer: str
    sentence: str
    why: str
    wrong: tuple[str, ...]

    @property
    def answer_type(self) -> AnswerType:
        """Sort the answer as VQA does."""
        if self.answer in ("yes", "no"):
            return "yes/no"
        return "number" if self.answer.isdigit() else "other"


class Choices(NamedTuple):
    """Candidate answers and the index of the right one."""

    texts: tuple[str, ...]
    right: int


def ten_answers(answer: str, wrong: Sequence[str], dice: Dice, num: int = 10) -> list[str]:
    """Give the answers of `num` people: at least half are right, the others wrong."""
    agree = (
        num - dice.weighted((0, 1, 2, 3, 4, 5), (8, 4, 3, 2, 1, 1)) * num // 10 if wrong else num
    )
    others = [dice.pick(wrong) for _ in range(num - agree)]
    return dice.shuffled([answer] * agree + others)


def multiple_choice(answer: str, wrong: Sequence[str], dice: Dice, num: int = 4) -> Choices:
    """Lay out up to `num` different choices, the right one anywhere with equal chance."""
    texts = dice.shuffled(
        [answer, *dice.some([text for text in dict.fromkeys(wrong) if text != answer], num - 1)]
    )
    return Choices(tuple(texts), texts.index(answer))


def place(thing: Thing) -> str:
    """Name the cell of a thing."""
    return PLACES[thing.row][thing.column]


def name(thing: Thing, *, size: bool = False) -> str:
    """Name a thing without an article: `red circle`, `big red circle`."""
    return f"{thing.size} {thing.colour} {thing.shape}" if size else f"{thing.colour} {thing.shape}"


def a(noun: str) -> str:
    """Put the indefinite article before a noun phrase."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def wrong_answers(answer: str, possible: Iterable[str], every: Iterable[str]) -> tuple[str, ...]:
    """List the answers that could have been right; others fill up to three, for four choices."""
    wrong = [other for other in dict.fromkeys(possible) if other != answer]
    if len(wrong) < 3:
        more = [other for other in every if other != answer and other not in wrong]
        wrong += more[: 3 - len(wrong)]
    return tuple(wrong)


def singular(noun: str) -> str:
    """Turn a plural of ours (`crosses`, `red things`) into its singular."""
    return "cross" if noun == "crosses" else noun.removesuffix("s")


def counted(num: int, noun: str) -> str:
    """Put a number before a plural of ours: `no crosses`, `one red thing`, `two circles`."""
    return f"one {singular(noun)}" if num == 1 else f"{NUMBERS[num]} {noun}"


def listed(parts: Sequence[str]) -> str:
    """Join phrases as one lists things: `a, b and c`."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def roll_call(scene: Scene) -> str:
    """Name all things of a scene in one sentence."""
    return f"The picture shows {listed([a(name(thing)) for thing in scene.things])}."


def sign_phrase(sign: Sign) -> str:
    """Name a sign by its colour and what it says."""
    return (
        f"{a(sign.colour)} sign that says {sign.text}" if sign.colour else f"the words {sign.text}"
    )


def captions(scene: Scene, num: int, dice: Dice) -> list[str]:
    """Write `num` different captions, each true of the scene; signs are always mentioned."""
    distinct: dict[str, None] = {}
    turn = 0
    while len(distinct) < num:
        distinct[_caption(scene, dice, plain=turn < 4 * num)] = None
        turn += 1
    return list(distinct)


def description(scene: Scene, dice: Dice) -> str:
    """Describe the whole picture in sentences: number, things, places, signs, background."""
    num = len(scene.things)
    noun = "thing" if num == 1 else "things"
    first = f"The picture shows {NUMBERS[num]} {noun} {SETTINGS[scene.background]}."
    lines = [
        f"There is {a(name(t, size=True))} in the {place(t)} of the picture." for t in scene.things
    ]
    lines += [
        f"There is {sign_phrase(sign)} in the {('top', 'middle', 'bottom')[sign.row]} row."
        for sign in scene.signs
    ]
    return " ".join([first, *dice.shuffled(lines)])


_OPENINGS: tuple[Callable[[str], str], ...] = (
    lambda things: things,
    lambda things: f"a picture of {things}",
    lambda things: f"there is {things}",
    lambda things: f"we can see {things}",
    lambda things: f"this picture shows {things}",
    lambda things: f"an image with {things}",
)


def _caption(scene: Scene, dice: Dice, *, plain: bool) -> str:
    detail = dice.below(2 if plain else 4)
    parts = []
    for thing in dice.shuffled(scene.things):
        phrase = a(name(thing, size=bool(detail & 1)))
        parts.append(f"{phrase} in the {place(thing)}" if dice.below(3) == 0 else phrase)
    parts += [sign_phrase(sign) for sign in scene.signs]
    text = dice.pick(_OPENINGS)(listed(parts))
    if dice.below(2):
        text += f" {SETTINGS[scene.background]}"
    return text[0].upper() + text[1:] + "."
