"""`mixture: all`: every held-in dataset of the build, whichever it has, and who hears of it."""

from pathlib import Path

import pytest
from build_help import Commands

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog, load_catalog
from instructify.recipe import MixedBuild, load_mixture, mix_build
from instructify_train.recipe import changed_settings, load_recipe, recipe_value, save_recipe


@pytest.fixture(name="catalog", scope="module")
def _catalog(own_raw: Path) -> Catalog:
    return load_catalog(extra=own_raw / "mine.yaml")


def mixed(folder: Path, build: Path, catalog: Catalog, mixture: str) -> MixedBuild:
    path = folder / "mine.yaml"
    path.write_text(f"format: 1\nmixture: {mixture}\n", "utf-8")
    return mix_build(Build.open(build), load_mixture(str(path)), catalog, batch=16)


def test_all_has_the_held_in_datasets_of_the_build(
    own_build: Path, catalog: Catalog, tmp_path: Path
) -> None:
    """By the square roots of their sizes; `quiz` has a train split and is held out."""
    plain = mixed(tmp_path, own_build, catalog, "all")
    assert {part.dataset for part in plain.parts} == {"shapes", "kinds", "talk"}
    shares = dict(zip((p.dataset for p in plain.parts), plain.mixture.probabilities, strict=True))
    roots = {part.dataset: part.member.size**0.5 for part in plain.parts}
    assert shares == pytest.approx({n: r / sum(roots.values()) for n, r in roots.items()}, abs=1e-5)
    assert (plain.recipe.batches, plain.recipe.name) == ("mixed", "mine")


@pytest.mark.parametrize(
    "mixture", ["{members: all, alpha: 0}", "{like: all, alpha: 0}", "{like: paper, members: all}"]
)
def test_all_takes_the_other_settings_of_a_mixture(
    own_build: Path, catalog: Catalog, tmp_path: Path, mixture: str
) -> None:
    found = mixed(tmp_path, own_build, catalog, mixture)
    assert {part.dataset for part in found.parts} == {"shapes", "kinds", "talk"}
    if "paper" in mixture:
        assert found.recipe.batches == "per_rank"
    else:
        assert found.mixture.probabilities == pytest.approx([1 / 3] * 3, abs=1e-5)


@pytest.mark.parametrize(
    "settings", [["mixture=all"], ["mixture=all", "mixture.seed=3"], ["mixture.members=all"]]
)
def test_all_is_a_setting_that_a_run_keeps(settings: list[str], tmp_path: Path) -> None:
    config = load_recipe("tiny", settings)
    assert config.mixture.takes_all
    assert config.mixture.members == ()
    save_recipe(config, tmp_path / "recipe.yaml")
    again = load_recipe(str(tmp_path / "recipe.yaml"))
    assert changed_settings(recipe_value(config), recipe_value(again)) == []
    one = load_recipe("tiny", [*settings, "mixture.members={vqav2: null}"])
    assert not one.mixture.takes_all


def test_all_leaves_out_what_has_nothing_to_train_on_and_says_so(
    own_build: Path, catalog: Catalog, tmp_path: Path
) -> None:
    build = Build.open(own_build)
    build.manifest.datasets["kinds"].splits.pop("train")
    path = tmp_path / "mine.yaml"
    path.write_text("format: 1\nmixture: all\n")
    found = mix_build(build, load_mixture(str(path)), catalog)
    assert "kinds" not in {part.dataset for part in found.parts}
    assert found.recipe.note is not None
    assert "leaves out kinds" in found.recipe.note
    for name in [*build.manifest.datasets]:
        build.manifest.datasets[name].splits.pop("train", None)
    with pytest.raises(UserError, match="has no held-in dataset with a split 'train'"):
        mix_build(build, load_mixture(str(path)), catalog)


def test_fine_tuning_is_on_one_dataset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("format: 1\nmixture: {members: all, fine_tune: true}\n")
    with pytest.raises(UserError, match="'members' has all"):
        load_mixture(str(path))


def test_plan_shows_it_and_the_error_names_it(
    own_build: Path, own_raw: Path, command: Commands
) -> None:
    own = (own_build, "--catalog", own_raw / "mine.yaml")
    missing = command("plan", *own, "--recipe", "tiny")
    assert missing.code == 2
    assert "has no coco_caption" in missing.stderr
    assert "`--set mixture=all`" in missing.stderr
    planned = command("plan", *own, "--recipe", "tiny", "--set", "mixture=all", "--json").json()
    assert {row["dataset"] for row in planned["members"]} == {"shapes", "kinds", "talk"}
    assert (planned["steps"], planned["batch"]) == (1000, 64)
    idle = command("plan", *own, "--recipe", "tiny", "--set", "optimizer.lr=1")
    assert idle.code == 2
    assert "has no effect on a plan" in idle.stderr


def test_the_error_offers_all_only_where_something_is_there(
    own_build: Path, catalog: Catalog
) -> None:
    build = Build.open(own_build)
    for name in ("shapes", "kinds", "talk"):
        build.manifest.datasets.pop(name)
    with pytest.raises(UserError) as error:
        mix_build(build, load_mixture("tiny"), catalog)
    assert "mixture=all" not in str(error.value)
