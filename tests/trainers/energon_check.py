"""Energon: its loader gives every sample, its `prepare` would make the same index."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from expectations import Case, Given, read_case, require
from megatron.energon import (
    Cooker,
    DefaultTaskEncoder,
    Sample,
    WorkerConfig,
    basic_sample_keys,
    edataclass,
    get_loader,
    get_train_dataset,
    get_val_dataset,
    stateless,
)
from PIL import Image

TABLES = ("samples", "sample_parts")


@edataclass
class Cooked(Sample):  # type: ignore[misc]
    """A crude sample, whole."""

    parts: dict[str, Any]


@stateless  # type: ignore[untyped-decorator]
def cook(sample: dict[str, Any]) -> Cooked:
    return Cooked(**basic_sample_keys(sample), parts=dict(sample))


class Plain(DefaultTaskEncoder):  # type: ignore[misc]
    """Gives samples as they are, one a batch."""

    cookers = (Cooker(cook, has_subflavors={"crude_type": "instructify"}),)

    def batch(self, samples: list[Any]) -> Any:
        return samples[0]


def worker() -> WorkerConfig:
    return WorkerConfig(rank=0, world_size=1, num_workers=0)


def check_sample(case: Case, sample: Any, one: Given) -> None:
    """Compare one sample with what the build has."""
    if isinstance(sample, Cooked):
        told = sample.parts["json"]
        require(told["instruction"] == one.instruction, one.sample_id)
        require(told["answers"] == one.answers, one.sample_id)
        pictures = [sample.parts[key] for key in sorted(sample.parts) if key.endswith("png")]
        require(len(pictures) == len(one.pictures), f"{one.sample_id} has its pictures")
        return
    require(sample.context == one.instruction, one.sample_id)
    require(sample.answers == one.answers, one.sample_id)
    if hasattr(sample, "image"):
        check_pixels(case, sample.image, one)
    else:
        frames = sample.video.get_clips([(0, 1)], video_unit="frames")
        require(frames is not None, f"{one.sample_id} has a clip that decodes")


def check_pixels(case: Case, image: Any, one: Given) -> None:
    """Compare with the picture file of that hash; a set of captions has none in the chat export."""
    paths = list((case.chat / "images").rglob(f"{one.pictures[0]}.*"))
    if paths:
        wanted = np.asarray(Image.open(paths[0]).convert("RGB"))
        own = (image.numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)
        require(np.array_equal(own, wanted), f"{one.sample_id} has its pixels")


def check_split(case: Case, name: str, split: str, given: list[Given]) -> None:
    loaded = get_val_dataset(
        case.tars / name,
        split_part=split,
        worker_config=worker(),
        batch_size=1,
        task_encoder=Plain(),
    )
    found = list(get_loader(loaded))
    require(len(found) == len(given), f"{name}/{split} has {len(given)} samples, not {len(found)}")
    for sample, one in zip(found, given, strict=True):
        check_sample(case, sample, one)


def check_prepare(case: Case, name: str) -> None:
    """Let `energon prepare` index the same tars anew and compare all that it writes."""
    ours, theirs = case.tars / name, case.tars.parent / f"prepared-{name}"
    shutil.copytree(ours, theirs, ignore=shutil.ignore_patterns(".nv-meta", "*.idx"))
    splits = sorted({path.name.rpartition("-")[0] for path in ours.glob("*.tar")})
    line = [str(Path(sys.executable).with_name("energon")), "prepare", str(theirs)]
    line += ["--non-interactive", "--skip-dataset-yaml", "--num-workers", "1"]
    for split in splits:
        line += ["--split-parts", f"{split}:{split}-.*"]
    subprocess.run(line, check=True, capture_output=True)
    for path in ours.glob("*.idx"):
        require(path.read_bytes() == (theirs / path.name).read_bytes(), f"{name}/{path.name}")
    info = [
        json.loads((one / ".nv-meta" / ".info.json").read_text())["shard_counts"]
        for one in (ours, theirs)
    ]
    require(info[0] == info[1], f"{name} has the counts of energon prepare")
    for table in TABLES:
        rows = []
        for one in (ours, theirs):
            database = sqlite3.connect(one / ".nv-meta" / "index.sqlite")
            rows.append(sorted(database.execute(f"SELECT * FROM {table}").fetchall()))
        require(rows[0] == rows[1] and bool(rows[0]), f"{name} has the {table} of energon prepare")


def check_blend(case: Case) -> int:
    """Train over the held-in datasets: an epoch is every training sample once."""
    wanted = sorted(
        one.sample_id
        for (name, split), given in case.given.items()
        if name in ("coco_caption", "vqav2") and split == "train"
        for one in given
    )
    loaded = get_train_dataset(
        case.tars / "held-in-train.yaml",
        worker_config=worker(),
        batch_size=1,
        shuffle_buffer_size=None,
        max_samples_per_sequence=None,
        repeat=False,
        task_encoder=Plain(),
    )
    keys = [sample.__key__ for sample in get_loader(loaded)]
    require(len(keys) == len(set(keys)) == len(wanted), "an epoch is each sample once")
    return len(keys)


def main() -> None:
    case = read_case()
    for (name, split), given in case.given.items():
        check_split(case, name, split, given)
    for name in {name for name, _ in case.given}:
        check_prepare(case, name)
    total = sum(map(len, case.given.values()))
    print(f"{total} samples read, {check_blend(case)} in an epoch of training, index as prepared")


if __name__ == "__main__":
    main()
