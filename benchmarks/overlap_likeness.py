"""How well `overlap` tells copies of photographs, and how seldom it takes different ones for one.

    python benchmarks/overlap_likeness.py RAW [WINDOWS] [QUERIES]

RAW is a raw root with some COCO, Flickr30k, GQA, VizWiz or TextVQA photographs. Recall: each is
copied in the ways listed and looked for. False matches: an index of WINDOWS windows, cut at random
from the photographs (place, size from 30 % of a side, shape, mirrored or not), is asked for QUERIES
other windows; only pairs from different photographs count, so every match is false. Windows hold
less detail than photographs and are more alike, which makes this harder than real life; but they
come from few photographs, and so does what can be said.
"""

import hashlib
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructify.overlap.alike import are_alike
from instructify.overlap.hamming import met_pairs, near_pairs
from instructify.overlap.likeness import MOST_BITS
from instructify.overlap.looking import thumbnail
from instructify.pictures.perceptual import SIDE, hash_grey
from instructify.pictures.probe import PictureFacts, probe_picture

FOLDERS = (
    "coco/train2014",
    "coco/val2014",
    "coco/val2017",
    "flickr30k/flickr30k-images",
    "gqa/images",
    "vizwiz/test",
    "textvqa/train_images",
)
COPIES = 4
WORKING_SIDE = 256
MILLION = 1_000_000
Copy = Callable[[Image.Image, np.random.Generator], bytes]


class Photo(NamedTuple):
    data: bytes
    phash: int


def photographs(raw: Path) -> list[Photo]:
    """Read all photographs once each: no two with the same bytes or nearly the same hash."""
    photos: list[Photo] = []
    seen: set[str] = set()
    for path in (path for folder in FOLDERS for path in sorted((raw / folder).glob("*.jpg"))):
        data = path.read_bytes()
        facts = probe_picture(data)
        digest = hashlib.sha256(data).hexdigest()
        if not isinstance(facts, PictureFacts) or facts.phash is None or digest in seen:
            continue
        seen.add(digest)
        if all((facts.phash ^ other.phash).bit_count() > MOST_BITS for other in photos):
            photos.append(Photo(data, facts.phash))
    return photos


def encode(picture: Image.Image, quality: int, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, quality=quality)
    return out.getvalue()


def cut(picture: Image.Image, sides: Sequence[float]) -> Image.Image:
    """Cut by shares of left, top, right, bottom."""
    width, height = picture.size
    left, top, right, bottom = sides
    return picture.crop(
        (
            round(left * width),
            round(top * height),
            round(width * (1 - right)),
            round(height * (1 - bottom)),
        )
    )


def scaled(picture: Image.Image, factor: float) -> Image.Image:
    width, height = picture.size
    return picture.resize((max(32, round(width * factor)), max(32, round(height * factor))))


COPY_WAYS: dict[str, Copy] = {
    "JPEG, quality 20 to 95": lambda p, r: encode(p, int(r.integers(20, 96))),
    "WebP, quality 50": lambda p, r: encode(p, 50, "WEBP"),
    "scaled by 0.25 to 1.5": lambda p, r: encode(scaled(p, r.uniform(0.25, 1.5)), 80),
    "squeezed to 256 x 256": lambda p, r: encode(p.resize((256, 256)), 85),
    "grey": lambda p, r: encode(p.convert("L"), 80),
    "15 % brighter": lambda p, r: encode(p.point(lambda v: min(255, int(v * 1.15))), 80),
    "cut by 1.25 % a side": lambda p, r: encode(cut(p, [0.0125] * 4), int(r.integers(50, 96))),
    "cut by 2.5 % a side": lambda p, r: encode(cut(p, [0.025] * 4), int(r.integers(50, 96))),
    "the same, then halved": lambda p, r: encode(scaled(cut(p, [0.025] * 4), 0.5), 60),
    "cut by 0 to 5 %, each side": lambda p, r: encode(cut(p, r.uniform(0, 0.05, 4).tolist()), 80),
    "cut by 5 % a side": lambda p, r: encode(cut(p, [0.05] * 4), 80),
    "mirrored": lambda p, r: encode(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 80),
}


def recall(photos: Sequence[Photo]) -> None:
    """Copy every photograph some times in each way and look for the copies among all of them."""
    rng = np.random.default_rng(1)
    hashes = np.array([photo.phash for photo in photos], np.uint64)
    originals = np.stack([thumbnail(photo.data) for photo in photos])
    print(f"{'copied by':<28}{'copies':>7}{'<= 12 bits':>11}{'met':>8}{'found':>8}{'others':>8}")
    for name, way in COPY_WAYS.items():
        copies, of = [], []
        for number, photo in enumerate(photos):
            picture = Image.open(io.BytesIO(photo.data)).convert("RGB")
            copies += [way(picture, rng) for _ in range(COPIES)]
            of += [number] * COPIES
        facts = [probe_picture(copy) for copy in copies]
        own = np.array([f.phash for f in facts if isinstance(f, PictureFacts)], np.uint64)
        source = np.array(of)
        near = np.bitwise_count(own ^ hashes[source]) <= MOST_BITS
        pairs = met_pairs(own, hashes, MOST_BITS)
        small = np.stack([thumbnail(copy) for copy in copies])
        alike = are_alike(small[pairs.left], originals[pairs.right])
        right = source[pairs.left] == pairs.right
        print(
            f"{name:<28}{len(copies):>7,}{near.mean():>11.1%}{right.sum() / len(copies):>8.1%}"
            f"{(right & alike).sum() / len(copies):>8.1%}{int((~right & alike).sum()):>8,}"
        )


class Windows:
    """Windows of photographs, made anew from their numbers when they are looked at."""

    def __init__(self, photos: Sequence[Photo], count: int, seed: int) -> None:
        size = (WORKING_SIDE, WORKING_SIDE)
        colour = [Image.open(io.BytesIO(p.data)).convert("RGB").resize(size) for p in photos]
        self._colour = colour
        self._grey = [picture.convert("L") for picture in colour]
        rng = np.random.default_rng(seed)
        self.source = rng.integers(0, len(photos), count)
        side = rng.uniform(0.3, 1, count)[:, None] * rng.uniform(0.8, 1, (count, 2)) * WORKING_SIDE
        corner = rng.uniform(0, 1, (count, 2)) * (WORKING_SIDE - side)
        self._box = np.concatenate([corner, corner + side], axis=1)
        self._mirrored = rng.random(count) < 0.5

    def _pixels(self, pictures: Sequence[Image.Image], row: int) -> NDArray[np.uint8]:
        left, top, right, bottom = self._box[row].tolist()
        small = pictures[self.source[row]].resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, right, bottom)
        )
        pixels = np.asarray(small, np.uint8)
        return pixels[:, ::-1] if self._mirrored[row] else pixels

    def hashes(self) -> NDArray[np.uint64]:
        rows = range(len(self.source))
        values = (hash_grey(self._pixels(self._grey, row).astype(np.int64)) for row in rows)
        return np.fromiter(values, np.uint64, len(self.source))

    def thumbnails(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([self._pixels(self._colour, int(row)) for row in rows])


def false_matches(photos: Sequence[Photo], num_windows: int, num_queries: int) -> None:
    """Ask an index of windows for windows of other photographs."""
    index, queries = Windows(photos, num_windows, 2), Windows(photos, num_queries, 3)
    there, asked = index.hashes(), queries.hashes()
    start = time.perf_counter()
    pairs = near_pairs(asked, there, MOST_BITS)
    joined = time.perf_counter() - start
    other = queries.source[pairs.left] != index.source[pairs.right]
    left, right = pairs.left[other], pairs.right[other]
    different = sum(
        int((index.source != source).sum()) * int((queries.source == source).sum())
        for source in range(len(photos))
    )
    false = 0
    for begin in range(0, len(left), 4096):
        some = slice(begin, begin + 4096)
        found = are_alike(queries.thumbnails(left[some]), index.thumbnails(right[some]))
        false += int(found.sum())
    most = false + 3 * max(1.0, false**0.5)  # about the upper end of a 95 % interval
    print(f"\nindex of {num_windows:,} windows, {num_queries:,} queries; joined in {joined:.1f} s")
    print(f"pairs from different photographs    {different:>18,}")
    print(f"of these within {MOST_BITS} bits             {len(left):>18,}")
    print(f"of these taken for the same         {false:>18,}  (at most {most:,.0f}, 95 %)")
    for name, rate in (("unconfirmed", len(left)), ("confirmed", false), ("at most", most)):
        a_query = rate / different * MILLION
        shares = ", ".join(f"{share:.0%}: {share / (share + a_query):.2%}" for share in (0.01, 0.1))
        print(f"{name:<12} {a_query:.2g} false a query of a million pictures; precision by the")
        print(f"{'':<12} share of queries that have a copy: {shares}")


def main(raw: Path, num_windows: int, num_queries: int) -> None:
    """Print both tables."""
    photos = photographs(raw)
    print(f"{len(photos)} photographs, {COPIES} copies of each")
    recall(photos)
    false_matches(photos, num_windows, num_queries)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[2:]]
    main(Path(sys.argv[1]), *(given + [MILLION, 50_000][len(given) :]))
