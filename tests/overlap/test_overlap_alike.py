"""Copies of a picture are told from other pictures like it, by their pixels."""

from collections.abc import Callable

import numpy as np
import pytest
from photographs import encoded, scene
from PIL import Image, ImageDraw

from instructify.overlap.alike import agreement, are_alike, has_contrast
from instructify.overlap.looking import thumbnail


def alike(one: bytes, other: bytes) -> bool:
    return bool(are_alike(thumbnail(one)[None], thumbnail(other)[None])[0])


def cut(picture: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = picture.size
    return picture.crop(
        (
            round(left * width),
            round(top * height),
            round(width - right * width),
            round(height - bottom * height),
        )
    )


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "poor": lambda p: encoded(p, 20),
    "webp": lambda p: encoded(p, 50, "WEBP"),
    "png": lambda p: encoded(p, kind="PNG"),
    "small": lambda p: encoded(p.resize((100, 75))),
    "square": lambda p: encoded(p.resize((256, 256))),
    "grey": lambda p: encoded(p.convert("L")),
    "cut": lambda p: encoded(cut(p, 0.025, 0.025, 0.025, 0.025)),
    "cut on one side": lambda p: encoded(cut(p, 0.05, 0, 0, 0)),
    "cut and small": lambda p: encoded(cut(p, 0, 0.05, 0.025, 0).resize((160, 120)), 60),
}


@pytest.mark.parametrize("way", COPIES)
def test_copies_are_alike(way: str) -> None:
    for seed in range(4):
        picture = scene(seed)
        assert alike(encoded(picture, 95), COPIES[way](picture)), seed
        assert alike(COPIES[way](picture), encoded(picture, 95)), seed


def test_others_are_not() -> None:
    thumbnails = np.stack([thumbnail(encoded(scene(seed))) for seed in range(24)])
    left, right = np.triu_indices(len(thumbnails), 1)
    assert not are_alike(thumbnails[left], thumbnails[right]).any()


def drawing(ground: str, colour: str, *, dot: bool = False) -> bytes:
    picture = Image.new("RGB", (200, 150), ground)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(140, 40), (170, 40), (155, 10)], fill=colour)
    if dot:
        draw.ellipse((20, 90, 50, 120), fill=colour)
    return encoded(picture, kind="PNG")


def test_colours_and_single_spots_count() -> None:
    """Grey values alone take a red triangle on sand for a green one on white."""
    red, green = drawing("#d2b48c", "#c01030"), drawing("white", "#20a020")
    whole = agreement(thumbnail(red)[None], thumbnail(green)[None])
    assert whole.whole[0] > 0.95
    assert not alike(red, green)
    assert not alike(red, drawing("#d2b48c", "#c01030", dot=True))
    assert alike(red, drawing("#d2b48c", "#c01030"))


def test_plain_surfaces_are_like_nothing() -> None:
    plain = encoded(Image.new("RGB", (100, 100), "white"))
    assert not alike(plain, plain)
    assert not has_contrast(thumbnail(plain)[None])[0]


def test_no_pairs_at_all() -> None:
    nothing = np.zeros((0, 32, 32, 3), np.uint8)
    assert are_alike(nothing, nothing).shape == (0,)
