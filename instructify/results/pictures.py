"""Small pictures of answered questions from the evaluated build."""

import base64
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.inspecting import find_records, small_bytes
from instructify.pictures import DECODER_ERRORS, ClipUnreadable, PictureStore, TooManyPixels

_SIDE, _BYTES = 260, 9_000


class ItemPicture(NamedTuple):
    """The picture of a question, or the reason why there is none."""

    key: str
    data: str | None
    problem: str
    alt: str = "the picture of the question"
    candidates: tuple[str, ...] = ()  # the choices of the question, if it has any


class ItemPictures:
    """Finds pictures by the ids of questions."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._store = build.pictures()
        self._small: dict[str, str | None] = {}

    def find(self, dataset: str, split: str, ids: Sequence[str]) -> dict[str, ItemPicture]:
        """Find the first picture of each question.

        Raises:
            UserError: the build has no such split.
        """
        records = find_records(self._build.records(dataset, split), set(ids))
        return {
            record_id: self._first(record["pictures"])._replace(
                candidates=tuple(record["choices"] or ())
            )
            for record_id, record in records.items()
        }

    def _first(self, keys: Iterable[str]) -> ItemPicture:
        key = next(iter(keys), None)
        if key is None:
            return ItemPicture("", None, "no picture")
        if self._store is None:
            return ItemPicture(key, None, "the build was made without pictures")
        if key not in self._small:
            self._small[key] = _encoded(self._store, key)
        return ItemPicture(key, self._small[key], "no usable picture in the build")


def _encoded(store: PictureStore, key: str) -> str | None:
    """Encode a picture, or the middle frame of a clip."""
    try:
        is_clip = store.facts(key).media == "video"
        image = store.frames(key, 1).images[0] if is_clip else store.image(key)
    except (KeyError, UserError, ClipUnreadable, TooManyPixels, *DECODER_ERRORS):
        return None
    return base64.b64encode(small_bytes(image, _SIDE, _BYTES)).decode()
