"""Questions about a scene, balanced by construction: the answer is drawn before the question.

A question is asked only if exactly one answer is right. The kinds are grouped for the releases:
questions about what is visible, questions that need a fact, and questions about printed words. No
question is asked twice about one scene.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from instructify.twins import facts, perception, reading, verify
from instructify.twins.dice import Dice
from instructify.twins.language import QA
from instructify.twins.views import View
from instructify.twins.world import Scene

Ask = Callable[[View, Dice], QA | None]

ASK: Mapping[str, Ask] = MappingProxyType(
    {
        "color": perception.ask_color,
        "shape": perception.ask_shape,
        "size": perception.ask_size,
        "count": perception.ask_count,
        "place": perception.ask_place,
        "setting": perception.ask_setting,
        "beside": perception.ask_beside,
        "exists": verify.ask_exists,
        "at": verify.ask_at,
        "relation": verify.ask_relation,
        "same": verify.ask_same,
        "more": verify.ask_more,
        "both": verify.ask_both,
        "choose": verify.ask_choose,
        "food": facts.ask_food,
        "nature": facts.ask_nature,
        "object": facts.ask_object,
        "sides": facts.ask_sides,
        "tool": facts.ask_tool,
        "word": reading.ask_word,
        "sign_color": reading.ask_sign_color,
        "says": reading.ask_says,
        "signs": reading.ask_signs,
    }
)
PICTURE_KINDS = (
    *("color", "color", "shape", "shape", "count", "count", "place", "setting", "beside"),
    *("size", "exists", "exists", "relation", "same", "more"),
)
KNOWLEDGE_KINDS = ("food", "nature", "object", "sides", "tool")
# Questions with few possible answers, named or implied by the question.
CLOSED_KINDS = (
    *("exists", "at", "relation", "same", "more", "both", "says"),
    *("size", "choose", "signs"),
)
SIGN_KINDS = ("word", "word", "word", "word", "sign_color", "sign_color", "says", "signs")


def questions(scene: Scene, dice: Dice, num: int, kinds: Sequence[str] = PICTURE_KINDS) -> list[QA]:
    """Ask up to `num` different questions; fewer only where the scene carries no more of the kinds.

    A kind that stands twice in `kinds` is asked twice as often.
    """
    view = View(scene)
    by_text: dict[str, QA] = {}
    for _ in range(12 * num):
        if len(by_text) == num:
            break
        qa = ASK[dice.pick(kinds)](view, dice)
        if qa is not None:
            by_text.setdefault(qa.question, qa)
    return list(by_text.values())
