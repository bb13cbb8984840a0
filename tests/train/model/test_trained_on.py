"""What a model says that it was trained on: joined over trainings, refused where it is damaged."""

from pathlib import Path

import pytest

from instructify._util.errors import UserError
from instructify_train.model.trained_on import (
    NOT_NOTED,
    TRAINED_ON,
    TrainedOn,
    read_trained_on,
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    noted = TrainedOn(
        datasets=("aokvqa", "vqav2"),
        fine_tuned_on=("aokvqa",),
        evaluation_prompts=("nocaps", "vizwiz"),
    )
    (tmp_path / TRAINED_ON).write_text(noted.to_text(), "utf-8")
    assert read_trained_on(str(tmp_path)) == noted


@pytest.mark.parametrize("name", [None, "tiny-llama", "Salesforce/instructblip-vicuna-7b"])
def test_nothing_is_known_of_a_model_without_a_folder(name: str | None) -> None:
    assert read_trained_on(name) == NOT_NOTED


def test_nothing_is_known_of_a_folder_without_a_record(tmp_path: Path) -> None:
    assert read_trained_on(str(tmp_path)) == NOT_NOTED


def test_a_training_adds_to_what_its_start_was_trained_on() -> None:
    first = TrainedOn(datasets=("vqav2",), evaluation_prompts=("vizwiz",))
    second = TrainedOn(datasets=("scienceqa",), fine_tuned_on=("scienceqa",)).after(first)
    assert second == TrainedOn(
        datasets=("scienceqa", "vqav2"),
        fine_tuned_on=("scienceqa",),
        evaluation_prompts=("vizwiz",),
    )
    assert second.after(NOT_NOTED) == second.after(second) == second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{" * 10_000,
        '{"format": 2}',
        '{"format": 1, "datasets": "vqav2"}',
        '{"format": 1, "fine_tuned_on": ["<script>"]}',
        '{"format": 1, "evaluation_prompts": [null]}',
        '{"format": 1, "datasets": ["a\\n"]}',
        "\udcff",
    ],
)
def test_a_strange_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / TRAINED_ON).write_text(text, "utf-8", errors="surrogateescape")
    with pytest.raises(UserError, match=r"instructify\.json is damaged"):
        read_trained_on(str(tmp_path))


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRAINED_ON).mkdir()
    with pytest.raises(UserError):
        read_trained_on(str(tmp_path))
