"""Units of the likeness test: decode and compare some pairs of pictures.

A unit gets the keys of its pictures and returns numbers, so it can run on any machine. For parts,
each unit writes its result to a file; the first result counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_json, read_regular
from instructify._util.shards import write_bytes
from instructify.build import Build, content_key
from instructify.overlap.alike import Thumbnails, are_alike, has_contrast
from instructify.overlap.result import METHOD
from instructify.pictures import (
    DECODER_ERRORS,
    DRAFT_SIZE,
    SIDE,
    TooManyPixels,
    flatten,
    open_picture,
)

Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class LookUnit:
    """Pairs of pictures to compare.

    Args:
        number: the number of the unit, for messages.
        builds: the folders of the builds.
        contents: a hash of the contents of each build.
        pictures: the number of the build and the key of each picture.
        pairs: two indices of `pictures` for each pair.
        results: a folder for the results; None if no other process needs them.
    """

    number: int
    builds: tuple[str, ...]
    contents: tuple[str, ...]
    pictures: tuple[tuple[int, str], ...]
    pairs: tuple[tuple[int, int], ...]
    results: str | None

    @property
    def name(self) -> str:
        return f"pairs of pictures {self.number}"

    @property
    def key(self) -> str:
        value = [__version__, self.contents, self.pictures, self.pairs]
        return content_key(f"look {METHOD}", value)


class Looked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Indices of pairs that look alike, and of pictures that can't be read or are plain."""

    alike: list[int]
    unreadable: list[int]
    plain: list[int]


def run_look(unit: LookUnit) -> Looked:
    """Compare the pairs of a unit, unless this was done already."""
    if unit.results is None:
        return _look(unit)
    path = Path(unit.results) / f"{unit.key[:24]}.json"
    try:
        return decode_json(read_regular(path), Looked)
    except (FileNotFoundError, NotReadableError):
        pass
    looked = _look(unit)
    write_bytes(path, msgspec.json.encode(looked))
    return looked


def _look(unit: LookUnit) -> Looked:
    thumbnails, readable = _thumbnails(unit.builds, unit.pictures)
    pairs = np.array(unit.pairs, np.int64).reshape(-1, 2)
    both = np.flatnonzero(readable[pairs].all(axis=1))
    alike = are_alike(thumbnails[pairs[both, 0]], thumbnails[pairs[both, 1]])
    return Looked(
        alike=both[alike].tolist(),
        unreadable=np.flatnonzero(~readable).tolist(),
        plain=np.flatnonzero(readable & ~has_contrast(thumbnails)).tolist(),
    )


def _thumbnails(
    builds: Sequence[str], pictures: Sequence[tuple[int, str]]
) -> tuple[Thumbnails, Bools]:
    """Decode pictures to 32 x 32 colours, and return which could be read."""
    stores = [Build.open(folder).pictures() for folder in builds]
    thumbnails = np.zeros((len(pictures), SIDE, SIDE, 3), np.uint8)
    readable = np.zeros(len(pictures), np.bool_)
    for row, (build, key) in enumerate(pictures):
        store = stores[build]
        if store is None:
            continue
        try:
            thumbnails[row] = thumbnail(store.bytes(key))
            readable[row] = True
        except (UserError, KeyError, TooManyPixels, *DECODER_ERRORS):
            continue
    return thumbnails, readable


def thumbnail(data: bytes) -> NDArray[np.uint8]:
    """Decode a picture to 32 x 32 colours, similar to the grey values of its perceptual hash."""
    picture = open_picture(data)
    picture.draft("RGB", DRAFT_SIZE)
    small = flatten(picture, "RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small, np.uint8)
