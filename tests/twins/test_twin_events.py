"""Clips: what is said to happen is what the frames show, and the file decodes to those frames."""

import json
from collections import defaultdict
from pathlib import Path

import av
import numpy as np
import pytest
from balance import Asked, guess_rate
from hypothesis import given
from hypothesis import strategies as st

from instructify.twins.clips import CODECS, write_clip
from instructify.twins.dice import Dice
from instructify.twins.events import (
    ACTIONS,
    MOMENTS,
    Event,
    clip_questions,
    clip_truth,
    event,
    frames,
)
from instructify.twins.painter import pixels
from instructify.twins.world import Scene, Thing, thing_box

NUM_FRAMES = 15


def find(action: str, start: int = 0) -> Event:
    return next(
        one for index in range(start, start + 200) if (one := event(0, "e", index)).action == action
    )


def actors(shown: Event) -> list[list[Thing]]:
    """List, frame by frame, the things of the actors' shape."""
    return [
        [thing for thing in frame.things if thing.shape == shown.actor.shape]
        for frame in frames(shown, NUM_FRAMES)
    ]


def middle(thing: Thing) -> tuple[float, float]:
    box = thing_box(thing)
    return box.left + box.width / 2, box.top + box.height / 2


@given(st.integers(0, 10**9), st.booleans())
def test_an_event_is_a_pure_function_and_stays_in_the_picture(index: int, held_out: bool) -> None:
    shown = event(0, "e", index, held_out=held_out)
    assert shown == event(0, "e", index, held_out=held_out)
    for frame in frames(shown, NUM_FRAMES):
        for thing in frame.things:
            left, top, width, height = thing_box(thing)
            assert 0 <= left <= left + width <= 1
            assert 0 <= top <= top + height <= 1
            assert 0 <= thing.row <= 2
            assert 0 <= thing.column <= 2
        cells = [(thing.row, thing.column) for thing in frame.things]
        assert len(set(cells)) == len(cells)


@pytest.mark.parametrize("start", range(0, 2000, 200))
def test_movers_go_where_they_are_said_to_go(start: int) -> None:
    shown = find("moving", start)
    seen = actors(shown)
    for first, last in zip(seen[0], seen[-1], strict=True):
        across = middle(last)[0] - middle(first)[0]
        down = middle(last)[1] - middle(first)[1]
        went = {"left": -across, "right": across, "up": -down, "down": down}[shown.way or ""]
        assert went > 0.5
        assert abs(across) + abs(down) == pytest.approx(went)


def test_things_grow_shrink_and_change() -> None:
    sizes = [
        [things[0].side for things in actors(find(action))] for action in ("growing", "shrinking")
    ]
    assert sizes[0] == sorted(sizes[0])
    assert sizes[1] == sorted(sizes[1], reverse=True)
    assert all(abs(side[-1] - side[0]) >= 7 for side in sizes)
    change = find("changing")
    seen = [things[0].colour for things in actors(change)]
    assert (seen[0], seen[-1]) == (change.actor.colour, change.becomes)


@pytest.mark.parametrize("action", ["appearing", "vanishing"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_sudden_things_happen_at_their_moment(action: str, moment: str) -> None:
    shown = next(
        one
        for index in range(500)
        if (one := event(0, "e", index)).action == action and one.moment == moment
    )
    there = [bool(things) for things in actors(shown)]
    (turn,) = [k for k in range(1, NUM_FRAMES) if there[k] != there[k - 1]]
    assert there[0] == (action == "vanishing")
    assert MOMENTS.index(moment) == turn * 3 // NUM_FRAMES


def test_a_clip_question_does_not_tell_its_answer() -> None:
    asked = defaultdict(list)
    for index in range(2000):
        for qa in clip_questions(event(0, "e", index), Dice("e", 0, index), 5):
            assert qa.question.split()[0] == qa.kind
            assert " " not in qa.answer
            assert qa.answer not in qa.wrong
            asked[qa.kind].append(Asked(qa.question, qa.answer))
    assert set(asked) == {"what", "who", "how", "when", "where"}
    assert all(guess_rate(rows) <= 0.40 for rows in asked.values())


def test_all_actions_happen_alike() -> None:
    seen = [event(0, "e", index).action for index in range(1400)]
    assert all(150 < seen.count(action) < 250 for action in ACTIONS)


def test_truth_follows_the_clip() -> None:
    shown = find("changing")
    facts = json.loads(json.dumps(clip_truth(shown, 5)))
    assert (facts["action"], facts["becomes"], facts["way"]) == ("changing", shown.becomes, None)
    assert facts["frames"][0]["things"][0]["colour"] == shown.actor.colour
    assert facts["frames"][4]["things"][0]["colour"] == shown.becomes


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_written_clip_decodes_to_its_frames(suffix: str, tmp_path: Path) -> None:
    shown = event(0, "e", 1)
    path = tmp_path / f"clip{suffix}"
    write_clip(shown, path, num_frames=12)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    painted = [pixels(one) for one in frames(shown, 12)]
    assert len(decoded) == len(painted)
    for back, one in zip(decoded, painted, strict=True):
        assert back.shape == one.shape
        assert np.abs(back.astype(int) - one.astype(int)).mean() < 14
    assert path.stat().st_size < 40_000


def test_frames_are_scenes_of_their_own_noise() -> None:
    shown: list[Scene] = frames(event(0, "e", 1), 16)
    assert len({pixels(one).tobytes() for one in shown}) == 16
