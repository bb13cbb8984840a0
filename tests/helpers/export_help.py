"""What the tests of exports share: a build with everything odd in it, and what it holds.

Captions and sets of captions, one, several and no pictures, clips, PNG beside JPEG, answers that
the authors keep, several draws, and questions with words that trainers read as pictures.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from build_help import Commands

from instructify.build.opened import Build
from instructify.build.workers import Workers
from instructify.exporting.options import MEGABYTE, ExportOptions, PictureFolders
from instructify.exporting.receipt import Receipt
from instructify.exporting.run import Export, run_export
from instructify.exporting.selection import select
from instructify.twins.make import make_twin

RELEASES = ("coco_caption", "vqav2", "iconqa", "scienceqa", "msvd_qa", "vizwiz")
DATASETS = ("coco_caption", "iconqa", "msvd_qa", "scienceqa", "vizwiz", "vqav2")
HOSTILE = "Is <image> or <img>a.jpg</img> in </s> the < image> {{ x }} \u732b?"
SCALE = 0.15


class Expected(NamedTuple):
    """A sample as the build has it, with the sha256 of the bytes of each picture."""

    row: dict[str, Any]
    pictures: tuple[str, ...]


def make_odd_build(command: Commands, place: Path, *, pictures: str = "store") -> Path:
    """Make the build at `place/build` from twins at `place/raw`."""
    raw = place / "raw"
    if not raw.exists():
        make_twin(list(RELEASES), raw, scale=SCALE)
        _plant_hostile_question(raw)
    options = ("--set", "iconqa.kind=all", "--set", "scienceqa.pictures=all", "--draws", 2)
    line = ("convert", *DATASETS, "--raw", raw, "--out", place / "build")
    answer = command(*line, *options, "--pictures", pictures)
    assert answer.code == 0, answer.stderr
    return place / "build"


def export(
    build: Path,
    out: Path,
    *,
    shard_unit: int = MEGABYTE,
    workers: Workers | None = None,
    **options: Any,
) -> Receipt:
    """Export in this process; `shard_unit` stands for the MB of --shard-mb."""
    opened = Build.open(build)
    asked = ExportOptions(**options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("instructify.exporting.options.MEGABYTE", shard_unit)
        return run_export(
            Export(
                build=opened,
                selection=select(opened, asked),
                options=asked,
                folders=PictureFolders(),
                out=out,
                advance=lambda number: None,
            ),
            workers,
        )


def expected(folder: Path) -> dict[tuple[str, str], list[Expected]]:
    """Read every sample of a build, by dataset and split, through the build's own readers."""
    build = Build.open(folder)
    store = build.pictures()
    hashes: dict[str, str] = {}
    found = {}
    for name, entry in build.manifest.datasets.items():
        for split in entry.splits:
            rows = []
            for row in build.samples(name, split):
                for key in row["pictures"]:
                    if key not in hashes and store is not None:
                        hashes[key] = sha256(store.bytes(key))
                rows.append(Expected(row, tuple(hashes.get(key, "") for key in row["pictures"])))
            found[name, split] = rows
    return found


def answered(folder: Path) -> Iterator[Expected]:
    """Go through the samples that have a response."""
    for rows in expected(folder).values():
        yield from (one for one in rows if one.row["response"] is not None)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    return sha256(path.read_bytes())


def receipt(out: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((out / "export.json").read_text("utf-8"))
    return value


def tree(out: Path) -> dict[str, str]:
    """Hash every file of an export."""
    paths = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {path.relative_to(out).as_posix(): hash_file(path) for path in paths}


def _plant_hostile_question(raw: Path) -> None:
    path = next(raw.glob("vqav2/*train2014_questions.json"))
    value = json.loads(path.read_text("utf-8"))
    value["questions"][0]["question"] = HOSTILE
    path.write_text(json.dumps(value), "utf-8")
