"""Settings of the command line reach where they should, and what can't be trained is said."""

import os
import stat
from pathlib import Path

import pytest
import torch
from run_help import RECIPE, losses, recipe_file, train
from safetensors.torch import load_file
from transformers import InstructBlipForConditionalGeneration

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import load_catalog
from instructify_train.checkpoint import folder_of, steps_of
from instructify_train.distributed import Ranks
from instructify_train.evaluate.merge import merge
from instructify_train.evaluate.trained import load_trained
from instructify_train.model import checkpoint_activations
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import set_up
from instructify_train.tiny.presets import build_preset

QUICK = ("run.validate_every=0", "run.steps=2", "run.save_every=2")


def test_a_setting_reaches_into_a_named_mixture() -> None:
    plain, changed = load_recipe("tiny").mixture, load_recipe("tiny", ["mixture.alpha=0"]).mixture
    assert (plain.alpha, changed.alpha) == (0.5, 0.0)
    assert changed.members == plain.members
    both = load_recipe("tiny", ["mixture.seed=3", "mixture.order=random"]).mixture
    assert (both.seed, both.order, both.members) == (3, "random", plain.members)


def test_a_setting_replaces_a_mixture() -> None:
    like = load_recipe("tiny", ["mixture={like: paper, alpha: 0.25}"]).mixture
    assert like.alpha == 0.25
    assert len(like.members) == 13
    written = load_recipe("tiny", ["mixture={members: {vqav2: {forms: [open]}}, seed: 4}"]).mixture
    assert [member.dataset for member in written.members] == ["vqav2"]
    assert written.seed == 4
    assert len(load_recipe("tiny", ["mixture=paper-without-capfilt"]).mixture.members) == 12


def test_a_setting_changes_one_member_of_a_named_mixture() -> None:
    members = load_recipe("tiny", ["mixture.members.okvqa.factor=3"]).mixture.members
    assert len(members) == 13
    assert {member.dataset: member.factor for member in members}["okvqa"] == 3


def test_settings_of_a_mixture_follow_one_another() -> None:
    mixture = load_recipe("tiny", ["mixture=paper-without-capfilt", "mixture.alpha=1"]).mixture
    assert (len(mixture.members), mixture.alpha) == (12, 1.0)


@pytest.mark.parametrize(
    ("settings", "seed"),
    [
        ((), 0),
        (("run.seed=5",), 5),
        (("run.seed=5", "mixture.seed=3"), 3),
        (("mixture.seed=0", "run.seed=5"), 0),
        (("mixture={like: paper, seed: 7}", "run.seed=5"), 7),
    ],
)
def test_the_seed_of_the_run_orders_the_samples(settings: tuple[str, ...], seed: int) -> None:
    assert load_recipe("tiny", settings).mixture.seed == seed


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(UserError, match=r"'model\.train' is empty and there is no 'model\.lora'"):
        load_recipe("tiny", ["model.train=[]"])
    assert load_recipe("tiny", ["model.train=[]", "model.lora.rank=2"]).model.train == ()


@pytest.mark.parametrize("changed", ["data.augmentation=paper", "data.flip=true"])
def test_features_of_changing_views_are_not_kept(changed: str) -> None:
    with pytest.raises(UserError, match=r"needs 'augmentation: none' and 'flip: false'"):
        load_recipe("tiny", ["data.feature_cache.folder=features", changed])


def test_features_depend_on_the_mean_and_deviation_of_pixels(whole_build: Path) -> None:
    """A processor that was mended reads none of the features of before."""
    settings = ["data.feature_cache.folder=features", "model.train=[qformer]", "data.batch=8"]
    config = load_recipe("tiny", [*settings, "mixture={members: {vqav2: null}, alpha: 0.5}"])

    def folder(**statistics: list[float]) -> Path:
        loaded = build_preset("tiny-llama")
        for name, value in statistics.items():
            setattr(loaded.processor.image_processor, name, value)
        build = Build.open(whole_build)
        files = set_up(build, config, load_catalog(), Ranks(), loaded).feature_files
        assert files is not None
        return files.path("aa-0")

    half = [0.5, 0.5, 0.5]
    assert len({folder(), folder(image_mean=half), folder(image_std=half)}) == 3
    assert folder() == folder()


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(UserError, match=r"'mlflow' is no value of 'run.trackers'.*wandb"):
        load_recipe("tiny", ["run.trackers=[mlflow]"])


@pytest.mark.parametrize("targets", ["[q_prj]", "[q_proj, nothing]", "[self_attn]"])
def test_wrong_targets_of_adapters_are_answered(
    whole_build: Path, tmp_path: Path, targets: str
) -> None:
    pytest.importorskip("peft", reason="LoRA is an extra; peft is not installed")
    with pytest.raises(UserError, match=r"may name .*q_proj"):
        train(whole_build, tmp_path / "run", f"model.lora.targets={targets}", *QUICK)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A tiny model in 16 bits, as the published ones are."""
    model, processor = build_preset("tiny-llama", seed=1)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def test_weights_in_a_pickle_are_not_read(base: Path) -> None:
    (base / "model.safetensors").unlink()
    (base / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(
        UserError, match=r"has its weights in a pickle.*save it anew as safetensors"
    ):
        load_trained(str(base))


def test_damaged_weights_are_one_sentence(base: Path) -> None:
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"base' can't be loaded \(") as told:
        load_trained(str(base))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", [None, "", "{", "{}", "[]"])
def test_a_processor_that_can_not_be_read_is_one_sentence(base: Path, text: str | None) -> None:
    for name in ("tokenizer.json", "processor_config.json", "preprocessor_config.json"):
        if text is None:
            (base / name).unlink(missing_ok=True)
        elif (base / name).exists():
            (base / name).write_text(text)
    with pytest.raises(UserError, match=r"can't be read|belongs? to|processor") as told:
        load_trained(str(base))
    assert "\n" not in str(told.value)


def learnt(run: Path) -> dict[str, torch.Tensor]:
    """The trained weights of a run's last checkpoint."""
    weights: dict[str, torch.Tensor] = load_file(
        folder_of(run, steps_of(run)[-1]) / "model.safetensors"
    )
    return weights


def test_merging_keeps_what_was_learnt(whole_build: Path, base: Path, tmp_path: Path) -> None:
    """Steps of 1e-5 are smaller than the rounding of bf16."""
    run, out = tmp_path / "run", tmp_path / "model"
    train(whole_build, run, f"model.name={base}", "optimizer.lr=1e-5", *QUICK)
    merge(run, out, "last")
    written, trained = load_file(out / "model.safetensors"), learnt(run)
    before = load_file(base / "model.safetensors")
    assert all(torch.equal(written[name], value) for name, value in trained.items())
    frozen = set(written) - set(trained)
    assert {written[name].dtype for name in frozen} == {torch.bfloat16}
    assert all(torch.equal(written[name], before[name]) for name in frozen)
    plain = InstructBlipForConditionalGeneration.from_pretrained(out).state_dict()
    assert all(torch.equal(plain[name], value) for name, value in trained.items())
    card = (out / "README.md").read_text("utf-8")
    assert "numbers in float32" in card
    assert "numbers in bfloat16" in card


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_merging_in_one_precision(
    whole_build: Path, base: Path, tmp_path: Path, precision: str, dtype: torch.dtype
) -> None:
    run, out = tmp_path / "run", tmp_path / "model"
    train(whole_build, run, f"model.name={base}", *QUICK)
    merge(run, out, "last", precision)
    written = load_file(out / "model.safetensors")
    assert {value.dtype for value in written.values()} == {dtype}
    assert all(torch.equal(written[name], value.to(dtype)) for name, value in learnt(run).items())
    with pytest.raises(UserError, match="choose auto, fp32 or bf16"):
        merge(run, tmp_path / "other", "last", "fp16")


def test_adapters_are_folded_in_32_bits(whole_build: Path, base: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="LoRA is an extra; peft is not installed")
    run, out = tmp_path / "run", tmp_path / "model"
    train(whole_build, run, f"model.name={base}", "model.lora.rank=2", *QUICK)
    merge(run, out, "last")
    written, before = load_file(out / "model.safetensors"), load_file(base / "model.safetensors")
    adapted = [name for name in written if "q_proj" in name and name.startswith("language_model")]
    assert adapted
    for name in adapted:
        assert written[name].dtype == torch.float32
        assert not torch.equal(written[name], before[name].float())


def test_file_modes_follow_the_umask(whole_build: Path, tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        run, out = tmp_path / "run", tmp_path / "model"
        train(whole_build, run, *QUICK)
        merge(run, out, "last")
    finally:
        os.umask(before)
    for path in (*run.rglob("*"), *out.rglob("*")):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o664, path


def test_checkpointed_activations_change_no_loss(whole_build: Path, tmp_path: Path) -> None:
    whole = "model.train=[vision, norm, qformer, projection, language]"
    train(whole_build, tmp_path / "kept", whole, *QUICK)
    train(whole_build, tmp_path / "again", whole, "run.checkpoint_activations=true", *QUICK)
    assert losses(tmp_path / "again") == pytest.approx(losses(tmp_path / "kept"), rel=1e-6)


def test_activations_are_checkpointed_under_either_name() -> None:
    """transformers has one method until 5.22, and a new name for it from 5.23 on."""
    calls: list[str] = []

    class Old:
        def gradient_checkpointing_enable(self, settings: object) -> None:
            calls.append(f"old on {settings}")

        def gradient_checkpointing_disable(self) -> None:
            calls.append("old off")

    class New(Old):
        def activation_checkpointing_enable(self, settings: object) -> None:
            calls.append(f"new on {settings}")

        def activation_checkpointing_disable(self) -> None:
            calls.append("new off")

    for part in (Old(), New()):
        checkpoint_activations(part, enabled=True)
        checkpoint_activations(part, enabled=False)
    on = "on {'use_reentrant': False}"
    assert calls == [f"old {on}", "old off", f"new {on}", "new off"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried"),
            r"memory ran out \(CUDA out of memory",
        ),
        (PermissionError(13, "Permission denied", "x.json"), "x.json: Permission denied"),
    ],
)
def test_what_fails_before_the_first_step_is_one_sentence_too(
    whole_build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("instructify_train.run.setup.load_model", fail)
    with pytest.raises(UserError, match=f"{said}.*; there is no checkpoint yet$") as told:
        train(whole_build, tmp_path / "run", *QUICK)
    assert "\n" not in str(told.value)


def test_the_recipe_in_a_file_says_its_seed(tmp_path: Path) -> None:
    recipe = recipe_file(tmp_path, RECIPE.replace("alpha: 0.5", "alpha: 0.5\n  seed: 9"))
    assert load_recipe(str(recipe), ["run.seed=5"]).mixture.seed == 9
