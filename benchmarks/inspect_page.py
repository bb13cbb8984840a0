"""`inspect --html`: how long a page takes to write, how large it is, how soon it paints.

    python benchmarks/inspect_page.py [ROUNDS]

Two pages of 2,000 samples: of twins of all 26 datasets, whose pictures have 48 pixels a side, and
of captions of 2,000 different pictures of 640 x 480 with the grain of a photograph. A third has
11,000 samples of the twins. Chromium, if there is one, opens each from the disk: `paint` is its own
first contentful paint, `ready` the time until the list is there, `search` that of one search by a
word that changes what is shown.
"""

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from browser import Browser  # the browser that the tests drive

from instructify.twins.make import WRITERS, make_twin

INSTRUCTIFY = [sys.executable, "-c", "from instructify.cli import main; main()"]
_LARGER = ("vqav2", "coco_caption")


def make_twins(place: Path) -> Path:
    """Convert twins of all releases, of two of them larger ones, as `instructify demo` does."""
    make_twin([name for name in WRITERS if name not in _LARGER], place / "raw")
    make_twin(_LARGER, place / "raw", scale=12)
    return convert(place, "--all")


def make_photographs(place: Path) -> Path:
    """Convert captions of pictures that are as large and as hard to compress as photographs."""
    make_twin(["coco_caption"], place / "raw", scale=36)
    dice = np.random.Generator(np.random.Philox(key=0))
    grain = np.zeros((900, 900, 3))
    for size in (1, 2, 4, 8):
        coarse = dice.normal(0, 3 * size, (-(-900 // size), -(-900 // size), 3))
        grain += np.kron(coarse, np.ones((size, size, 1)))[:900, :900]
    for path in sorted((place / "raw").rglob("*.jpg")):
        large = Image.open(path).convert("RGB").resize((640, 480), Image.Resampling.BICUBIC)
        down, right = dice.integers(0, 400), dice.integers(0, 250)
        part = grain[down : down + 480, right : right + 640]
        mixed = np.clip(np.asarray(large) + part, 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(mixed).save(out, "JPEG", quality=85)
        path.write_bytes(out.getvalue())
    return convert(place, "coco_caption")


def convert(place: Path, *names: str) -> Path:
    """Convert `place/raw` into `place/build`."""
    folders = ("--raw", str(place / "raw"), "--out", str(place / "build"))
    line = [*INSTRUCTIFY, "convert", *names, *folders]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return place / "build"


def measure(build: Path, page: Path, options: Sequence[str]) -> tuple[float, float, dict[str, Any]]:
    """Write a page in a process of its own; wall and CPU seconds, and what the command says."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [*INSTRUCTIFY, "inspect", str(build), "--html", str(page), "--json", *options]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, json.loads(done.stdout)


def look(browser: Browser, page: Path) -> tuple[float, float, float]:
    """Open a page: first paint, list ready, one search; in seconds."""
    browser.open(page)
    paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ready = browser.run("performance.getEntriesByType('navigation')[0].domInteractive")
    search = browser.run(
        "(() => { const q = document.getElementById('q'); q.value = 'red';"
        "const start = performance.now(); q.dispatchEvent(new Event('input'));"
        "document.body.offsetHeight; return performance.now() - start; })()"
    )
    return paint / 1000, ready / 1000, search / 1000


def main() -> None:
    """Measure each page; the best and the worst of some rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    browser = Browser.start()
    head = f"{'page':<24}{'samples':>9}{'pictures':>10}{'MB':>7}{'wall s':>14}"
    print(f"{head}{'CPU s':>14}{'paint s':>14}{'ready s':>14}{'search s':>14}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        twins, photographs = make_twins(place / "a"), make_photographs(place / "b")
        pages = (
            ("twins", twins, ()),
            ("photographs", photographs, ()),
            ("twins, many", twins, ("-n", "900")),
        )
        for name, build, options in pages:
            page = place / "page.html"
            runs = [measure(build, page, options) for _ in range(rounds)]
            facts = runs[0][2]
            seen = [look(browser, page) for _ in range(rounds)] if browser is not None else []
            told = "".join(f"{_range(column):>14}" for column in zip(*seen, strict=True))
            print(
                f"{name:<24}{facts['samples']:>9,}{facts['pictures']:>10,}"
                f"{facts['size_bytes'] / 1e6:>7.1f}{_range([one[0] for one in runs]):>14}"
                f"{_range([one[1] for one in runs]):>14}{told}",
                flush=True,
            )
    if browser is not None:
        browser.__exit__(None, None, None)


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f}-{max(values):.2f}"


if __name__ == "__main__":
    main()
