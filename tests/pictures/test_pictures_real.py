"""Real slices: every picture and clip is read, and hashes behave on photographs as they should."""

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from picture_cases import saved
from PIL import Image

from instructify._util.shards import read_arrow
from instructify.catalog.load import load_catalog
from instructify.pictures.decode import to_rgb
from instructify.pictures.keys import URL_NAME_DIGITS
from instructify.pictures.locate import Locator
from instructify.pictures.probe import PictureFacts, probe_clip, probe_picture
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import SourceReader
from instructify.pictures.tars import merge_web, plan_web, run_web
from instructify.pictures.video import frames

REAL = os.environ.get("INSTRUCTIFY_REAL_DATA") or None
pytestmark = pytest.mark.skipif(not REAL, reason="INSTRUCTIFY_REAL_DATA is not set")
RAW = Path(REAL or "/nowhere") / "raw"
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp")


def facts_of(data: bytes) -> PictureFacts:
    facts = probe_picture(data)
    assert isinstance(facts, PictureFacts), facts
    return facts


def hash_of(data: bytes) -> int:
    return facts_of(data).phash or 0


def test_every_picture_and_clip_is_read() -> None:
    pictures = [path for path in RAW.rglob("*") if path.suffix.lower() in SUFFIXES]
    assert len(pictures) > 100
    for path in pictures:
        data = path.read_bytes()
        facts = facts_of(data)
        assert to_rgb(data).size == (facts.width, facts.height)
    clips = [path for path in RAW.parent.rglob("*") if path.suffix in (".mp4", ".avi")]
    assert len(clips) >= 5
    for path in clips:
        data = path.read_bytes()
        assert isinstance(probe_clip(data), PictureFacts), path
        found = frames(data, 4)
        assert len(found.images) == 4
        assert found.num_decoded > 100
        assert found.num_repeated == 0


def test_pictures_are_found_where_their_authors_put_them(tmp_path: Path) -> None:
    families = load_catalog().families
    roots = Roots.resolve(RAW)
    scans = [run_web(unit) for unit in plan_web(families, roots, tmp_path)]
    web = merge_web(scans, tmp_path / "web")
    locator = Locator(families=families, roots=roots, web=web)
    clip = next((RAW / "msvd_qa/YouTubeClips").glob("*.mp4")).stem
    photograph = next((RAW / "coco/val2014").glob("*.jpg")).stem.removeprefix("COCO_val2014_")
    wanted = {
        f"coco/{photograph}": "okvqa",
        "gqa/n578564": "gqa",
        "vg/2405722": "gqa",
        "vizwiz/VizWiz_test_00005524.jpg": "vizwiz",
        "openimages/bc3143733b83dec3": "textcaps",
        "scienceqa/test/952/image.png": "scienceqa",
        f"msvd/{clip}": "msvd_qa",
    }
    for key, release in wanted.items():
        assert isinstance(locator.find(key, release), Location), key
    assert len(web) == 5
    names = [row for scan in scans for row in scan_names(scan.path)]
    with SourceReader(roots) as source:
        for name in names:
            assert len(name) == URL_NAME_DIGITS
            place = locator.find(f"web_capfilt/{name}", "web_capfilt")
            assert isinstance(place, Location)
            data = source.read(place, 1 << 20)
            assert isinstance(data, bytes)
            assert facts_of(data).kind == "jpeg"


def scan_names(path: Path) -> list[str]:
    names: list[str] = read_arrow(path)["name"].to_pylist()
    return names


class Change(NamedTuple):
    """Distances of photographs from what was made of them."""

    name: str
    distances: list[int]
    median_at_most: float
    most_at_most: int


def test_hashes_of_changed_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted((RAW / "coco").rglob("*.jpg"))[:40]
    originals = [(hash_of(path.read_bytes()), to_rgb(path.read_bytes())) for path in paths]
    changes = [
        Change("encoded anew, quality 50", _distances(originals, _again), 0, 4),
        Change("scaled to two thirds", _distances(originals, _smaller), 0, 4),
        Change("cut 2.5 % a side", _distances(originals, _cut), 10, 20),
    ]
    hashes = [value for value, _ in originals]
    apart = [(a ^ b).bit_count() for at, a in enumerate(hashes) for b in hashes[:at]]
    with capsys.disabled():
        for change in changes:
            middle = statistics.median(change.distances)
            print(f"\n{change.name}: median {middle}, most {max(change.distances)}", end="")
        print(f"\ndifferent photographs: nearest {min(apart)}", end=" ")
    for change in changes:
        assert statistics.median(change.distances) <= change.median_at_most
        assert max(change.distances) <= change.most_at_most
    assert min(apart) > 10


def _distances(
    originals: list[tuple[int, Image.Image]], change: Callable[[Image.Image], bytes]
) -> list[int]:
    return [(value ^ hash_of(change(picture))).bit_count() for value, picture in originals]


def _again(picture: Image.Image) -> bytes:
    return saved(picture, "JPEG", quality=50)


def _smaller(picture: Image.Image) -> bytes:
    size = (picture.width * 2 // 3, picture.height * 2 // 3)
    return saved(picture.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=90)


def _cut(picture: Image.Image) -> bytes:
    x, y = picture.width // 40, picture.height // 40
    inner = picture.crop((x, y, picture.width - x, picture.height - y))
    return saved(inner, "JPEG", quality=90)
