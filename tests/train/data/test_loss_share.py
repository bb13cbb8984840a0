"""The shares of the loss that a plan gives are those that the trainer's steps have."""

from pathlib import Path

import numpy as np
import pytest
from run_help import recipe_file

from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.recipe.members import mix_build
from instructify.recipe.plan import make_plan
from instructify.recipe.run_settings import RunSettings
from instructify_train.data.pixels import PixelReader
from instructify_train.data.steps import Share, Steps
from instructify_train.data.stream import SampleStream
from instructify_train.model.forward import layout_of
from instructify_train.model.tokens import SampleTokens, limits_of
from instructify_train.recipe import load_recipe
from instructify_train.tiny.presets import build_preset


@pytest.mark.parametrize("batches", ["mixed", "per_rank"])
def test_a_plan_foretells_the_shares_of_the_loss(
    whole_build: Path, tmp_path: Path, batches: str
) -> None:
    """By another tokenizer than the plan's 1.3 tokens a word, so to within some points."""
    settings = ("data.batch=32", "data.window=8", f"mixture.batches={batches}")
    config = load_recipe(str(recipe_file(tmp_path)), settings)
    build, loaded = Build.open(whole_build), build_preset("tiny-llama")
    mixed = mix_build(build, config.mixture, load_catalog(), batch=32)
    store = build.pictures()
    assert store is not None
    steps = Steps(
        SampleStream(mixed),
        SampleTokens(loaded.processor, limits_of(config.data)),
        PixelReader(store=store, size=48, data=config.data, seed=0),
        layout_of(loaded.model.config),
        config.data,
        Share(),
    )
    parts = np.zeros(len(mixed.parts))
    for number in range(12):
        window = steps.window(number)
        members = [sample.member for sample in window.samples]
        labels = np.array([len(one.response) for one in window.tokens])
        parts += np.bincount(members, weights=window.weights * labels, minlength=len(parts))
    plan = make_plan(mixed, steps=1, batch=32, settings=RunSettings(window=8))
    expected = {row.member: row.loss_share for row in plan.rows}
    assert parts.sum() == pytest.approx(12 * 8), "each step counts one"
    for part, found in zip(mixed.parts, parts / parts.sum(), strict=True):
        assert found == pytest.approx(expected[part.member.name], abs=0.05), part.member.name
