"""Code that all 21 writers share: the request, the sizes, the shared photographs, and the album
that draws each photograph once.

Photographs that several releases name (COCO, Open Images) are drawn from one world: pool and index
determine id, file and scene for every writer. Held-in and held-out sets have separate pools, so no
held-out scene is in the training data.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

from xxhash import xxh3_64_hexdigest

from instructify.twins.dice import Dice
from instructify.twins.painter import paint, save
from instructify.twins.truth import Json, TruthWriter, truth
from instructify.twins.world import Scene, scene, sign_scene

NUM_TRAIN, NUM_VAL, NUM_TEST = 40, 20, 20
PICTURE_SIZE = 48


@dataclass(frozen=True, kw_only=True, slots=True)
class TwinRequest:
    """What a writer is asked for; the files it writes depend on nothing else."""

    out: Path  # the raw root
    release: str
    seed: int = 0
    scale: float = 1.0
    pictures: bool = True

    @property
    def folder(self) -> Path:
        """The release's folder below the raw root."""
        return self.out / self.release

    def num(self, base: int) -> int:
        """Scale a number of pictures, at least one."""
        return max(1, round(base * self.scale))

    @property
    def num_train(self) -> int:
        return self.num(NUM_TRAIN)

    @property
    def num_val(self) -> int:
        return self.num(NUM_VAL)

    @property
    def num_test(self) -> int:
        return self.num(NUM_TEST)

    def dice(self, purpose: str, *where: str | int) -> Dice:
        """Make a stream of chance of this release; `purpose` and `where` name the one use."""
        return Dice(f"{self.release} {purpose}", self.seed, *where)


class Photo(NamedTuple):
    """A picture: its key, the file below the raw root that holds it, and what it shows."""

    key: str
    file: str
    scene: Scene


class CocoPhoto(NamedTuple):
    """A photograph of COCO with the number by which all its releases know it."""

    photo: Photo
    image_id: int


class _Pool(NamedTuple):
    number: int
    file: str
    held_out: bool


# Every pool has its own residue modulo 8, so ids never meet however large the twins are.
_COCO: Mapping[str, _Pool] = MappingProxyType(
    {
        "train2014": _Pool(1, "coco/train2014/COCO_train2014_{:012d}.jpg", False),
        "val2014": _Pool(2, "coco/val2014/COCO_val2014_{:012d}.jpg", False),
        "test2015": _Pool(3, "coco/test2015/COCO_test2015_{:012d}.jpg", False),
        # Photographs of held-out sets alone (VSR, VisDial train).
        "train2017": _Pool(4, "coco/train2017/{:012d}.jpg", True),
        "val2017": _Pool(5, "coco/val2017/{:012d}.jpg", True),
        "train2014_held_out": _Pool(6, "coco/train2014/COCO_train2014_{:012d}.jpg", True),
    }
)
# TextVQA has the folders for both; its train split shares the pool of TextCaps.
_OPEN_IMAGES: Mapping[str, _Pool] = MappingProxyType(
    {
        "textcaps_train": _Pool(0, "textvqa/train_images/{}.jpg", False),
        "textcaps_val": _Pool(1, "textvqa/train_images/{}.jpg", False),
        "textcaps_test": _Pool(2, "textvqa/test_images/{}.jpg", False),
        "textvqa_val": _Pool(3, "textvqa/train_images/{}.jpg", True),
        "textvqa_test": _Pool(4, "textvqa/test_images/{}.jpg", True),
        "nocaps_val": _Pool(5, "nocaps/val/{}.jpg", True),
        "nocaps_test": _Pool(6, "nocaps/test/{}.jpg", True),
    }
)


def coco_photo(seed: int, pool: str, index: int) -> CocoPhoto:
    """Take the index-th photograph of a COCO pool (`train2014`, `val2014`, `test2015`, ...)."""
    number, file, held_out = _COCO[pool]
    image_id = 8 * (index + 1) + number
    shown = scene(seed, "coco", f"{pool}-{index}", held_out=held_out)
    return CocoPhoto(Photo(f"coco/{image_id:012d}", file.format(image_id), shown), image_id)


def open_images_photo(seed: int, pool: str, index: int, *, signs: bool = True) -> Photo:
    """Take the index-th photograph of an Open Images pool; its name is 16 hex digits.

    Those of TextCaps and TextVQA show printed signs, those of NoCaps (`signs=False`) do not.
    """
    _, file, held_out = _OPEN_IMAGES[pool]
    name = xxh3_64_hexdigest(f"{pool}-{index}".encode())
    draw = sign_scene if signs else scene
    shown = draw(seed, "openimages", f"{pool}-{index}", held_out=held_out)
    return Photo(f"openimages/{name}", file.format(name), shown)


class Album:
    """The pictures of one release: each file drawn once, its truth noted in the release's truth
    file.

    Use it as a context manager. Without pictures in the request it writes nothing.
    """

    def __init__(self, request: TwinRequest) -> None:
        self._out = request.out
        self._truth = TruthWriter(request.out, request.release) if request.pictures else None
        self._known: set[str] = set()

    def add(self, photo: Photo, size: int = PICTURE_SIZE) -> None:
        """Paint a picture unless its file is there; note its truth once."""
        self.place(
            photo.key,
            photo.file,
            lambda: truth(photo.scene),
            lambda path: save(paint(photo.scene, size), path),
        )

    def place(
        self,
        key: str,
        file: str,
        facts: Callable[[], Mapping[str, Json]],
        draw: Callable[[Path], None],
    ) -> None:
        """Put any file in its place (a clip, a cover): `draw` writes it to the path it is given."""
        if self._truth is None or key in self._known:
            return
        self._known.add(key)
        self._truth.add(key, facts())
        path = self._out / file
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        draw(part)
        os.replace(part, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._truth is not None:
            self._truth.__exit__(kind, error, trace)
