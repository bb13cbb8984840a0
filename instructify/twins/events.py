"""Simple events over time, for clips: things of one kind move, grow, shrink, appear, vanish or change colour.

An event is a pure function of (seed, family, index, held_out), like a scene; its frames are scenes.
"""

from dataclasses import dataclass
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.truth import Json, truth
from instructify.twins.world import Scene, scene

ACTIONS = ("moving", "growing", "shrinking", "appearing", "vanishing", "changing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What happens in a clip: the scene at the start and the action of its first `num_actors` things."""

    key: str
    start: Scene
    num_actors: int
    action: str


class ClipQA(NamedTuple):
    """A question about a clip; `kind` is its first word (what, who, how, when, where), no question mark left out."""

    kind: str
    question: str
    answer: str
    wrong: tuple[str, ...]


def event(seed: int, family: str, index: int | str, *, held_out: bool = True) -> Event:
    """Draw an event of one to three actors and at most one onlooker."""
    start = scene(seed, family, index, held_out=held_out)
    return Event(key=start.key, start=start, num_actors=1, action="moving")


def frames(shown: Event, num_frames: int = 16) -> list[Scene]:
    """Give the scene of each frame."""
    return [shown.start] * num_frames


def clip_questions(shown: Event, dice: Dice, num: int) -> list[ClipQA]:
    """Ask up to `num` different questions with one-word answers."""
    return [ClipQA("what", f"what is {shown.start.things[0].shape} doing?", shown.action, ACTIONS)][
        :num
    ]


def clip_caption(shown: Event) -> str:
    """Say in a sentence what happens."""
    return f"a {shown.start.things[0].shape} is {shown.action}"


def clip_truth(shown: Event, num_frames: int = 16) -> dict[str, Json]:
    """State what happens and the truth of each frame."""
    return {"action": shown.action, "frames": [truth(frame) for frame in frames(shown, num_frames)]}
