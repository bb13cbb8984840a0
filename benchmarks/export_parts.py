"""Exports by one process and in parts: CPU seconds, and the share of them that lies in parts.

    python benchmarks/export_parts.py [--samples N] [--rounds N] [--only SHAPE ...] [--no-pictures]

The build: VQAv2 train with one draw and five samples a picture; the pictures are small JPEGs, all
different. The parts run one after another and then the command without `--part`; both ways have to
give the same bytes. Each command starts Python and imports its libraries, which takes the same time
for any number of samples: this start is measured by an export of one sample, and the share is
given with and without it.
"""

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import run_once
from PIL import Image
from vqav2_raw import write_vqav2

INSTRUCTIFY = [sys.executable, "-c", "from instructify.cli import main; main()"]
SHAPES = ("webdataset", "parquet", "hub", "llava", "chat")
PARTS = 4
SAMPLES_A_PICTURE = 5


def write_pictures(root: Path, num_samples: int) -> None:
    """Write a JPEG for every five questions."""
    noise = np.random.Generator(np.random.Philox(key=0)).integers(0, 256, (48, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((160, 120)).save(buffer, "JPEG", quality=75)
    base = buffer.getvalue()
    photos = root / "coco" / "train2014"
    photos.mkdir(parents=True)
    for number in range(-(-num_samples // SAMPLES_A_PICTURE)):
        comment = b"\xff\xfe\x00\x0a%08d" % number
        name = f"COCO_train2014_{9 + 7 * number:012}.jpg"
        (photos / name).write_bytes(base[:2] + comment + base[2:])


def write_build(root: Path, num_samples: int, *, pictures: bool) -> Path:
    """Convert, and delete the raw files."""
    write_vqav2(root / "raw" / "vqav2", num_samples)
    if pictures:
        write_pictures(root / "raw", num_samples)
    convert = [*INSTRUCTIFY, "convert", "vqav2", "--split", "train", "--draws", "1", "--jobs", "2"]
    convert += ["--raw", str(root / "raw"), "--out", str(root / "build"), "--pictures"]
    convert.append("store" if pictures else "none")
    subprocess.run(convert, check=True, capture_output=True)
    shutil.rmtree(root / "raw")
    return root / "build"


class Seconds(NamedTuple):
    """CPU seconds of an export by one process, of all parts, of the last command, of a start."""

    one: float
    parts: float
    last: float
    start: float


def measure(export: Sequence[str], scratch: Path) -> Seconds:
    """Export in one process and in parts, and compare the bytes."""
    whole, parts = scratch / "whole", scratch / "parts"
    start = run_once([*export, "--limit", "1", "--out", str(whole)]).cpu_s
    shutil.rmtree(whole)
    one = run_once([*export, "--out", str(whole)]).cpu_s
    command = [*export, "--out", str(parts)]
    inside = [
        run_once([*command, "--part", f"{number}/{PARTS}"]).cpu_s for number in range(1, PARTS + 1)
    ]
    last = run_once(command).cpu_s
    subprocess.run(["diff", "-rq", str(whole), str(parts)], check=True)
    shutil.rmtree(whole)
    shutil.rmtree(parts)
    return Seconds(one, sum(inside), last, start)


def line(name: str, rounds: Sequence[Seconds]) -> str:
    """Format the medians, and the share of the parts with and without the starts."""
    middle = Seconds(*map(statistics.median, zip(*rounds, strict=True)))
    share = middle.parts / (middle.parts + middle.last)
    work = middle.parts - PARTS * middle.start
    share_of_work = work / (work + max(0.0, middle.last - middle.start))
    figures = "".join(f"{value:>9.2f}" for value in middle)
    return f"{name:<12}{figures}{share:>9.1%}{share_of_work:>9.1%}"


def main() -> None:
    """Make a build, measure every format, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=SHAPES, nargs="+", default=SHAPES)
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--shard-mb", type=int, default=50)
    parser.add_argument("--build", type=Path, help="an existing build; default: a new one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        build = given.build
        if build is None:
            has_pictures = not given.no_pictures
            build = write_build(Path(scratch), given.samples, pictures=has_pictures)
        pictures = ["--no-pictures"] * given.no_pictures
        kind = "text alone" if given.no_pictures else "with pictures"
        print(f"{given.samples:,} samples, {kind}, {PARTS} parts, {given.rounds} rounds")
        titles = ("one", "parts", "last", "start", "share", "without start")
        print(f"{'format':<12}{''.join(f'{title:>9}' for title in titles)}")
        for shape in given.only:
            export = [*INSTRUCTIFY, "export", str(build), "--to", shape, *pictures]
            export += ["--shard-mb", str(given.shard_mb)]
            rounds = [measure(export, Path(scratch)) for _ in range(given.rounds)]
            print(line(shape, rounds), flush=True)


if __name__ == "__main__":
    main()
