"""Draw a scene as a small square picture, with the same pixels on every machine.

There is no antialiasing and no font file; grey noise is seeded by the scene's key. The pixels are
the same everywhere, the encoded bytes only within one version of Pillow.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from xxhash import xxh3_64_intdigest

from instructify.twins.glyphs import Mask, text_mask
from instructify.twins.world import Scene, Sign, Thing, sign_box, thing_box

Pixels = npt.NDArray[np.uint8]
INK = {
    "red": (205, 28, 48),
    "green": (40, 160, 60),
    "blue": (40, 90, 225),
    "yellow": (245, 215, 40),
    "purple": (150, 50, 185),
    "orange": (245, 130, 25),
    "black": (15, 15, 15),
    "white": (245, 245, 245),
}
GROUND = {
    "night": (28, 30, 44),
    "fog": (128, 130, 132),
    "snow": (232, 236, 242),
    "sand": (206, 182, 140),
}
NOISE = 8


def paint(scene: Scene, size: int = 48) -> Image.Image:
    """Paint a scene as an RGB picture of `size` by `size` pixels (a multiple of 48 is sharpest)."""
    return Image.fromarray(pixels(scene, size))


def pixels(scene: Scene, size: int = 48) -> Pixels:
    """Paint a scene as an array [row, column, channel]."""
    canvas = np.empty((size, size, 3), dtype=np.int16)
    canvas[:] = GROUND[scene.background]
    for sign in scene.signs:
        _draw_sign(canvas, sign, scene.background)
    for thing in scene.things:
        _draw_thing(canvas, thing)
    canvas += _noise(scene.key, size)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix; JPEG keeps colours at full resolution."""
    if path.suffix.lower() in (".jpg", ".jpeg"):
        picture.save(path, quality=92, subsampling=0)
    elif path.suffix.lower() == ".png":
        picture.save(path, compress_level=1)  # noise does not get smaller by more effort
    else:
        picture.save(path)


def _noise(key: str, size: int) -> npt.NDArray[np.int16]:
    generator = np.random.Generator(np.random.Philox(key=xxh3_64_intdigest(key.encode())))
    bytes_ = np.frombuffer(generator.bytes(size * size), dtype=np.uint8)
    grey = (bytes_ % (2 * NOISE + 1)).astype(np.int16) - NOISE
    return grey.reshape(size, size, 1)


def _draw_thing(canvas: npt.NDArray[np.int16], thing: Thing) -> None:
    size = len(canvas)
    box = thing_box(thing)
    side = max(3, round(box.width * size))
    left, top = round(box.left * size), round(box.top * size)
    ink = np.add(INK[thing.colour], thing.tint)
    canvas[top : top + side, left : left + side][_shape_mask(thing.shape, side)] = ink


def _draw_sign(canvas: npt.NDArray[np.int16], sign: Sign, background: str) -> None:
    size = len(canvas)
    box = sign_box(sign)
    top, height = round(box.top * size), round(box.height * size)
    if sign.colour is not None:
        canvas[top : top + height] = INK[sign.colour]
    light = sign.colour in ("yellow", "orange") or (sign.colour is None and background != "night")
    mask = text_mask(sign.text, size - 2, height - 2)
    y = top + (height - mask.shape[0]) // 2
    x = (size - mask.shape[1]) // 2
    canvas[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = INK["black" if light else "white"]


@lru_cache(maxsize=256)
def _shape_mask(shape: str, side: int) -> Mask:
    """Rasterise a shape that fills a square of `side` pixels, sampled at pixel centres."""
    centre = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(centre, centre)
    match shape:
        case "circle":
            mask = x * x + y * y <= 1.0
        case "square":
            mask = np.ones((side, side), dtype=np.bool_)
        case "triangle":
            mask = np.abs(x) <= (y + 1) / 2
        case "cross":
            mask = (np.abs(x) < 0.34) | (np.abs(y) < 0.34)
        case "diamond":
            mask = np.abs(x) + np.abs(y) <= 1.0
        case _:
            raise ValueError(f"no such shape: {shape}")
    return np.asarray(mask, dtype=np.bool_)
