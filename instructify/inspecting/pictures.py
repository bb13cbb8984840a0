"""Small pictures for a page: each content once, clips as the frames that the model sees.

They are decoded as in training, so that a page shows what the model reads. Each takes a few
thousand bytes at most, so that thousands fit into one file.
"""

import base64
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from PIL import Image

from instructify._util.errors import UserError
from instructify.pictures import (
    DECODER_ERRORS,
    ClipUnreadable,
    PictureStore,
    StoredFacts,
    TooManyPixels,
    flatten,
    open_picture,
)

PICTURE_SIDE, PICTURE_BYTES = 320, 11_000
FRAME_SIDE, FRAME_BYTES = 208, 5_000
_QUALITIES = (68, 54, 40)  # of JPEG, which encodes ten times as fast as WebP
_FINE, _FINE_BELOW = (
    92,
    100,
)  # quality for pictures up to so many pixels a side, which need few bytes at any quality
_LEAST_SIDE = 64


class _Seen(NamedTuple):
    """The images of a content, and how many of them repeat the last frame of a short clip."""

    images: tuple[bytes, ...]
    repeated: int
    problem: str | None


class _Kept(NamedTuple):
    """The same as `_Seen`, with the numbers of the images in the page."""

    images: tuple[int, ...]
    repeated: int
    problem: str | None


class PagePictures:
    """Collects the pictures of a page; `images` holds their bytes in base64, each image once."""

    def __init__(self, store: PictureStore | None, num_frames: int) -> None:
        self.images: list[str] = []
        self.entries: list[dict[str, Any]] = []
        self._store = store
        self._num_frames = num_frames
        self._numbers: dict[str, int] = {}  # picture key => entry
        self._left: dict[str, tuple[tuple[int, int], _Kept]] = {}  # key => size, images
        self._seen: dict[str, _Kept] = {}  # content hash => images

    def take(self, keys: Iterable[str]) -> None:
        """Add pictures in this order; threads decode them, since decoding releases the GIL."""
        store, distinct = self._store, list(dict.fromkeys(keys))
        facts = [store.facts(key) for key in distinct if store is not None and key in store]
        new = {fact.sha256: fact for fact in facts if fact.sha256 not in self._seen}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for sha256, small in zip(new, pool.map(self._see, new.values()), strict=True):
                self._seen[sha256] = self._keep(small)
        for key in distinct:
            self.number(key)

    def take_damaged(self, images: Mapping[str, Image.Image]) -> None:
        """Add partly decoded pictures that the build does not hold."""
        for key, image in images.items():
            small = small_bytes(image, PICTURE_SIDE, PICTURE_BYTES)
            self._left[key] = (image.size, self._keep(_Seen((small,), 0, None)))

    def number(self, key: str) -> int:
        """Add a picture if it is new, and return the number of its entry."""
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            self.entries.append(self._entry(key))
        return self._numbers[key]

    def num_frames(self, keys: Sequence[str]) -> int:
        """Count the frames that a model sees of these pictures; missing pictures count 0."""
        store = self._store
        if store is None:
            return len(keys)
        kinds = [store.facts(key).media for key in keys if key in store]
        return sum(self._num_frames if kind == "video" else 1 for kind in kinds)

    def _entry(self, key: str) -> dict[str, Any]:
        if key in self._left:
            pixels, small = self._left[key]
            problem = "damaged: this is as far as it can be decoded"
            return {"key": key, "problem": problem, "images": small.images, "size": pixels}
        if self._store is None:
            return {"key": key, "problem": "the build was made without pictures"}
        if key not in self._store:
            return {"key": key, "problem": "no usable picture in the build"}
        facts = self._store.facts(key)
        if facts.sha256 not in self._seen:
            self._seen[facts.sha256] = self._keep(self._see(facts))
        small = self._seen[facts.sha256]
        size = f"{facts.width} \u00d7 {facts.height}"
        description = f"{size} {facts.kind}, {facts.size_bytes / 1000:,.1f} kB, {facts.sha256[:8]}"
        entry: dict[str, Any] = {"key": key, "told": description, "images": small.images}
        entry["size"] = [facts.width, facts.height]
        if facts.media == "video":
            entry |= {"clip": True, "repeated": small.repeated}
        if small.problem is not None:
            entry["problem"] = small.problem
        return entry

    def _see(self, facts: StoredFacts) -> _Seen:
        """Decode a picture or clip, and encode it small."""
        assert self._store is not None
        try:
            if facts.media == "video":
                clip = self._store.frames(facts.key, self._num_frames)
                small = [small_bytes(frame, FRAME_SIDE, FRAME_BYTES) for frame in clip.images]
                return _Seen(tuple(small), clip.num_repeated, None)
            image = _decoded(self._store.bytes(facts.key))
            return _Seen((small_bytes(image, PICTURE_SIDE, PICTURE_BYTES),), 0, None)
        except (UserError, ClipUnreadable, TooManyPixels, *DECODER_ERRORS) as error:
            return _Seen((), 0, f"can't be decoded now: {error}")

    def _keep(self, small: _Seen) -> _Kept:
        first = len(self.images)
        self.images += [base64.b64encode(data).decode() for data in small.images]
        return _Kept(tuple(range(first, len(self.images))), small.repeated, small.problem)


def _decoded(data: bytes) -> Image.Image:
    """Decode to RGB, at an eighth, a quarter or half of the size where that is enough."""
    picture = open_picture(data)
    least = min(1.0, PICTURE_SIDE / max(picture.size))
    picture.draft("RGB", (int(least * picture.width), int(least * picture.height)))
    return flatten(picture, "RGB")


def small_bytes(image: Image.Image, side: int, most_bytes: int) -> bytes:
    """Encode a small JPEG: lower the quality, then the size, until it has at most `most_bytes`."""
    while True:
        image.thumbnail((side, side), Image.Resampling.HAMMING, reducing_gap=2.0)
        is_fine = max(image.size) <= _FINE_BELOW
        for quality in (_FINE,) if is_fine else _QUALITIES:
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality, subsampling=0 if is_fine else 2)
            if out.tell() <= most_bytes or side <= _LEAST_SIDE:
                return out.getvalue()
        side = side * 3 // 4
