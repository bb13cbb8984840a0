"""What a run promises: the same loss however it is cut, names for what is bad, models that load."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from ranks_probe import PER_RANK
from run_help import content, log, losses, recipe_file, train
from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify_train.data.features import FeatureTable
from instructify_train.data.pixels import resize
from instructify_train.data.steps import Step
from instructify_train.decode.search import Decoding
from instructify_train.distributed import Ranks
from instructify_train.evaluate.answering import answerer_of
from instructify_train.evaluate.merge import merge
from instructify_train.evaluate.run import evaluated_model
from instructify_train.evaluate.trained import load_trained
from instructify_train.model.trained_on import TrainedOn, read_trained_on
from instructify_train.recipe import load_recipe
from instructify_train.run import setup
from instructify_train.run.trainer import Trainer
from instructify_train.run_folder import trained_on
from instructify_train.tiny.presets import Loaded, build_preset

QUICK = ("run.validate_every=0", "run.steps=4", "run.save_every=4")


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {
        name: value
        for name, value in load_trained(str(run), "last").model.named_parameters()
        if name.startswith(("qformer", "query", "language_projection"))
    }


@pytest.mark.parametrize(
    "passes",
    [pytest.param(1, marks=pytest.mark.heavy), pytest.param(2, marks=pytest.mark.heavy), 4],
)
def test_accumulation_changes_nothing(whole_build: Path, tmp_path: Path, passes: int) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    train(whole_build, one, *QUICK, "run.device_batch=8")
    train(whole_build, other, *QUICK, f"run.device_batch={8 // passes}")
    assert losses(other) == pytest.approx(losses(one), rel=1e-5)
    # Adam turns a gradient that is rounding noise into a whole step, so weights are held loosely;
    # that of a key's bias is nothing but noise, since a softmax does not see it.
    start = dict(build_preset("tiny-llama").model.named_parameters())
    for name, value in weights(one).items():
        if name.endswith("key.bias"):
            continue
        moved = (value - start[name]).norm()
        assert (weights(other)[name] - value).norm() <= 0.02 * moved + 1e-6, name


def test_the_loss_is_the_mean_over_all_label_tokens(whole_build: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(whole_build, run, *QUICK)
    for line in log(run):
        members = line["members"].values()
        labels = sum(one["labels"] for one in members)
        mean = sum(one["loss"] * one["labels"] for one in members) / labels
        assert mean == pytest.approx(line["last_loss"], rel=1e-9)
        assert sum(one["samples"] for one in members) == 8


def test_without_a_terminal_a_run_says_lines(
    whole_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = train(whole_build, tmp_path / "quiet")
    assert "step 3: validation loss" in quiet.stderr
    assert "of 6: loss" not in quiet.stderr, "it takes less than half a minute"
    monkeypatch.setattr("instructify_train.run.journal._SECONDS", 0.0)
    told = train(whole_build, tmp_path / "told")
    lines = [line for line in told.stderr.splitlines() if " of 6: loss" in line]
    assert len(lines) == 6
    assert re.fullmatch(r"step 6 of 6: loss [0-9.]+, [1-9][0-9]* samples/s", lines[-1])
    assert json.loads(told.stdout)["step"] == 6


def test_buckets_keep_what_is_drawn_in_a_window(whole_build: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    train(whole_build, one, *QUICK)
    train(whole_build, other, *QUICK, "data.bucket=false")

    def drawn(run: Path) -> dict[str, int]:
        sums: dict[str, int] = {}
        for line in log(run)[:2]:  # a window of two batches
            for name, member in line["members"].items():
                sums[name] = sums.get(name, 0) + member["labels"]
        return sums

    assert drawn(one) == drawn(other)


@pytest.mark.parametrize("ranks", [1, 4])
def test_logical_batches_stay_in_their_step(whole_build: Path, tmp_path: Path, ranks: int) -> None:
    """Dealing by length must not mix what the mixture keeps apart."""
    run = tmp_path / "run"
    per_rank = ("mixture.batches=per_rank", f"mixture.reference_ranks={ranks}")
    done = train(whole_build, run, *QUICK, *per_rank, "data.window=4")
    assert f"mean over {ranks} logical batches of {8 // ranks}, each of one dataset" in done.stderr
    for line in log(run):
        counts = [member["samples"] for member in line["members"].values()]
        assert sum(counts) == 8
        assert all(count % (8 // ranks) == 0 for count in counts)
        # A member counts in the loss by its logical batches, however long its answers are.
        for member in line["members"].values():
            assert member["loss_share"] == pytest.approx(member["samples"] / 8)
    assert len({name for line in log(run) for name in line["members"]}) > 1


def test_gradients_are_those_of_a_batch_on_each_rank(whole_build: Path, tmp_path: Path) -> None:
    """As LAVIS: each rank backpropagates the mean over its batch's labels; ranks are averaged."""
    settings = (*PER_RANK, "data.batch=8")
    loose = set_up_run(whole_build, tmp_path, *settings, "data.bucket=false", "run.device_batch=2")
    model = loose.prepared.inner
    features = FeatureTable(model, torch.device("cpu"), None)
    item = loose.steps(0)[0]
    assert isinstance(item, Step)
    assert [len(one.samples) for one in item.passes] == [2] * 4, "a pass is a logical batch"
    assert all(len({sample.member for sample in one.samples}) == 1 for one in item.passes)
    means = [model(features.take(one), one.micro).mean() for one in item.passes]
    torch.autograd.backward(torch.stack(means).mean())
    expected = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    made = set_up_run(whole_build, tmp_path, *settings, "run.device_batch=3")
    trainer = Trainer(made, tmp_path, start=None, shows=False)
    step = made.steps(0)[0]
    assert isinstance(step, Step)
    assert [len(one.samples) for one in step.passes] == [2, 3, 3], "passes cut logical batches"
    trainer.passes.run(step.passes, 0, world=1)
    for name, parameter in trainer.model.named_parameters():
        if name in expected:
            near = 1e-4 * float(expected[name].abs().max()) + 1e-8  # a key's bias has noise only
            assert parameter.grad is not None, name
            assert torch.allclose(parameter.grad, expected[name], atol=near), name


def set_up_run(build: Path, folder: Path, *settings: str) -> setup.Setup:
    config = load_recipe(str(recipe_file(folder)), settings)
    return setup.set_up(Build.open(build), config, load_catalog(), Ranks())


def test_training_learns(whole_build: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    whole = "model.train=[vision, norm, qformer, projection, language]"
    train(whole_build, run, whole, "run.steps=12", "run.validate_every=12", "optimizer.lr=3e-3")
    assert losses(run)[-1] < 0.8 * losses(run)[0]
    checked = [line["validation_mean"] for line in log(run) if "validation" in line]
    assert len(checked) == 2
    assert checked[1] < checked[0]


def test_a_loss_that_is_no_number_names_its_samples(
    whole_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(config: object) -> Loaded:
        loaded = build_preset("tiny-llama")
        yes = loaded.processor.tokenizer("yes", add_special_tokens=False)["input_ids"][0]
        with torch.no_grad():
            loaded.model.language_model.lm_head.weight[yes] = torch.nan
        return loaded

    monkeypatch.setattr(setup, "load_model", poisoned)
    with pytest.raises(UserError, match=r"not finite at step 0, in \d+ samples, of which \w+/"):
        train(whole_build, tmp_path / "run", *QUICK)


@pytest.mark.parametrize("preset", ["tiny-llama", "tiny-t5"])
def test_a_merged_model_is_plain_transformers(
    whole_build: Path, tmp_path: Path, preset: str
) -> None:
    run, out = tmp_path / "run", tmp_path / "model"
    train(whole_build, run, *QUICK, f"model.name={preset}", "optimizer.lr=3e-3")
    merge(run, out)
    model = InstructBlipForConditionalGeneration.from_pretrained(out).eval()
    processor = InstructBlipProcessor.from_pretrained(out)
    trained = load_trained(str(run))
    for name, value in trained.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    picture = Image.effect_noise((60, 40), 80).convert("RGB")
    inputs = processor(images=picture, text="what color is it?", return_tensors="pt")
    plain = model.generate(**inputs, max_new_tokens=8, num_beams=1, do_sample=False)
    if model.config.use_decoder_only_language_model:
        plain = plain[:, inputs["input_ids"].shape[1] :]
    expected = processor.tokenizer.decode(plain[0], skip_special_tokens=True).strip()
    answerer = answerer_of(trained, torch.device("cpu"))
    decoding = Decoding(beams=1, max_new_tokens=8)
    pixels = resize([picture], answerer.size)
    assert answerer.answer(pixels, "what color is it?", decoding) == expected


def test_features_kept_on_disk_change_nothing(whole_build: Path, tmp_path: Path) -> None:
    plain, first, second = (tmp_path / name for name in ("plain", "first", "second"))
    cache = (
        f"data.feature_cache.folder={tmp_path / 'features'}",
        "data.feature_cache.gigabytes=1",
    )
    train(whole_build, plain, *QUICK)
    train(whole_build, first, *QUICK, *cache)
    kept = list((tmp_path / "features").rglob("*.bin"))
    assert kept
    train(whole_build, second, *QUICK, *cache)
    # Up to rounding: what is kept makes groups of new pictures smaller, and processors round matrix
    # products of other shapes differently.
    for run in (first, second):
        assert losses(run) == pytest.approx(losses(plain), rel=1e-5)


def test_features_stay_within_their_budget(whole_build: Path, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    settings = (f"data.feature_cache.folder={folder}", "data.feature_cache.gigabytes=0.00003")
    train(whole_build, tmp_path / "run", *QUICK, *settings)
    sizes = [path.stat().st_size for path in folder.rglob("*.bin")]
    assert 0 < sum(sizes) <= 30_000


def test_adapters_learn_and_are_folded_in(whole_build: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="LoRA is an extra; peft is not installed")
    run, out = tmp_path / "run", tmp_path / "model"
    train(whole_build, run, *QUICK, "model.lora.rank=2", "optimizer.lr=3e-3")
    merge(run, out)
    model = InstructBlipForConditionalGeneration.from_pretrained(out)
    names = [name for name, _ in model.named_parameters()]
    assert not any("lora" in name for name in names)
    start = build_preset("tiny-llama").model.state_dict()
    changed = {
        name
        for name, value in model.state_dict().items()
        if name.startswith("language_model") and not torch.equal(value, start[name])
    }
    assert changed
    assert all("q_proj" in name or "v_proj" in name for name in changed)


def test_the_recipe_of_a_run_is_whole(whole_build: Path, tmp_path: Path) -> None:
    """The resolved recipe, used again, gives the same bits."""
    run, again = tmp_path / "run", tmp_path / "again"
    train(whole_build, run, *QUICK)
    train(whole_build, again, recipe=run / "recipe.yaml")
    assert content(run) == content(again)
    facts = json.loads((run / "run.json").read_text("utf-8"))
    assert facts["trained"] < facts["parameters"]


def test_a_run_that_fine_tunes_is_known_by_its_dataset(whole_build: Path, tmp_path: Path) -> None:
    text = "format: 1\nmixture: {fine_tune: true, batches: per_rank, members: {aokvqa: null}}\n"
    recipe = recipe_file(
        tmp_path, text + "model: {name: tiny-llama}\ndata: {batch: 16, workers: 0}\n"
    )
    train(whole_build, tmp_path / "run", *QUICK[:1], "run.steps=1", recipe=recipe)
    assert load_trained(str(tmp_path / "run")).trained_on.fine_tuned_on == ("aokvqa",)


def test_a_merged_model_says_what_it_was_trained_on(whole_build: Path, tmp_path: Path) -> None:
    """Through a second run as well, which starts from the merged model."""
    tuned, out, run = (tmp_path / name for name in ("tuned", "model", "run"))
    text = "format: 1\nmixture: {fine_tune: true, batches: per_rank, members: {aokvqa: null}}\n"
    recipe = recipe_file(
        tmp_path, text + "model: {name: tiny-llama}\ndata: {batch: 16, workers: 0}\n"
    )
    train(whole_build, tuned, *QUICK[:1], "run.steps=1", recipe=recipe)
    merge(tuned, out)
    expected = TrainedOn(datasets=("aokvqa",), fine_tuned_on=("aokvqa",))
    assert read_trained_on(str(out)) == load_trained(str(out)).trained_on == expected
    train(whole_build, run, *QUICK[:1], "run.steps=1", f"model.name={out}")
    both = trained_on(run)
    assert both.fine_tuned_on == ("aokvqa",)
    assert set(both.datasets) > {"aokvqa"}
    evaluated = evaluated_model(
        str(out), load_trained(str(out)), torch.device("cpu"), torch.float32
    )
    assert evaluated.facts["fine_tuned_on"] == ["aokvqa"]
    assert "evaluation_prompts" not in evaluated.facts


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optimizer.lrr=1", "unknown key 'lrr' in 'optimizer'; did you mean 'lr'"),
        ("optimizer.lr=fast", "'optimizer.lr' must be a number from 0 to 10"),
        ("data.batch=0", "'data.batch' must be a whole number from 1"),
        ("model.train=[qformer, tower]", "'tower' is no value of 'model.train'; did you mean"),
        ("model.name=tiny-lama", "did you mean 'tiny-llama'"),
        (
            "model.name=nowhere",
            "no folder (a run or a model) has that name, and a hub name looks",
        ),
        ("model.name=./nowhere", "nowhere is not there"),
        ("run.device=tpu", "'tpu' is no value of 'run.device'"),
        ("optimizer", "is no setting; write key=value"),
        ("mixture.members.gqa.forms=[open]", "gqa is held out"),
    ],
)
def test_mistakes_in_settings_are_answered(
    whole_build: Path, tmp_path: Path, setting: str, message: str
) -> None:
    with pytest.raises(UserError) as told:
        train(whole_build, tmp_path / "run", setting)
    assert message in str(told.value)


def test_a_build_without_pictures_is_refused(
    raw_root: Path, tmp_path: Path, command: object
) -> None:
    build = tmp_path / "build"
    line = ("convert", "vqav2", "--raw", raw_root, "--out", build, "--pictures", "none")
    assert command(*line).code == 0  # type: ignore[operator]
    recipe = recipe_file(
        tmp_path,
        "format: 1\nmixture: {members: {vqav2: {forms: [open]}}}\nmodel: {name: tiny-llama}\n",
    )
    with pytest.raises(UserError, match="was made without pictures"):
        train(build, tmp_path / "run", recipe=recipe)
