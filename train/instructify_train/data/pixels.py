"""Decode a picture or clip of a build to 8-bit pixels in the input size of the vision tower.

Resizing equals that of the model's own processor (the whole picture, bicubic). The augmentation of
the paper is a random crop of 50 to 100 % of the area, drawn by keys and therefore reproducible.
Flips are off by default: they exchange left and right and make text unreadable.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts, mix, uniform_float
from instructify._util.outside import check_named
from instructify.pictures import (
    DECODER_ERRORS,
    ClipUnreadable,
    PictureStore,
    TooManyPixels,
    clip_format,
    flatten,
    frames,
    open_picture,
    to_rgb,
)
from instructify_train.config import DataConfig

Pixels = NDArray[np.uint8]
GRAY = 128  # the gray value that a blind model gets
_SCALE = (0.5, 1.0)  # of the area, as LAVIS' blip2_image_train
_RATIO = (3 / 4, 4 / 3)  # width by height
_TRIES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelReader:
    """Reads frames of pictures and clips as [frames, size, size, 3]."""

    store: PictureStore
    size: int
    data: DataConfig
    seed: int

    def num_frames(self, key: str) -> int:
        """Return the number of frames of a picture or clip."""
        return self.data.frames if self._media(key) == "video" else 1

    def sha256(self, key: str) -> str:
        """Return the content hash of a picture."""
        return self.store.facts(key).sha256

    def read(self, key: str, view: str) -> Pixels:
        """Decode a picture or clip; `view` is the key of the random choices, such as the window."""
        if self.data.blind:
            return gray(self.num_frames(key), self.size)
        is_clip = self._media(key) == "video"
        try:
            images = decode(self.store.bytes(key), self.data, self.size, is_clip=is_clip)
        except (*DECODER_ERRORS, TooManyPixels, ClipUnreadable) as error:
            raise UserError(
                f"the picture {key} can't be decoded ({error}); the build says it could be: "
                "run `instructify verify` on it"
            ) from error
        return np.stack([np.asarray(self._sized(image, f"{view} {key}")) for image in images])

    def _media(self, key: str) -> str:
        try:
            return self.store.facts(key).media
        except KeyError as error:
            raise UserError(f"the build has no picture {key}; run `instructify verify`") from error

    def _sized(self, picture: Image.Image, key: str) -> Image.Image:
        box = None
        if self.data.augmentation == "paper":
            box = crop_box(picture.width, picture.height, self.seed, key)
        sized = _resized(picture, self.size, box)
        if self.data.flip and _numbers(self.seed, key, "flip", 1)[0] < 0.5:
            return sized.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return sized


def read_file(path: Path, data: DataConfig, size: int) -> Pixels:
    """Decode a picture or clip from a file, as `PixelReader` does without augmentation."""
    check_named(path, "give a picture or a clip")
    try:
        content = path.read_bytes()
        if not content:
            raise UserError(f"{path} can't be read (it is empty); give a picture or a clip")
        is_clip = clip_format(content) is not None
        if data.blind:
            return gray(data.frames if is_clip else 1, size)
        return resize(decode(content, data, size, is_clip=is_clip), size)
    except OSError as error:
        reason = error.strerror or "it is no JPEG, PNG, GIF, WebP or BMP, and no clip"
        raise UserError(f"{path} can't be read ({reason}); give a picture or a clip") from error
    except (*DECODER_ERRORS, TooManyPixels, ClipUnreadable) as error:
        raise UserError(f"{path} can't be decoded ({error}); give a whole picture") from error


def without_augmentation(data: DataConfig) -> DataConfig:
    """Return the same settings without the augmentation of training."""
    return replace(data, augmentation="none", flip=False)


def decode(content: bytes, data: DataConfig, size: int, *, is_clip: bool) -> list[Image.Image]:
    """Decode a picture, or the frames of a clip, to RGB in their original size.

    With `draft`, a JPEG is decoded at the smallest scale at which each side is at least twice
    `size`, the size that it is resized to later.
    """
    if is_clip:
        return frames(content, data.frames).images
    if not data.draft:
        return [to_rgb(content, exif=data.exif)]
    picture = open_picture(content)
    picture.draft("RGB", (2 * size, 2 * size))
    return [flatten(picture, "RGB")]


def resize(images: Sequence[Image.Image], size: int) -> Pixels:
    """Resize images as the model's own processor does; returns [images, size, size, 3]."""
    return np.stack([np.asarray(_resized(image, size)) for image in images])


def gray(num_frames: int, size: int) -> Pixels:
    """Return the gray frames that a blind model gets, [frames, size, size, 3]."""
    return np.full((num_frames, size, size, 3), GRAY, np.uint8)


def _resized(
    image: Image.Image, size: int, box: tuple[int, int, int, int] | None = None
) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def crop_box(width: int, height: int, seed: int, key: str) -> tuple[int, int, int, int]:
    """Draw a random crop of a picture: left, top, right, bottom.

    The area is uniform in 0.5 to 1 and the logarithm of the aspect ratio in log 3/4 to log 4/3,
    with ten tries and then a centre crop, as in torchvision's RandomResizedCrop.
    """
    numbers = _numbers(seed, key, "crop", 4 * _TRIES).reshape(_TRIES, 4)
    for area_part, ratio_part, left_part, top_part in numbers.tolist():
        area = width * height * (_SCALE[0] + (_SCALE[1] - _SCALE[0]) * area_part)
        low, high = map(math.log, _RATIO)
        ratio = math.exp(low + (high - low) * ratio_part)
        wide, high_side = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high_side <= height:
            left = int(left_part * (width - wide + 1))
            top = int(top_part * (height - high_side + 1))
            return left, top, left + wide, top + high_side
    wide = min(width, round(height * _RATIO[1]))
    high_side = min(height, round(width / _RATIO[0]))
    left, top = (width - wide) // 2, (height - high_side) // 2
    return left, top, left + wide, top + high_side


def _numbers(seed: int, key: str, purpose: str, count: int) -> NDArray[np.float64]:
    texts = [f"{key} {number}" for number in range(count)]
    return uniform_float(mix(hash_texts(texts), purpose, seed))
