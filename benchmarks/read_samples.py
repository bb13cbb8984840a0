"""Samples with their pictures, read in random order, beside webdataset in sequence and datasets.

    python benchmarks/read_samples.py [ROUNDS] [NUM_PICTURES]

One sample a picture of 150 kB, as those of COCO are. Ours comes by position in a mixture's stream
(`random` order, so every read is somewhere else), theirs from what `export` writes: webdataset
walks through its tars, `datasets` takes Parquet rows at random places. `bytes`: text and the
picture's bytes. `RGB`: decoded too, which all three do with Pillow. One process each, in this one
process, page cache warm, in turn.
"""

import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from export_pictures import INSTRUCTIFY, write_raw
from PIL import Image

from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.pictures.decode import to_rgb
from instructify.recipe.members import mix_build
from instructify.recipe.read import load_mixture
from instructify_train.data.stream import SampleStream

RECIPE = "format: 1\nmixture: {order: random, members: {bench: null}}\n"
BLOCK = 64

Reader = Callable[[int, bool], Iterator[object]]


def ours(root: Path) -> Reader:
    """Read by position: a block of the stream at a time, as a loader process does."""
    build = Build.open(root / "build")
    (root / "mix.yaml").write_text(RECIPE, "utf-8")
    catalog = load_catalog(extra=root / "raw" / "bench.yaml")
    stream = SampleStream(mix_build(build, load_mixture(str(root / "mix.yaml")), catalog))
    store = build.pictures()
    assert store is not None

    def read(count: int, decodes: bool) -> Iterator[object]:
        for start in range(0, count, BLOCK):
            for sample in stream.read(start, min(BLOCK, count - start)):
                data = store.bytes(sample.pictures[0])
                yield sample, to_rgb(data) if decodes else data

    return read


def tars(root: Path) -> Reader:
    """Read tars in sequence by webdataset."""
    import webdataset

    shards = sorted(str(path) for path in (root / "webdataset").rglob("*.tar"))

    def read(count: int, decodes: bool) -> Iterator[object]:
        for number, row in enumerate(webdataset.WebDataset(shards, shardshuffle=False)):
            if number == count:
                return
            text = json.loads(row["json"])
            yield text, _rgb(row["jpg"]) if decodes else row["jpg"]

    return read


def rows(root: Path) -> Reader:
    """Read Parquet rows at random places by datasets."""
    import datasets

    files = sorted(str(path) for path in (root / "parquet").rglob("*.parquet"))
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(root / "cache")
    )
    column = next(name for name in loaded.features if name in ("image", "images"))
    raw = datasets.Image(decode=False)
    loaded = loaded.cast_column(column, [raw] if column == "images" else raw)
    order = np.random.Generator(np.random.Philox(key=1)).permutation(len(loaded))

    def read(count: int, decodes: bool) -> Iterator[object]:
        for place in order[:count]:
            row = loaded[int(place)]
            data = _bytes(row[column])
            yield row, _rgb(data) if decodes else data

    return read


def _bytes(value: object) -> bytes:
    """Take the bytes out of what a row holds: an undecoded image, or a list of one."""
    one = value[0] if isinstance(value, list) else value
    assert isinstance(one, dict)
    return bytes(one["bytes"])


def _rgb(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def prepare(root: Path, num_pictures: int) -> None:
    """Make a build and both exports."""
    write_raw(root / "raw", num_pictures)
    convert = [*INSTRUCTIFY, "convert", "bench", "--raw", str(root / "raw"), "--jobs", "2"]
    convert += ["--catalog", str(root / "raw" / "bench.yaml"), "--out", str(root / "build")]
    subprocess.run([*convert, "--draws", "1"], check=True, capture_output=True)
    for shape in ("webdataset", "parquet"):
        export = [*INSTRUCTIFY, "export", str(root / "build"), "--to", shape]
        subprocess.run([*export, "--out", str(root / shape)], check=True, capture_output=True)


def main(rounds: int, num_pictures: int) -> None:
    """Measure in turn and print medians."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        prepare(root, num_pictures)
        readers = {
            "ours, random": ours(root),
            "webdataset, in sequence": tars(root),
            "datasets, random": rows(root),
        }
        for decodes, count in ((False, num_pictures), (True, min(num_pictures, 1_000))):
            rates: dict[str, list[float]] = {name: [] for name in readers}
            for _ in range(rounds):
                for name, read in readers.items():
                    start = time.perf_counter()
                    total = sum(1 for _ in read(count, decodes))
                    rates[name].append(total / (time.perf_counter() - start))
            mine = statistics.median(rates["ours, random"])
            for name, own in rates.items():
                rate = statistics.median(own)
                what = "RGB" if decodes else "bytes"
                print(f"{what:<7}{name:<26}{rate:>9,.0f} samples/s  ours {mine / rate:.2f}x")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [5, 4_000][len(given) :]))
