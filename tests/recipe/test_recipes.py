"""The mixture of a recipe: what may be written, and what is said to mistakes."""

from pathlib import Path

import pytest

from instructify._util.errors import UserError
from instructify.catalog.load import load_catalog
from instructify.recipe.model import MixtureRecipe, RecipeMember, Waiver
from instructify.recipe.read import load_mixture, load_waivers, recipe_names
from instructify_train.recipe import changed_settings, load_recipe, recipe_value, save_recipe


def written(folder: Path, mixture: str, name: str = "mine") -> MixtureRecipe:
    path = folder / f"{name}.yaml"
    path.write_text(f"format: 1\nmixture:\n  {mixture}\n", encoding="utf-8")
    return load_mixture(str(path))


def test_the_recipes_that_ship() -> None:
    assert {"paper", "paper-without-capfilt"} <= set(recipe_names())
    held_in = {one.name for one in load_catalog().select(role="held-in")}
    paper, without = load_mixture("paper"), load_mixture("paper-without-capfilt")
    assert {member.dataset for member in paper.members} == held_in
    kept = [member for member in paper.members if member.dataset != "web_capfilt"]
    assert list(without.members) == kept
    assert without.note is not None
    assert "left out" in without.note


def test_everything_that_may_be_written(tmp_path: Path) -> None:
    recipe = written(
        tmp_path,
        "{alpha: 1, size: official, order: random, batches: per_rank, reference_ranks: 4, "
        "fine_tune: false, shares: by_size, seed: 4, note: ' a b ', "
        "fixed: {a: 0.5}, members: {a: , b: {splits: [train, val], forms: [open], factor: 2, "
        "official: 9}, c: {forms: {open: 0.5, multiple_choice: }}}}".replace("a: ,", "a: null,"),
    )
    assert recipe.alpha == 1
    assert (recipe.size, recipe.order, recipe.batches) == ("official", "random", "per_rank")
    assert (recipe.reference_ranks, recipe.logical_batch(64)) == (4, 16)
    assert (recipe.seed, recipe.note, recipe.fixed, recipe.name) == (4, "a b", {"a": 0.5}, "mine")
    assert recipe.members == (
        RecipeMember(dataset="a"),
        RecipeMember(
            dataset="b", splits=("train", "val"), forms={"open": None}, factor=2, official=9
        ),
        RecipeMember(dataset="c", forms={"open": 0.5, "multiple_choice": None}),
    )
    assert written(tmp_path, "{members: {a: null}, size: 1000}").size == 1000


def test_a_mixture_like_another_with_a_change() -> None:
    """The paper's comparisons differ from its run in one word each."""
    paper = load_mixture("paper")
    uniform, prefix = load_mixture("ablation-uniform"), load_mixture("multitask-prefix")
    assert uniform.shares == "uniform"
    assert [one.dataset for one in uniform.members] == [one.dataset for one in paper.members]
    assert all(one.factor == 1 for one in uniform.members)
    assert (prefix.prompts, prefix.alpha, prefix.members) == ("prefix", 0.5, paper.members)
    assert load_waivers("ablation-uniform") == load_waivers("paper") != ()
    unaware, plain = load_recipe("ablation-unaware"), load_recipe("paper-flan-t5-xl")
    assert not unaware.model.instruction_aware
    assert changed_settings(recipe_value(plain), recipe_value(unaware)) == [
        "model.instruction_aware was True and is False"
    ]


def test_papers_runs_have_the_batches_of_lavis() -> None:
    """16 logical batches a step, of 12, 8 or 4 samples, each of a dataset drawn by its share."""
    sizes = {192: 12, 128: 8, 64: 4}
    ours = {"tiny", "tiny-vqa", "mixed-batches"}
    for name in set(recipe_names()) - ours:
        recipe = load_recipe(name)
        assert recipe.mixture.batches == "per_rank", name
        assert recipe.mixture.reference_ranks == 16
        assert recipe.mixture.logical_batch(recipe.data.batch) == sizes[recipe.data.batch]
        assert recipe.mixture.order == "random_datasets" or recipe.mixture.fine_tune
    mixed, paper = load_mixture("mixed-batches"), load_mixture("paper")
    assert (mixed.batches, mixed.order, mixed.members) == ("mixed", "stratified", paper.members)
    assert load_recipe("tiny").mixture.batches == "mixed"


@pytest.mark.parametrize("dataset", ["scienceqa", "ocr_vqa", "okvqa", "aokvqa"])
def test_table_three_has_recipes(dataset: str) -> None:
    recipe = load_recipe(f"finetune-{dataset.replace('_', '-')}")
    assert [one.dataset for one in recipe.mixture.members] == [dataset]
    assert recipe.mixture.fine_tune
    assert recipe.model.train == ("norm", "qformer", "projection")
    forms = load_catalog().datasets[dataset].forms
    assert set(recipe.mixture.members[0].forms or ()) == set(forms)


def test_a_batch_that_ranks_cannot_divide(tmp_path: Path) -> None:
    recipe = written(tmp_path, "{members: {a: null}, batches: per_rank}")
    for batch in (100, 8, 17):
        with pytest.raises(UserError, match="a multiple of 16"):
            recipe.logical_batch(batch)
    assert written(tmp_path, "{members: {a: null}}").logical_batch(100) is None
    one = written(tmp_path, "{members: {a: null}, batches: per_rank, reference_ranks: 1}")
    assert one.logical_batch(100) == 100


def test_mixtures_taken_from_one_another(tmp_path: Path) -> None:
    first = written(tmp_path, "{like: mixed-batches, seed: 3}", "first")
    assert (first.batches, first.seed, first.name) == ("mixed", 3, "first")
    names = [str(tmp_path / f"{name}.yaml") for name in ("a", "b", "c")]
    for name, like in zip(names, names[1:] + names[:1], strict=True):
        Path(name).write_text(f"format: 1\nmixture: {{like: {like}}}\n", encoding="utf-8")
    for load in (load_mixture, load_waivers, load_recipe):
        with pytest.raises(UserError, match="takes its mixture from itself"):
            load(names[0])


def test_a_setting_changes_a_mixture_taken_by_name() -> None:
    one = load_recipe("paper-flan-t5-xl", ["mixture.reference_ranks=8", "mixture.seed=2"])
    assert one.mixture.reference_ranks == 8
    assert one.mixture.members == load_mixture("paper").members
    whole = load_recipe("paper-flan-t5-xl", ["mixture=mixed-batches"])
    assert whole.mixture.batches == "mixed"


@pytest.mark.parametrize(
    "recipe", ["ablation-uniform", "finetune-aokvqa", "tiny", "paper-vicuna-7b"]
)
def test_a_resolved_recipe_reads_as_it_was(tmp_path: Path, recipe: str) -> None:
    config = load_recipe(recipe)
    save_recipe(config, tmp_path / "recipe.yaml")
    again = load_recipe(str(tmp_path / "recipe.yaml"))
    assert recipe_value(again) == recipe_value(config)
    assert again.mixture.members == config.mixture.members


def test_the_loss_that_recipes_used_to_name(tmp_path: Path) -> None:
    """Runs of earlier versions named it in their recipe; they are read where nothing changes."""
    path = tmp_path / "mine.yaml"
    text = "format: 1\nmixture: {{members: {{a: null}}, batches: {}}}\noptimizer: {{loss: {}}}\n"
    path.write_text(text.format("mixed", "global_tokens"), encoding="utf-8")
    assert load_recipe(str(path)).mixture.batches == "mixed"
    for batches, loss in (("mixed", "per_batch_mean"), ("per_rank", "global_tokens")):
        path.write_text(text.format(batches, loss), encoding="utf-8")
        with pytest.raises(UserError, match=r"line 3: 'optimizer.loss' is no setting any more"):
            load_recipe(str(path))


@pytest.mark.parametrize(
    ("mixture", "said"),
    [
        ("{member: {}}", "'members'"),
        ("{members: {}}", "at least one"),
        ("{members: {a: {facotr: 1}}}", "'factor'"),
        ("{members: {a: {factor: 0}}}", "leave it out"),
        ("{members: {a: {forms: {open: -1}}}}", "number"),
        ("{members: {a: {forms: {}}}}", "name a form"),
        ("{members: {a: {official: 0}}}", "from 1"),
        ("{members: {a: null}, alpha: 2}", "0 to 1"),
        ("{members: {a: null}, size: offical}", "'official'"),
        ("{members: {a: null}, size: 0}", "from 1"),
        ("{members: {a: null}, order: stratifed}", "'stratified'"),
        ("{members: {a: null}, batches: mixd}", "'mixed'"),
        (
            "{members: {a: null}, batches: one_dataset}",
            "'batches: per_rank' with 'reference_ranks: 1'",
        ),
        ("{members: {a: null}, batches: per_rank, reference_ranks: 0}", "from 1"),
        ("{members: {a: null}, reference_ranks: 8}", "is for 'batches: per_rank'"),
        ("{like: paper, batches: mixed, reference_ranks: 8}", "is for 'batches: per_rank'"),
        ("{members: {a: null}, shares: unifrm}", "'uniform'"),
        ("{members: {a: null}, shares: uniform, alpha: 0.5}", "'alpha' changes nothing"),
        ("{members: {a: null}, shares: uniform, size: build}", "'size' changes nothing"),
        ("{members: {a: {factor: 2}}, shares: uniform}", "factors change nothing"),
        ("{members: {a: {forms: {open: 2}}}, shares: uniform}", "factors change nothing"),
        ("{members: {a: null, b: null}, fine_tune: true}", "for one dataset alone"),
        ("{like: paper, fine_tune: true}", "for one dataset alone"),
        ("{members: {a: null}, fixed: {a: 3}}", "0 to 1"),
        ("{members: {a: {official: null}}}", "a whole number from 1 on, not nothing"),
        ("{members: {a: 3}}", "'mixture.members.a' must be a mapping, not 3"),
        ("{members: {a: {dataset: b}}}", "unknown key 'dataset' in 'mixture.members.a'"),
        ("{members: {a: null}, takes_all: true}", "unknown key 'takes_all' in 'mixture'"),
        ("{members: {a: null}, alpha: 1e999}", "0 to 1"),
        ("{members: {a: null}, size: true}", "from 1"),
        ("{lik: paper}", "unknown key 'lik' in 'mixture'; did you mean 'like'"),
        ("{members: {a: null}, shares: uniform, note: null}", "'mixture.note' must be a text"),
    ],
)
def test_mistakes_name_the_line_and_the_way_out(tmp_path: Path, mixture: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        written(tmp_path, mixture)
    assert "mine.yaml, line 3" in str(error.value)


def test_waivers(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "format: 1\nmixture: {members: {a: null}}\nwaivers:\n  vsr: ' known '\n  a / gqa: too\n"
    )
    assert load_waivers(str(path)) == (
        Waiver(held_out="vsr", held_in=None, reason="known"),
        Waiver(held_out="gqa", held_in="a", reason="too"),
    )
    assert load_mixture(str(path)).members == (RecipeMember(dataset="a"),)
    held_out = {one.name for one in load_catalog().select(role="held-out")}
    for recipe in recipe_names():
        about_coco = recipe not in ("finetune-ocr-vqa", "finetune-scienceqa")
        waived = {waiver.held_out for waiver in load_waivers(recipe)}
        assert waived == ({"vsr", "visdial"} if about_coco else set())
        assert waived <= held_out
    path.write_text("format: 1\nmixture: {members: {a: null}}\n")
    assert load_waivers(str(path)) == ()


@pytest.mark.parametrize(
    ("waivers", "said"),
    [
        ("{a/b/c: why}", "no pair"),
        ("{/b: why}", "no pair"),
        ("{vsr: ''}", "text"),
        ("{vsr: null}", "text"),
        ("[vsr]", "mapping"),
    ],
)
def test_waivers_that_say_nothing(tmp_path: Path, waivers: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"format: 1\nmixture: {{members: {{a: null}}}}\nwaivers: {waivers}\n")
    with pytest.raises(UserError, match=said) as error:
        load_waivers(str(path))
    assert "mine.yaml, line 3" in str(error.value)


def test_recipes_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'paper'"):
        load_mixture("papr")
    with pytest.raises(UserError, match="cannot be read"):
        load_mixture(str(tmp_path / "no.yaml"))
    (tmp_path / "old.yaml").write_text("format: 0\nmixture: {members: {a: null}}\n")
    with pytest.raises(UserError, match="format 0"):
        load_mixture(str(tmp_path / "old.yaml"))


def test_a_resolved_recipe_keeps_its_name(tmp_path: Path) -> None:
    save_recipe(load_recipe("tiny"), tmp_path / "recipe.yaml")
    again = load_recipe(str(tmp_path / "recipe.yaml"))
    assert again.name == again.mixture.name == "tiny"
