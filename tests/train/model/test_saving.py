"""A model is written whole, or one sentence says why not and nothing is left of it."""

from pathlib import Path
from typing import Any

import pytest
from disk_limits import file_size_limit
from train_help import preset

from instructify._util.errors import UserError
from instructify_train.model.saving import save_whole


class Small:
    """A model whose files are as small as the limit allows."""

    def save_pretrained(self, folder: Path) -> None:
        (folder / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("weights", "limit"),
    [(True, 1_000_000), (False, 10_000), (False, 100), (False, 1)],
    ids=["weights", "tokenizer", "settings", "everything"],
)
def test_what_does_not_fit_is_said_and_leaves_nothing(
    tmp_path: Path, weights: bool, limit: int
) -> None:
    model: Any = preset("tiny-llama").model if weights else Small()
    with (
        file_size_limit(limit),
        pytest.raises(
            UserError, match=r"^\S*/out can't be written \([^\n]+\); make room"
        ) as refused,
    ):
        save_whole(model, preset("tiny-llama").processor, tmp_path / "out", {"note": "x" * 200})
    assert "File too large" in str(refused.value) or "os error 27" in str(refused.value)
    assert not any(tmp_path.iterdir())


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    save_whole(Small(), preset("tiny-llama").processor, tmp_path / "out", {"note": "x"})
    assert (tmp_path / "out" / "note").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
