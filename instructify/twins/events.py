"""Simple events over time, for clips: things of one kind act, and another thing may be a bystander.

An event is a pure function of (seed, family, index, held_out), like a scene; its frames are scenes.
Every attribute is drawn uniformly: action, actors, direction, moment, place.
"""

from dataclasses import dataclass
from typing import NamedTuple

from instructify.twins.dice import Dice
from instructify.twins.language import NUMBERS, PLURALS
from instructify.twins.truth import Json, truth
from instructify.twins.world import (
    BACKGROUNDS,
    COLOURS,
    SHAPES,
    SIDES,
    SIZES,
    Pair,
    Scene,
    Thing,
    allowed_pairs,
    draw_tint,
)

ACTIONS = ("moving", "growing", "shrinking", "appearing", "vanishing", "changing", "jumping")
WAYS = ("left", "right", "up", "down")
MOMENTS = ("start", "middle", "end")
# Actions that happen at one moment; the others last as long as the clip.
SUDDEN = ("appearing", "vanishing", "changing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What happens in a clip: the first `num_actors` things of `start` do the action.

    `way` is where movers go, `moment` when something sudden happens, `becomes` the new colour of
    things that change; each is None for other actions.
    """

    key: str
    start: Scene
    num_actors: int
    action: str
    way: str | None
    moment: str | None
    becomes: str | None

    @property
    def actor(self) -> Thing:
        """Show the first actor as it is before anything happens."""
        return self.start.things[0]


class ClipQA(NamedTuple):
    """A question about a clip with a one-word answer; `kind` is the question's first word."""

    kind: str
    question: str
    answer: str
    wrong: tuple[str, ...]


def event(seed: int, family: str, index: int | str, *, held_out: bool = True) -> Event:
    """Draw an event of one to three actors and at most one onlooker."""
    dice = Dice("event", seed, family, index, int(held_out))
    action, way = dice.pick(ACTIONS), dice.pick(WAYS)
    moment = dice.pick(MOMENTS)
    pair = dice.pick(allowed_pairs(held_out))
    becomes = dice.pick([c for c in _possible_colours(pair.shape, held_out) if c != pair.colour])
    lanes = dice.shuffled((0, 1, 2))
    num = 1 + dice.below(3)
    size = {"growing": "small", "shrinking": "big"}.get(action, dice.pick(SIZES))
    # Movers to the side have a row each, all others a column, so that nobody meets anybody.
    sideways = action == "moving" and way in ("left", "right")
    tint = draw_tint(dice)
    things = [
        _actor(dice, pair, size, lane, action, way)._replace(tint=tint) for lane in lanes[:num]
    ]
    if num < 3 and dice.chance(0.5):
        things.append(_onlooker(dice, pair, lanes[num], held_out, sideways))
    key = f"event/{family}/{index}/{int(held_out)}/{seed}"
    start = Scene(
        key=key, things=tuple(things), background=dice.pick(BACKGROUNDS), held_out=held_out
    )
    return Event(
        key=key,
        start=start,
        num_actors=num,
        action=action,
        way=way if action == "moving" else None,
        moment=moment if action in SUDDEN else None,
        becomes=becomes if action == "changing" else None,
    )


def frames(shown: Event, num_frames: int = 16) -> list[Scene]:
    """Give the scene of each frame, at even times from the start to the end of the event."""
    out = []
    for number in range(num_frames):
        time = (number + 0.5) / num_frames
        actors = [_at(shown, thing, time) for thing in shown.start.things[: shown.num_actors]]
        things = [thing for thing in actors if thing is not None]
        out.append(
            Scene(
                key=f"{shown.key}/{number}",
                things=(*things, *shown.start.things[shown.num_actors :]),
                background=shown.start.background,
                held_out=shown.start.held_out,
            )
        )
    return out


def clip_questions(shown: Event, dice: Dice, num: int) -> list[ClipQA]:
    """Ask up to `num` different questions; about four kinds fit each event."""
    return dice.some(_all_questions(shown, dice), num)


def clip_truth(shown: Event, num_frames: int = 16) -> dict[str, Json]:
    """State what happens and the truth of each frame."""
    return {
        "action": shown.action,
        "way": shown.way,
        "moment": shown.moment,
        "becomes": shown.becomes,
        "actors": {
            "num": shown.num_actors,
            "colour": shown.actor.colour,
            "shape": shown.actor.shape,
        },
        "frames": [truth(frame) for frame in frames(shown, num_frames)],
    }


def _actor(dice: Dice, pair: Pair, size: str, lane: int, action: str, way: str) -> Thing:
    """Place an actor in its lane: movers begin where they have two cells to go."""
    if action == "moving" and way in ("left", "right"):
        return Thing(pair.colour, pair.shape, size, lane, 2 if way == "left" else 0)
    row = dice.below(3)
    if action == "moving":
        row = 2 if way == "up" else 0
    elif action == "jumping":
        row = 1 + dice.below(2)
    return Thing(pair.colour, pair.shape, size, row, lane)


def _onlooker(dice: Dice, pair: Pair, lane: int, held_out: bool, sideways: bool) -> Thing:
    """Place a thing that differs in colour and shape in a lane that no actor enters."""
    others = [
        p for p in allowed_pairs(held_out) if p.colour != pair.colour and p.shape != pair.shape
    ]
    other, across = dice.pick(others), dice.below(3)
    row, column = (lane, across) if sideways else (across, lane)
    return Thing(other.colour, other.shape, dice.pick(SIZES), row, column, tint=draw_tint(dice))


def _at(shown: Event, thing: Thing, time: float) -> Thing | None:
    """Show an actor at a time from 0 to 1; None: not there."""
    happened = shown.moment is not None and time > (0.2, 0.5, 0.8)[MOMENTS.index(shown.moment)]
    match shown.action:
        case "moving":
            return _moved(thing, shown.way or "", round(32 * time))
        case "jumping":
            phase = (3 * time) % 1.0
            return _moved(thing, "up", round(40 * phase * (1 - phase)))
        case "growing":
            return _sized(thing, 5 + round(8 * time))
        case "shrinking":
            return _sized(thing, 13 - round(8 * time))
        case "appearing":
            return thing if happened else None
        case "vanishing":
            return None if happened else thing
        case _:
            return thing._replace(colour=shown.becomes or thing.colour) if happened else thing


def _moved(thing: Thing, way: str, distance: int) -> Thing:
    """Shift a thing and give it the cell that its middle has come to."""
    across, down = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[way]
    x, y = thing.column * 16 + across * distance, thing.row * 16 + down * distance
    column, row = (x + 8) // 16, (y + 8) // 16
    return thing._replace(row=row, column=column, dx=x - 16 * column, dy=y - 16 * row)


def _sized(thing: Thing, side: int) -> Thing:
    middle = (SIDES["small"] + SIDES["big"]) / 2
    return thing._replace(side=side, size="big" if side > middle else "small")


def _possible_colours(shape: str, held_out: bool) -> list[str]:
    return [pair.colour for pair in allowed_pairs(held_out) if pair.shape == shape]


def _all_questions(shown: Event, dice: Dice) -> list[ClipQA]:
    shape, action, num = shown.actor.shape, shown.action, shown.num_actors
    noun = shape if num == 1 else PLURALS[shape]
    verb = "is" if num == 1 else "are"
    ground = shown.start.background
    does = dice.pick((f"what {verb} the {noun} doing?", f"what do you see the {noun} doing?"))
    thing = dice.pick((f"what is {action}?", f"what kind of shape is {action}?"))
    scene = dice.pick(("where does this happen?", "where is the clip made?"))
    out = [
        ClipQA("what", does, action, _without(ACTIONS, action)),
        ClipQA("what", thing, shape, _without(SHAPES, shape)),
        ClipQA("who", f"who is {action}?", shape, _without(SHAPES, shape)),
        ClipQA(
            "how",
            f"how many things are {action}?",
            NUMBERS[num],
            _without(NUMBERS[1:], NUMBERS[num]),
        ),
        ClipQA("where", scene, ground, _without(BACKGROUNDS, ground)),
    ]
    if shown.becomes is None:
        colour = f"what color {verb} the {noun}?"
        wrong = _without(COLOURS, shown.actor.colour)
        out.append(ClipQA("what", colour, shown.actor.colour, wrong))
    else:
        wrong = _without(COLOURS, shown.becomes)
        text = f"what color {'does' if num == 1 else 'do'} the {noun} turn to?"
        out.append(ClipQA("what", text, shown.becomes, wrong))
    if shown.way:
        text = f"where {verb} the {noun} moving?"
        out.append(ClipQA("where", text, shown.way, _without(WAYS, shown.way)))
    if shown.moment:
        text = f"when {verb} the {noun} {action}?"
        out.append(ClipQA("when", text, shown.moment, _without(MOMENTS, shown.moment)))
    return out


def _without(items: tuple[str, ...], item: str) -> tuple[str, ...]:
    return tuple(other for other in items if other != item)
