"""`instructify.torch`: samples of builds by number, decoded, in any worker."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.torch import Samples, collate


def prepare(sample: dict[str, Any]) -> dict[str, Any]:
    """What a user's transform may do; a function of a module, so that spawn can have it."""
    pixels = np.asarray(sample["images"][0].resize((8, 8)), np.float32) / 255
    return {
        "id": sample["sample_id"],
        "pixels": torch.from_numpy(pixels).permute(2, 0, 1),
        "draw": sample["draw"],
        "size": sample["images"][0].size,
    }


def test_items_are_the_samples_of_the_build(own_build: Path) -> None:
    """In their order, with decoded pictures; -1 and slices as of a list."""
    build = Build.open(own_build)
    samples = Samples(own_build, ["shapes"])
    rows = build.samples("shapes", "train")
    assert len(samples) == len(rows) == 24
    assert [one["sample_id"] for one in samples] == [one["sample_id"] for one in rows]
    first = samples[0]
    assert first["instruction"] == rows[0]["instruction"]
    assert [image.mode for image in first["images"]] == ["RGB"]
    assert first["images"][0].size == (24, 24)
    assert samples[-1]["sample_id"] == rows[-1]["sample_id"] == rows[len(rows) - 1]["sample_id"]
    wanted = [one["sample_id"] for one in rows][-4:-1]
    assert [one["sample_id"] for one in samples[-4:-1]] == wanted
    assert [one["sample_id"] for one in rows[-4:-1]] == wanted
    assert rows[np.int64(3)] == rows[3]
    for wrong in (24, -25):
        with pytest.raises(IndexError):
            samples[wrong]
        with pytest.raises(IndexError):
            rows[wrong]


def test_several_builds_draws_and_splits(own_build: Path, odd_build: Path) -> None:
    both = Samples([own_build, Build.open(odd_build)])
    assert {one["build"] for one in (both[0], both[-1])} == {0, 1}
    assert "shapes/train" in repr(both)
    first = Samples(own_build, ["shapes", "kinds"], split="val", draws="first", images=False)
    assert {one["draw"] for one in first} == {0}
    assert {one["split"] for one in first} == {"val"}
    assert first[0]["images"] == []
    for wrong, said in ((["shape"], "did you mean 'shapes'"), (["talk"], "no split 'val'")):
        with pytest.raises(UserError, match=said):
            Samples(own_build, wrong, split="val")
    with pytest.raises(UserError, match="has a split 'nothing'"):
        Samples(own_build, split="nothing")


def test_a_clip_gives_frames(whole_build: Path) -> None:
    one = Samples(whole_build, ["msvd_qa"], split="test", frames=3)[0]
    assert len(one["images"]) == 3
    assert all(isinstance(image, Image.Image) for image in one["images"])


def test_what_is_open_pickles(own_build: Path) -> None:
    """Rows, pictures, builds and samples go to another process by the places of their files."""
    build = Build.open(own_build)
    store = build.pictures()
    assert store is not None
    key = store.key_at(0)
    rows, samples = build.samples("shapes", "train"), Samples(build, ["shapes"], transform=prepare)
    samples[0]
    again: Any = pickle.loads(pickle.dumps((store, rows, build, samples)))
    assert again[0].bytes(key) == store.bytes(key)
    assert again[1][3] == rows[3]
    assert repr(again[2]) == repr(build)
    assert again[3][5]["id"] == samples[5]["id"]


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.heavy)])
def test_workers_read_them_all(own_build: Path, context: str) -> None:
    samples = Samples(own_build, ["shapes", "kinds"], transform=prepare)
    loader: Any = DataLoader(
        samples,  # type: ignore[arg-type]
        batch_size=10,
        num_workers=2,
        multiprocessing_context=context,
        collate_fn=collate,
    )
    batches = list(loader)
    assert [tuple(one["pixels"].shape) for one in batches] == [(10, 3, 8, 8)] * 4 + [(8, 3, 8, 8)]
    assert [name for one in batches for name in one["id"]] == [one["id"] for one in samples]
    assert batches[0]["draw"].dtype == torch.int64
    assert batches[0]["size"][0] == (24, 24)


def test_collate_stacks_what_is_alike() -> None:
    rows = [{"a": np.zeros(2), "b": torch.zeros(at + 1), "c": None, "d": at} for at in range(2)]
    batch = collate(rows)
    assert batch["a"].shape == (2, 2)
    assert [len(one) for one in batch["b"]] == [1, 2]
    assert batch["c"] == [None, None]
    assert batch["d"].tolist() == [0, 1]
    for wrong in ([], [{"a": 1}, {"b": 1}]):
        with pytest.raises(UserError):
            collate(wrong)


def test_a_build_without_pictures_says_so(own_build: Path, tmp_path: Path) -> None:
    build = Build.open(own_build)
    build.pictures = lambda: None  # type: ignore[method-assign]
    with pytest.raises(UserError, match="images=False"):
        Samples(build, ["shapes"])[0]


def test_a_build_shows_what_it_holds(own_build: Path) -> None:
    shown = repr(Build.open(own_build))
    assert "shapes (held-in, image_qa): train 24, val 24" in shown
    assert "quiz (held-out" in shown
