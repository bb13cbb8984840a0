"""Rules inside the units that no small conversion shows."""

import os
from pathlib import Path

import numpy as np
import pytest

from instructify._util.errors import UserError
from instructify.build import records
from instructify.build.raw import RawRoots, find_split
from instructify.build.samples import draws_for
from instructify.catalog.load import load_catalog
from instructify.pictures.locate import Locator
from instructify.pictures.roots import Location, Roots
from instructify.readers.base import record_batch


def test_equal_hashes_of_different_ids_lose_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = record_batch(
        3,
        record_id=["d/train/1", "d/train/2", "d/train/1"],
        form="open",
        pictures=[[], [], []],
        source="d/file.json",
        position=[0, 1, 2],
    )
    monkeypatch.setattr(records, "hash_texts", lambda texts: np.zeros(len(texts), np.uint64))
    kept, _, rejects = records._without_doubles(batch, frozenset({0}), set())
    assert kept.column("record_id").to_pylist() == ["d/train/1", "d/train/2"]
    assert [(reject.position, reject.reason) for reject in rejects] == [(2, "duplicate-id")]


@pytest.mark.parametrize(
    ("split", "pools", "records_", "wanted", "draws"),
    [
        ("train", {"open": 14}, 443_757, None, 2),
        ("train", {"open": 14}, 100, None, 14),
        ("train", {"open": 14, "multiple_choice": 12}, 100, None, 12),
        ("train", {"open": 14}, 2_000_000, None, 1),
        ("val", {"open": 14}, 100, None, 1),
        ("minitest", {"open": 14}, 100, None, 1),
        ("all", {"caption_set": 14}, 100, None, 1),
        ("val", {"open": 14}, 100, 3, 3),
        ("train", {"open": 14}, 100, 50, 14),
    ],
)
def test_draws(
    split: str, pools: dict[str, int], records_: int, wanted: int | None, draws: int
) -> None:
    assert draws_for(records_, split, pools, wanted) == draws


def test_a_pipe_is_no_raw_file(tmp_path: Path) -> None:
    catalog = load_catalog()
    dataset = catalog.dataset("hateful_memes")
    split = dataset.split("train")
    path = tmp_path / "hateful_memes" / "train.jsonl"
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"train\.jsonl expected in"):
        find_split(catalog, dataset, split, RawRoots(raw=tmp_path))


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("coco/000000000042", "COCO_train2014_000000000042.jpg"),
        ("coco/000000000042", "COCO_val2014_000000000042.jpg"),
        ("coco/000000000042", "000000000042.jpg"),
        ("ocr_vqa/761183272", "761183272.gif"),
    ],
)
def test_a_folder_of_pictures_itself_may_be_given(tmp_path: Path, key: str, file: str) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / file).write_bytes(b"picture")
    (tmp_path / "raw").mkdir()
    roots = Roots.resolve(tmp_path / "raw", [images])
    assert Locator(families=load_catalog().families, roots=roots).find(key) == Location(
        "images0", file
    )
