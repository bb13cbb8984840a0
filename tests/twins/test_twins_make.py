"""Twins go where they are told, once, into a folder of their own, and are the same every time."""

import errno
import os
from hashlib import sha256
from pathlib import Path

import pytest

from instructify._util.errors import UserError
from instructify.twins import make
from instructify.twins.make import WRITERS, TwinSummary, make_twin, twin_releases

HELD_IN = (
    "coco_caption",
    "web_capfilt",
    "textcaps",
    "vqav2",
    "okvqa",
    "aokvqa",
    "ocr_vqa",
    "llava_instruct",
)


def hashes(root: Path) -> dict[str, str]:
    """Hash every file below a folder."""
    return {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_datasets_lead_to_their_releases_once() -> None:
    names = ["llava_detail", "vqav2_qg", "vqav2", "llava_instruct", "coco_caption"]
    assert twin_releases(names) == ["coco_caption", "vqav2", "llava_instruct"]


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no twin of 'vqa2'.*vqav2"):
        make_twin(["vqa2"], tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_must_be_positive_and_finite(tmp_path: Path, scale: float) -> None:
    with pytest.raises(UserError, match="scale"):
        make_twin(["okvqa"], tmp_path / "raw", scale=scale)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    real = tmp_path / "vqav2" / "v2_mscoco_train2014_annotations.json"
    real.parent.mkdir()
    real.write_text("real")
    with pytest.raises(UserError, match="not empty"):
        make_twin(["vqav2"], tmp_path)
    assert hashes(tmp_path).keys() == {"vqav2/v2_mscoco_train2014_annotations.json"}


def test_a_folder_holds_one_world(tmp_path: Path) -> None:
    make_twin(["okvqa"], tmp_path, scale=0.1, seed=1)
    with pytest.raises(UserError, match="--seed 1"):
        make_twin(["aokvqa"], tmp_path, scale=0.1, seed=2)


def test_each_release_is_reported_when_done(tmp_path: Path) -> None:
    told: list[TwinSummary] = []
    summaries = make_twin(["aokvqa", "okvqa"], tmp_path, scale=0.1, done=told.append)
    assert told == summaries
    assert [summary.release for summary in summaries] == ["okvqa", "aokvqa"]
    assert summaries[0].num_pictures == 4 + 2
    assert "okvqa/mscoco_val2014_annotations.json" in summaries[0].files


def test_same_seed_same_bytes_other_seed_others(tmp_path: Path) -> None:
    for folder, seed in (("one", 3), ("two", 3), ("other", 4)):
        make_twin(HELD_IN, tmp_path / folder, scale=0.2, seed=seed)
    one, two, other = (hashes(tmp_path / folder) for folder in ("one", "two", "other"))
    assert one == two
    unchanged = {name for name in one.keys() & other.keys() if one[name] == other[name]}
    assert unchanged <= {
        "aokvqa/large_vocab_train.csv",
        "aokvqa/specialized_vocab_train.csv",
        "web_capfilt/webdataset/00000_stats.json",
        "web_capfilt/webdataset/00001_stats.json",
    }


def test_order_and_company_of_releases_do_not_matter(tmp_path: Path) -> None:
    make_twin(HELD_IN, tmp_path / "together", scale=0.2)
    for release in reversed(HELD_IN):
        make_twin([release], tmp_path / "apart", scale=0.2)
    assert hashes(tmp_path / "together") == hashes(tmp_path / "apart")


def test_a_larger_twin_keeps_the_pictures_of_a_smaller(tmp_path: Path) -> None:
    make_twin(["vqav2", "textcaps", "ocr_vqa"], tmp_path / "small", scale=0.2)
    make_twin(["vqav2", "textcaps", "ocr_vqa"], tmp_path / "large", scale=0.5)
    small, large = hashes(tmp_path / "small"), hashes(tmp_path / "large")
    pictures = {name for name in small if name.endswith((".jpg", ".gif"))}
    assert pictures
    assert {large[name] for name in pictures} == {small[name] for name in pictures}


def test_without_pictures_the_annotations_are_the_same(tmp_path: Path) -> None:
    make_twin(HELD_IN, tmp_path / "all", scale=0.2)
    make_twin(HELD_IN, tmp_path / "texts", scale=0.2, pictures=False)
    everything, texts = hashes(tmp_path / "all"), hashes(tmp_path / "texts")
    assert texts.items() <= everything.items()
    left_out = everything.keys() - texts.keys()
    assert all(
        name.startswith(("truth/", "web_capfilt/webdataset/")) or name.endswith((".jpg", ".gif"))
        for name in left_out
    )


def test_a_picture_that_is_gone_is_drawn_again(tmp_path: Path) -> None:
    make_twin(["okvqa"], tmp_path, scale=0.1)
    before = hashes(tmp_path)
    victim = tmp_path / "coco" / "train2014" / "COCO_train2014_000000000009.jpg"
    victim.unlink()
    make_twin(["okvqa"], tmp_path, scale=0.1)
    assert hashes(tmp_path) == before
    assert not list(tmp_path.rglob("part-*"))


def test_every_held_in_release_has_a_writer() -> None:
    assert set(HELD_IN) <= WRITERS.keys()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"[" * 100_000, b"\xff\xfe{", b"null"])
def test_a_damaged_note_of_a_world_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "world.json").write_bytes(content)
    with pytest.raises(UserError, match=r"world\.json is damaged"):
        make_twin(["vsr"], tmp_path)


def test_a_pipe_in_the_place_of_the_note_of_a_world_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    os.mkfifo(tmp_path / "truth" / "world.json")
    with pytest.raises(UserError, match=r"world\.json is a pipe"):
        make_twin(["vsr"], tmp_path)


def test_a_disk_that_fills_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a write to an open file raises has no name of a file."""

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(make, "WRITERS", {**WRITERS, "vsr": full})
    with pytest.raises(UserError, match=f"{tmp_path / 'raw'} can't be written: No space left"):
        make_twin(["vsr"], tmp_path / "raw")
