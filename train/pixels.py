"""From a picture or clip of a build to 8-bit pixels of the size that the tower takes.

Resizing is what the model's own processor does (the whole picture, bicubic). The paper's
augmentation is a random crop of half to all of the area, of which every number is a function of
keys. A flip is off unless asked for: it makes left right and text unreadable.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructify.errors import UserError
from instructify.keyed import hash_texts, mix, uniform_float
from instructify.pictures.decode import DECODER_ERRORS, TooManyPixels, flatten, open_picture, to_rgb
from instructify.pictures.reading import PictureStore
from instructify.video import ClipUnreadable
from train.config import DataConfig

Pixels = NDArray[np.uint8]
GRAY = 128  # what a blind model sees
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
        """Say how many frames a picture or clip gives."""
        return self.data.frames if self._media(key) == "video" else 1

    def sha256(self, key: str) -> str:
        """Return the content hash of a picture."""
        return self.store.facts(key).sha256

    def read(self, key: str, view: str) -> Pixels:
        """Decode a picture or clip; `view` names the random choices, such as the window."""
        if self.data.blind:
            return np.full((self.num_frames(key), self.size, self.size, 3), GRAY, np.uint8)
        try:
            if self._media(key) == "video":
                frames = self.store.frames(key, self.data.frames).images
            else:
                frames = [self._picture(key)]
        except (*DECODER_ERRORS, TooManyPixels, ClipUnreadable) as error:
            raise UserError(
                f"the picture {key} can't be decoded ({error}); the build says it could be: "
                "run `instructify verify` on it"
            ) from error
        return np.stack([np.asarray(self._sized(one, f"{view} {key}")) for one in frames])

    def _media(self, key: str) -> str:
        try:
            return self.store.facts(key).media
        except KeyError as error:
            raise UserError(f"the build has no picture {key}; run `instructify verify`") from error

    def _picture(self, key: str) -> Image.Image:
        data = self.store.bytes(key)
        if not self.data.draft:
            return to_rgb(data, exif=self.data.exif)
        picture = open_picture(data)
        picture.draft("RGB", (2 * self.size, 2 * self.size))
        return flatten(picture, "RGB")

    def _sized(self, picture: Image.Image, key: str) -> Image.Image:
        box = None
        if self.data.augmentation == "paper":
            box = crop_box(picture.width, picture.height, self.seed, key)
        sized = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        if self.data.flip and _numbers(self.seed, key, "flip", 1)[0] < 0.5:
            return sized.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return sized


def crop_box(width: int, height: int, seed: int, key: str) -> tuple[int, int, int, int]:
    """Choose a random part of a picture: left, top, right, bottom.

    Area uniform in 0.5 to 1, logarithm of the ratio uniform in 3/4 to 4/3, ten tries, else the
    largest allowed ratio in the middle: the rule that this augmentation is known by.
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
