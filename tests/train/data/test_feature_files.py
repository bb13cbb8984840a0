"""Features are written beside the training, whole, and an error of that is not lost."""

from pathlib import Path

import pytest
import torch

from instructify_train.data.feature_files import FeatureFiles

SHAPE = (3, 4)


def files(folder: Path, limit: int = 1 << 20) -> FeatureFiles:
    return FeatureFiles(folder, "tower", SHAPE, torch.float32, limit)


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
    each = 4 * SHAPE[0] * SHAPE[1] + 32
    own = files(tmp_path, 3 * each)
    for number in range(9):
        own.keep(f"{number}x-0", torch.zeros(SHAPE))
    own.finish()
    assert len([*tmp_path.rglob("*.bin")]) == 3


def test_a_disk_that_takes_nothing_is_said(tmp_path: Path) -> None:
    """At the next picture or at the end, whichever comes first."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be", "utf-8")
    own = files(blocked)
    with pytest.raises(OSError, match="blocked"):
        _keep_many(own)
    again = files(blocked)
    again.keep("aa-0", torch.zeros(SHAPE))
    with pytest.raises(OSError, match="blocked"):
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
