"""A large twin of Web CapFilt: one list of millions of pairs, and some thousands of JPEGs in tars.

Three of four pairs name a picture, so that a picture has hundreds of captions; each other pair has
a url of its own that no tar holds. So the list is long, and so is the table of picture keys.
"""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES_A_TAR = 500
_SIZE = (96, 72)
_ROWS = 10_000  # written at once
_WORDS = ("a", "red", "small", "photo", "of", "two", "dogs", "on", "the", "beach", "with", "hats")


def write_capfilt(raw: Path, *, pairs: int, pictures: int) -> None:
    """Write the release below `raw`; the tars come first, so that a list says it is whole."""
    folder = raw / "web_capfilt"
    (folder / "webdataset").mkdir(parents=True)
    noise = np.random.default_rng(1)
    for first in range(0, pictures, PICTURES_A_TAR):
        with tarfile.open(folder / f"webdataset/{first // PICTURES_A_TAR:05}.tar", "w") as tar:
            for number in range(first, min(first + PICTURES_A_TAR, pictures)):
                _add(tar, f"{number:09}.jpg", _jpeg(noise))
                _add(tar, f"{number:09}.json", json.dumps({"url": _live(number)}).encode())
    with (folder / "ccs_synthetic_filtered.json").open("w") as handle:
        for start in range(0, pairs, _ROWS):
            rows = [_row(at, pictures) for at in range(start, min(start + _ROWS, pairs))]
            handle.write((", " if start else "[") + ", ".join(rows))
        handle.write("]")


def _row(number: int, pictures: int) -> str:
    is_dead = number % 4 == 3
    url = f"https://dead.example.org/{number:08}.jpg" if is_dead else _live(number % pictures)
    words = " ".join(_WORDS[(number * 7 + at * at) % len(_WORDS)] for at in range(3 + number % 10))
    return f'{{"url": "{url}", "caption": "{words} {number}"}}'


def _live(number: int) -> str:
    return f"https://pictures{number % 97}.example.org/{number:08}/photo.jpg?width=640"


def _jpeg(noise: np.random.Generator) -> bytes:
    sink = io.BytesIO()
    coarse = noise.integers(0, 256, (9, 12, 3), np.uint8)
    Image.fromarray(coarse).resize(_SIZE, Image.Resampling.BICUBIC).save(sink, "JPEG")
    return sink.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
