"""Features are written beside the training, whole, and an error of that is not lost."""

import errno
from pathlib import Path

import pytest
import torch

from instructify._util.errors import UserError
from instructify_train.data.feature_files import FeatureFiles

SHAPE = (3, 4)


EACH = 4 * SHAPE[0] * SHAPE[1] + 32  # bytes of a file


def files(folder: Path, limit: int = 1 << 20, *, writers: int = 1) -> FeatureFiles:
    return FeatureFiles(folder, "tower", SHAPE, torch.float32, limit, writers=writers)


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    own = files(tmp_path)
    given = {f"{number:02}ab-0": torch.randn(SHAPE) for number in range(100)}
    for name, features in given.items():
        own.keep(name, features)
    own.finish()
    for name, features in given.items():
        read = files(tmp_path).read(name)
        assert read is not None
        assert torch.equal(read, features)


def test_the_size_is_kept_to(tmp_path: Path) -> None:
    own = files(tmp_path, 3 * EACH)
    for number in range(9):
        own.keep(f"{number}x-0", torch.zeros(SHAPE))
    own.finish()
    assert len([*tmp_path.rglob("*.bin")]) == 3


def test_processes_of_a_run_keep_to_the_size_together(tmp_path: Path) -> None:
    files(tmp_path).write("aa-0", torch.zeros(SHAPE))
    processes = [files(tmp_path, 7 * EACH, writers=3) for _ in range(3)]
    for rank, kept in enumerate(processes):
        for number in range(9):
            kept.write(f"{rank}{number}-0", torch.zeros(SHAPE))
    assert len([*tmp_path.rglob("*.bin")]) == 7


def test_what_is_written_again_counts_once(tmp_path: Path) -> None:
    """Loader processes read ahead, so a picture may be encoded again before it is written."""
    kept = files(tmp_path, 3 * EACH)
    for name in ("aa-0", "aa-0", "aa-0", "bb-0", "aa-0", "cc-0", "dd-0"):
        kept.write(name, torch.ones(SHAPE))
    assert sorted(path.stem for path in tmp_path.rglob("*.bin")) == ["aa-0", "bb-0", "cc-0"]


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    kept = files(tmp_path, EACH)
    kept.write("aa-0", torch.zeros(SHAPE))
    (path,) = tmp_path.rglob("*.bin")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert kept.read("aa-0") is None
    kept.write("aa-0", torch.ones(SHAPE))
    assert kept.read("aa-0") is not None


def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"'data\.feature_cache' can't write .*aa-0.*No space left"):
        files(tmp_path).write("aa-0", torch.zeros(SHAPE))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_disk_that_takes_nothing_is_said(tmp_path: Path) -> None:
    """At the next picture or at the end, whichever comes first."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be", "utf-8")
    own = files(blocked)
    with pytest.raises(UserError, match="blocked"):
        _keep_many(own)
    again = files(blocked)
    again.keep("aa-0", torch.zeros(SHAPE))
    with pytest.raises(UserError, match="blocked"):
        again.finish()


def test_the_tower_waits_for_a_slow_disk(tmp_path: Path) -> None:
    """Or the features of a whole run would wait in memory."""
    own, most = files(tmp_path), 0
    for number in range(300):
        own.keep(f"{number:03}-0", torch.zeros(SHAPE))
        most = max(most, len(own._waiting))
    own.finish()
    assert most <= 65
    assert not own._waiting


def _keep_many(own: FeatureFiles) -> None:
    for _ in range(100):
        own.keep("aa-0", torch.zeros(SHAPE))
    own.finish()
