"""The generated world: what is reserved stays reserved, and pictures show exactly their truth."""

import json
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from xxhash import xxh3_64_hexdigest

from instructify.twins.covers import cover
from instructify.twins.dice import Dice
from instructify.twins.events import event, frames
from instructify.twins.glyphs import text_mask
from instructify.twins.lessons import icon_problem
from instructify.twins.painter import GROUND, INK, NOISE, paint, pixels, save
from instructify.twins.statements import meme
from instructify.twins.truth import TruthWriter, truth
from instructify.twins.world import (
    COLOURS,
    RESERVED_PAIRS,
    SEEN_PAIRS,
    SHAPES,
    SIGN_WORDS,
    Scene,
    is_reserved_sign,
    row_scene,
    scene,
    sign_scene,
    thing_box,
)


class Make(Protocol):
    """One of the functions that draw a scene."""

    def __call__(self, seed: int, family: str, index: int, *, held_out: bool) -> Scene: ...


VARIANTS: tuple[Make, ...] = (scene, sign_scene, row_scene)


def many(held_out: bool, num: int = 700) -> list[Scene]:
    return [make(0, "coco", i, held_out=held_out) for i in range(num) for make in VARIANTS]


def test_dice_are_a_pure_function_of_their_key() -> None:
    streams = [[Dice("p", 1, "a", 2).below(1000) for _ in range(3)] for _ in range(2)]
    assert streams[0] == streams[1]
    one, two, three = Dice("p", 1, "a", 2), Dice("p", 2, "a", 2), Dice("p", 1, "a", 3)
    draws = [[dice.below(1000) for _ in range(20)] for dice in (one, two, three)]
    assert len({tuple(draw) for draw in draws}) == 3


@given(st.integers(0, 2**40), st.lists(st.integers(), max_size=8), st.integers(0, 10))
def test_dice_draw_only_what_is_there(seed: int, items: list[int], num: int) -> None:
    dice = Dice("p", seed)
    assert sorted(dice.shuffled(items)) == sorted(items)
    assert len(dice.some(items, num)) == min(num, len(items))
    assert all(0 <= dice.below(7) < 7 for _ in range(20))
    assert dice.weighted(("never", "always"), (0, 3)) == "always"


def test_held_in_scenes_never_show_what_is_reserved() -> None:
    shown = many(held_out=False)
    covers = [cover(0, i).scene for i in range(300)]
    clips = [event(0, "clips", i, held_out=False).start for i in range(300)]
    assert not any(one.novel for one in (*shown, *covers, *clips))
    pairs = {thing.pair for one in shown for thing in one.things}
    assert pairs == set(SEEN_PAIRS)


def test_held_out_scenes_show_every_reserved_combination() -> None:
    shown = many(held_out=True)
    assert {t.pair for one in shown for t in one.things} >= RESERVED_PAIRS
    signs = {(s.text, s.colour) for one in shown for s in one.signs}
    assert sum(is_reserved_sign(*sign) for sign in signs) > 15
    assert 0.3 < sum(one.novel for one in shown) / len(shown) < 0.9


def test_every_colour_shape_and_word_is_seen_before_it_is_held_out() -> None:
    assert {pair.colour for pair in SEEN_PAIRS} == set(COLOURS)
    assert {pair.shape for pair in SEEN_PAIRS} == set(SHAPES)
    for word in SIGN_WORDS:
        assert sum(not is_reserved_sign(word, colour) for colour in COLOURS) == 5


@pytest.mark.parametrize("make", VARIANTS)
def test_scene_depends_on_each_part_of_its_key(make: Make) -> None:
    base = make(0, "coco", 5, held_out=False)
    others = (
        make(1, "coco", 5, held_out=False),
        make(0, "vg", 5, held_out=False),
        make(0, "coco", 6, held_out=False),
        make(0, "coco", 5, held_out=True),
    )
    assert base == make(0, "coco", 5, held_out=False)
    assert len({one.key for one in (base, *others)}) == 5


def test_things_and_signs_do_not_share_cells() -> None:
    for one in many(held_out=True, num=300):
        cells = [(thing.row, thing.column) for thing in one.things]
        assert len(set(cells)) == len(cells)
        assert not {row for row, _ in cells} & {sign.row for sign in one.signs}


@given(st.integers(0, 10**9), st.sampled_from((48, 96, 144)))
def test_each_thing_is_painted_in_its_box_and_nowhere_else(index: int, size: int) -> None:
    one = scene(0, "p", index, held_out=True)
    canvas = pixels(one, size).astype(int)
    ground = np.abs(canvas - GROUND[one.background]).max(axis=2) <= NOISE
    for thing in one.things:
        box = thing_box(thing)
        left, top = round(box.left * size), round(box.top * size)
        right, bottom = (
            round((box.left + box.width) * size),
            round((box.top + box.height) * size),
        )
        inside = canvas[top:bottom, left:right]
        shade = np.clip(np.add(INK[thing.colour], thing.tint), NOISE, 255 - NOISE)
        ink = np.abs(inside - shade).max(axis=2) <= 2 * NOISE
        assert ink.mean() > 0.4
        ground[top - 1 : bottom + 1, left - 1 : right + 1] = True
    assert ground.all()


def test_pixels_are_the_same_everywhere() -> None:
    shown = [make(0, "golden", i, held_out=True) for i in range(40) for make in VARIANTS]
    shown += [meme(0, i).scene for i in range(10)] + [cover(0, i).scene for i in range(10)]
    shown += [one for i in range(10) for one in frames(event(0, "golden", i), 4)]
    shown += [icon_problem(0, i, "choose_txt").scene for i in range(10)]
    data = b"".join(pixels(one).tobytes() for one in shown)
    assert xxh3_64_hexdigest(data) == "3ea020b31f8b8848"


def test_no_two_scenes_give_the_same_pixels() -> None:
    shown = many(held_out=False, num=200)
    assert len({pixels(one).tobytes() for one in shown}) == len(shown)


def test_every_printed_text_fits_and_is_unlike_the_others() -> None:
    masks = {text_mask(word, 46, 10).tobytes() for word in SIGN_WORDS}
    assert len(masks) == len(SIGN_WORDS)
    texts = chain.from_iterable(one.signs for one in (meme(0, i).scene for i in range(500)))
    texts = chain(texts, *(cover(0, i).scene.signs for i in range(500)))
    for sign in texts:
        assert text_mask(sign.text, 46, 10).shape[1] >= 4 * len(sign.text) - 1


def test_jpeg_keeps_the_colours(tmp_path: Path) -> None:
    one = scene(0, "coco", 1, held_out=False)
    for name in ("a.jpg", "a.png", "a.gif"):
        save(paint(one), tmp_path / name)
        back = np.asarray(Image.open(tmp_path / name).convert("RGB")).astype(int)
        assert np.abs(back - pixels(one)).mean() < 6


def test_truth_file_has_a_line_for_each_picture(tmp_path: Path) -> None:
    shown = [sign_scene(0, "textvqa", i, held_out=True) for i in range(3)]
    with TruthWriter(tmp_path, "textvqa") as writer:
        for number, one in enumerate(shown):
            writer.add(f"openimages/{number:016x}", truth(one))
    lines = (tmp_path / "truth" / "textvqa.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["picture"] for row in rows] == [f"openimages/{i:016x}" for i in range(3)]
    for row, one in zip(rows, shown, strict=True):
        assert [t["colour"] for t in row["things"]] == [t.colour for t in one.things]
        assert [w["text"] for w in row["words"]] == [s.text for s in one.signs]
        assert all(0 <= part <= 1 for thing in row["things"] for part in thing["box"])
