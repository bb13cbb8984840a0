"""Exports of a build with pictures, beside `cp` of the same bytes and beside plain webdataset.

    python benchmarks/export_pictures.py [--rounds N] [--pictures N] [--tars-only]

One sample a picture; the pictures are JPEGs of 150 kB, as those of COCO are, and all different, so
that nothing compresses. `cp` copies the folder that `export --to webdataset` wrote, page cache
warm. An export is also synced to the disk before it gets its name, so `cp` stands here with and
without a sync behind it.
"""

import argparse
import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import HEADER, Run, line, median, run_once
from PIL import Image

PYTHON = sys.executable
INSTRUCTIFY = [PYTHON, "-c", "from instructify.cli import main; main()"]
OTHERS = ("parquet", "llava", "chat")
CATALOG = """\
format: 1
datasets:
  bench:
    task: image_classification
    table:
      files: {train: train.csv}
      pictures: photos
      columns: {picture: file, answer: label}
      question: What is this?
"""


def write_raw(root: Path, num_pictures: int) -> None:
    """Write a table and its pictures: one noisy JPEG, made distinct by a comment in its header."""
    noise = np.random.Generator(np.random.Philox(key=0)).integers(0, 256, (240, 320, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((640, 480)).save(buffer, "JPEG", quality=75)
    base = buffer.getvalue()
    photos = root / "bench" / "photos"
    photos.mkdir(parents=True)
    with (root / "bench" / "train.csv").open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(["file", "label"])
        for number in range(num_pictures):
            comment = b"\xff\xfe\x00\x0a%08d" % number
            (photos / f"{number:06}.jpg").write_bytes(base[:2] + comment + base[2:])
            rows.writerow([f"{number:06}.jpg", f"label {number % 1000}"])
    (root / "bench.yaml").write_text(CATALOG, encoding="utf-8")


def write_obviously(build: str, out: str) -> None:
    """Write tars the way that the webdataset library shows: a dict a sample."""
    import webdataset

    from instructify.build import Build

    opened = Build.open(build)
    pictures = opened.pictures()
    assert pictures is not None
    Path(out).mkdir()
    with webdataset.ShardWriter(f"{out}/train-%06d.tar", maxsize=500e6, verbose=0) as writer:
        for number, row in enumerate(opened.samples("bench", "train")):
            text = {"sample_id": row["sample_id"], "instruction": row["instruction"]}
            writer.write(
                {
                    "__key__": f"{number:09d}",
                    "jpg": pictures.bytes(row["pictures"][0]),
                    "json": json.dumps({**text, "response": row["response"]}).encode(),
                }
            )


def measure(root: Path, rounds: int, *, tars_only: bool) -> dict[str, list[Run]]:
    """Run every way in turn; what a way wrote is deleted before the next."""
    build, kept, out = root / "build", root / "kept", root / "out"
    export = [*INSTRUCTIFY, "export", str(build), "--to"]
    subprocess.run([*export, "webdataset", "--out", str(kept)], check=True, capture_output=True)
    commands = {
        "export --to webdataset": [*export, "webdataset", "--out", str(out)],
        "cp -r, then sync": ["sh", "-c", f"cp -r '{kept}' '{out}' && sync -f '{out}'"],
        "cp -r of the webdataset": ["cp", "-r", str(kept), str(out)],
        "webdataset.ShardWriter": [PYTHON, __file__, "--obvious", str(build), str(out)],
    }
    if not tars_only:
        commands |= {f"export --to {to}": [*export, to, "--out", str(out)] for to in OTHERS}
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            subprocess.run(["sync", "-f", str(root)], check=True)
            runs[name].append(run_once(command))
            shutil.rmtree(out)
    return runs


def main(rounds: int, num_pictures: int, *, tars_only: bool) -> None:
    """Make a build, measure, print."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_raw(root / "raw", num_pictures)
        convert = [*INSTRUCTIFY, "convert", "bench", "--raw", str(root / "raw"), "--jobs", "2"]
        convert += ["--catalog", str(root / "raw" / "bench.yaml"), "--out", str(root / "build")]
        subprocess.run([*convert, "--draws", "1"], check=True, capture_output=True)
        shutil.rmtree(root / "raw")
        runs = measure(root, rounds, tars_only=tars_only)
        size = sum(path.stat().st_size for path in (root / "kept").rglob("*") if path.is_file())
    print(f"{num_pictures:,} samples with a picture each, {size / 1e6:,.0f} MB, {rounds} rounds")
    print(HEADER)
    for name, own in runs.items():
        print(line(name, own))
    ours = median(runs["export --to webdataset"]).wall_s
    for name in ("cp -r of the webdataset", "cp -r, then sync", "webdataset.ShardWriter"):
        print(f"export --to webdataset takes {ours / median(runs[name]).wall_s:.2f}x of {name}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--obvious"]:
        write_obviously(sys.argv[2], sys.argv[3])
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--pictures", type=int, default=20_000)
        parser.add_argument("--tars-only", action="store_true")
        given = parser.parse_args()
        main(given.rounds, given.pictures, tars_only=given.tars_only)
