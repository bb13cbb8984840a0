"""Large files are cut into ranges of like length, so that processes end together."""

import json
from pathlib import Path

import pytest

from instructify.readers.base import A_LIST, Ranges, RawFile
from instructify.readers.range_plan import plan_ranges

ITEM = {"id": 7, "text": "a text of some length", "numbers": [1, 2, 3]}


@pytest.mark.parametrize("num_items", [30, 150, 1000, 4321])
@pytest.mark.parametrize("range_bytes", [3_000, 10_000])
def test_ranges_come_in_fours_of_like_length(
    tmp_path: Path, num_items: int, range_bytes: int
) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps([ITEM] * num_items))
    cuts = plan_ranges(
        {"data": RawFile("items", path)}, Ranges(places={"data": A_LIST}), range_bytes
    )
    lengths = [stop - start for start, stop in (cut["data"] for cut in cuts)]
    if path.stat().st_size < range_bytes / 4:
        assert not cuts
        return
    item_bytes = len(json.dumps(ITEM)) + 2
    assert len(cuts) % 4 == 0
    assert max(lengths) - min(lengths) <= 2 * item_bytes
    assert max(lengths) <= range_bytes + item_bytes
    assert sum(lengths) + len(cuts) - 1 == path.stat().st_size  # but for the commas at the cuts
