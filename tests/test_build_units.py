"""Rules inside the units that no small conversion shows."""

import numpy as np
import pytest

from instructify.build import records
from instructify.build.samples import draws_for
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
