"""Questions about a scene, balanced by construction: the answer is drawn first, then a question that has it.

A question is asked only where its answer is the one right answer.
"""

from collections.abc import Sequence

from instructify.twins.dice import Dice
from instructify.twins.language import QA
from instructify.twins.world import COLOURS, Scene

PICTURE_KINDS = ("color",)
KNOWLEDGE_KINDS = ("color",)
REASONING_KINDS = ("color",)
SIGN_KINDS = ("color",)


def questions(scene: Scene, dice: Dice, num: int, kinds: Sequence[str] = PICTURE_KINDS) -> list[QA]:
    """Ask up to `num` different questions of these kinds; fewer only where the scene cannot carry more."""
    out = []
    for thing in scene.things[:num]:
        text = f"What color is the {thing.size} {thing.shape}?"
        wrong = tuple(c for c in COLOURS if c != thing.colour)
        sentence = f"The {thing.shape} is {thing.colour}."
        out.append(QA("color", "color/0", text, thing.colour, sentence, sentence, wrong))
    return out
