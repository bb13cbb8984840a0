"""How many pictures a second `check` looks at, page cache warm, beside the system calls it needs.

    python benchmarks/check_pictures.py [NUM_PICTURES] [ROUNDS]

The pictures are JPEGs of about 40 kB with 3 kB of metadata before the frame header, each a file of
its own in one folder, named by a release of VSR. Timed in turn: the least that any look must do
(open, size, first and last bytes, close), the look at located files, and a whole examination with
the reading of the records. Rates are given by the clock and by CPU time, which is what counts on a
machine that others use at the same time.
"""

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from instructify.build.progress import Progress
from instructify.build.raw import RawRoots
from instructify.build.workers import LocalWorkers
from instructify.catalog.load import load_catalog
from instructify.checking.examination import examine
from instructify.checking.picture_checks import PictureUnit, Wanted, run_picture_unit
from instructify.checking.request import CheckRequest
from instructify.pictures.locate import Locator
from instructify.pictures.roots import Location, Roots

_DISTINCT = 50


class Rate(NamedTuple):
    """Pictures a second, by the clock and by CPU time."""

    wall: float
    cpu: float


def write_raw(root: Path, num_pictures: int) -> None:
    """Write one release of VSR whose records each name a picture of their own."""
    images = root / "coco" / "train2017"
    images.mkdir(parents=True)
    bodies = [_jpeg(seed) for seed in range(_DISTINCT)]
    splits = root / "vsr" / "data" / "splits" / "zeroshot"
    splits.mkdir(parents=True)
    with (splits / "test.jsonl").open("w") as lines:
        for number in range(num_pictures):
            name = f"{number:012d}.jpg"
            (images / name).write_bytes(bodies[number % _DISTINCT])
            lines.write(
                f'{{"image": "{name}", "caption": "The cat is under the table.", "label": 1, '
                f'"relation": "under"}}\n'
            )


def _jpeg(seed: int) -> bytes:
    dice = np.random.Generator(np.random.Philox(key=seed))
    small = Image.fromarray(dice.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    sink = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "x" * 3_000  # the frame header lies behind the first kilobyte
    small.resize((640, 480), Image.Resampling.BICUBIC).save(sink, "JPEG", quality=85, exif=exif)
    return sink.getvalue()


def located(root: Path, roots: Roots, num_pictures: int) -> list[Wanted]:
    """Find every picture."""
    locator = Locator(families=load_catalog().families, roots=roots)
    wanted = []
    for number in range(num_pictures):
        key = f"coco/{number:012d}"
        place = locator.find(key, "vsr")
        assert isinstance(place, Location)
        wanted.append(Wanted(key, False, place))
    return wanted


def least(paths: list[str]) -> None:
    """Make the system calls of a look, and nothing else."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        size = os.fstat(descriptor).st_size
        os.pread(descriptor, 1024, 0)
        os.pread(descriptor, 1024, max(0, size - 1024))
        os.close(descriptor)


def main(num_pictures: int, rounds: int) -> None:
    """Print medians of pictures a second."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_raw(root, num_pictures)
        roots = Roots.resolve(root)
        wanted = located(root, roots, num_pictures)
        paths = [str(roots.path(one.place.root, one.place.file)) for one in wanted]
        catalog = load_catalog()
        request = CheckRequest(
            catalog=catalog, datasets=[catalog.dataset("vsr")], roots=RawRoots(raw=root)
        )
        ways: dict[str, Callable[[], object]] = {
            "system calls alone": lambda: least(paths),
            "look at located pictures": lambda: run_picture_unit(
                PictureUnit(roots=roots, wanted=wanted, deep=False)
            ),
            "whole check: read, find, look": lambda: examine(
                request, LocalWorkers(None), Progress(shown=False)
            ),
        }
        rates: dict[str, list[Rate]] = {name: [] for name in ways}
        for _ in range(rounds + 1):  # the first round warms the cache
            for name, way in ways.items():
                wall, cpu = time.perf_counter(), time.process_time()
                way()
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                rates[name].append(Rate(num_pictures / wall, num_pictures / cpu))
    print(f"{num_pictures:,} pictures, {rounds} rounds, one process, cache warm; medians (ranges)")
    print(f"{'pictures a second':<32}{'of the clock':>24}{'of CPU time':>24}")
    for name, own in rates.items():
        columns = [_summed_up(column) for column in zip(*own[1:], strict=True)]
        print(f"{name:<32}{columns[0]:>24}{columns[1]:>24}")


def _summed_up(rates: tuple[float, ...]) -> str:
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [20_000, 5][len(given) :]))
