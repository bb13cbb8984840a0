"""How many positions a device takes: what fits by the estimate, or what the recipe says."""

from pathlib import Path

import pytest
import torch
from run_help import recipe_file
from train_help import fresh

from instructify_train.config import TrainConfig
from instructify_train.distributed import Ranks
from instructify_train.model import Tokens, length_of
from instructify_train.recipe import load_recipe
from instructify_train.run.memory import Fit, fit, full_sample, kept_bytes

CUDA = torch.device("cuda")


def config_of(folder: Path, *settings: str) -> TrainConfig:
    plain = ("run.device_batch=null", "data.batch=512", *settings)
    return load_recipe(str(recipe_file(folder)), plain)


def fitted(config: TrainConfig, free: float, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Fit a tiny model on a GPU with so many bytes free."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free), int(free)))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 0)
    return fit(fresh("tiny-llama"), config, Ranks(), CUDA)


def test_what_fits_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The more is free, the more, and never more than the estimate leaves room for."""
    config = config_of(tmp_path)
    takes = [fitted(config, free, monkeypatch) for free in (1.2e9, 1.6e9, 2.4e9)]
    tokens = [one.device_tokens or 0 for one in takes]
    assert tokens == sorted(set(tokens))
    for free, one in zip((1.2e9, 1.6e9, 2.4e9), takes, strict=True):
        assert one.memory.total <= 0.92 * free
        assert one.memory.total >= 0.8 * (0.92 * free - 8e8), "half of the room is left unused"


def test_samples_of_any_length_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Q-Former's share of a position is larger in short samples: those have to fit too."""
    config = config_of(tmp_path)
    model = fresh("tiny-llama")
    one = fitted(config, 1.2e9, monkeypatch)
    assert one.device_tokens is not None
    for ids in ((8, 8, 2), (40, 40, 60)):
        asked, told, answered = ([1] * number for number in ids)
        sample = Tokens(asked, told, answered)
        rows = one.device_tokens // length_of(sample, 1, model.layout)
        assert kept_bytes(model, config, rows, sample) <= 1.02 * one.memory.activations


def test_a_recipe_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = fitted(config_of(tmp_path, "run.device_tokens=700"), 1e12, monkeypatch)
    assert given.device_tokens == 700
    whole = fitted(config_of(tmp_path), 1e12, monkeypatch)
    length = length_of(full_sample(config_of(tmp_path)), 1, fresh("tiny-llama").layout)
    assert whole.device_tokens == 512 * length, "more than a step there is not"
    fixed = fitted(config_of(tmp_path, "run.device_batch=6"), 1e12, monkeypatch)
    assert (fixed.device_tokens, fixed.device_batch) == (None, 6)


def test_a_device_without_room_takes_one_sample_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried: where memory runs out for one sample, the run ends with what to lower."""
    one = fitted(config_of(tmp_path), 1e6, monkeypatch)
    assert (one.device_tokens, one.device_batch) == (1, 1)
