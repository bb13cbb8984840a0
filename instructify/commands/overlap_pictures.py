"""Small pairs of pictures for the overlap page, which show whether two pictures are the same."""

import base64
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.commands.overlap_text import part_name
from instructify.overlap import Example, Overlap, SharedPictures
from instructify.pictures import DECODER_ERRORS, ClipUnreadable, PictureStore, TooManyPixels

WAYS = {"key": "by key", "content": "by bytes", "likeness": "alike"}
_SIDE = 220
_MOST_PICTURES = 80
_MOST_IN_SECTION = 9


class Figure(NamedTuple):
    """A picture and its key; `data` is None if there is no picture or no room for more."""

    key: str
    data: str | None
    alt: str
    problem: str = "no picture"


class PairOfPictures(NamedTuple):
    """An example: how it was found, the other part that has it, and one or two pictures."""

    way: str
    found: str
    part: str
    more: int
    figures: tuple[Figure, ...]


class ExamplePictures:
    """Small pictures of examples, up to the most that a page may hold."""

    def __init__(self, builds: Sequence[Build | None]) -> None:
        self._stores = [None if build is None else build.pictures() for build in builds]
        self._left = _MOST_PICTURES

    def pairs(self, overlap: Overlap, shared: Sequence[SharedPictures]) -> list[PairOfPictures]:
        """Return examples of the pictures that an evaluated split shares, each once.

        There is at most one example of pictures with equal keys, since these are the same file.
        """
        lefts: dict[Example, list[int]] = {}
        for pair in shared:
            for example in pair.examples:
                lefts.setdefault(example, []).append(pair.left)
        by_key = [example for example in lefts if example.way == "key"]
        others = [example for example in lefts if example.way != "key"]
        chosen = [*others[:_MOST_IN_SECTION], *by_key[:1]]
        return [self._pair(overlap, example, lefts[example], shared[0].right) for example in chosen]

    def _pair(
        self, overlap: Overlap, example: Example, lefts: Sequence[int], right: int
    ) -> PairOfPictures:
        return PairOfPictures(
            way=example.way,
            found=WAYS[example.way],
            part=part_name(overlap.parts, lefts[0]),
            more=len(lefts) - 1,
            figures=tuple(self._figures(overlap, example, lefts[0], right)),
        )

    def _figures(
        self, overlap: Overlap, example: Example, left: int, right: int
    ) -> Iterator[Figure]:
        parts = overlap.parts
        yield self._figure(parts[left].build, example.left, part_name(parts, left))
        if example.left != example.right or parts[left].build != parts[right].build:
            yield self._figure(parts[right].build, example.right, part_name(parts, right))

    def _figure(self, build: int, key: str, part: str) -> Figure:
        store = self._stores[build]
        data = None if store is None or self._left <= 0 else _small(store, key)
        if data is not None:
            self._left -= 1
        return Figure(key, data, f"picture {key} of {part}")


def _small(store: PictureStore, key: str) -> str | None:
    """Encode a small copy of a picture, or of the middle frame of a clip."""
    try:
        is_clip = store.facts(key).media == "video"
        image = store.frames(key, 1).images[0] if is_clip else store.image(key)
    except (KeyError, UserError, ClipUnreadable, TooManyPixels, *DECODER_ERRORS):
        return None
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return base64.b64encode(data.getvalue()).decode()
