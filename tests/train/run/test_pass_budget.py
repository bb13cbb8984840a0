"""A step has one loss however it is cut into passes; where memory runs out, it is cut smaller."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from run_help import recipe_file
from train_help import fresh

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify_train.data.passes import FixedRule, PassRule
from instructify_train.data.splitting import split_pass
from instructify_train.data.steps import Share, Step
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run.compiling import layers_to_compile
from instructify_train.run.pass_runner import PassRunner
from instructify_train.run.setup import Setup, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer

MIXED = ("data.batch=12",)
PER_RANK = ("data.batch=12", "mixture.batches=per_rank", "mixture.reference_ranks=4")
RULES = {
    "small": PassRule(positions=90, overhead=0.0),
    "cheapest": PassRule(positions=400, overhead=16.0, decoder=1.2),
    "filled": PassRule(positions=220, overhead=1e9),
    "one": PassRule(positions=1 << 20, overhead=1e9),
}
Made = Callable[..., Setup]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(whole_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Sets a run up without starting it, once for the same settings."""
    recipe = recipe_file(tmp_path_factory.mktemp("recipe"))

    @functools.cache
    def make(*settings: str) -> Setup:
        plain = ("run.validate_every=0", "run.device_batch=null", *settings)
        config = load_recipe(str(recipe), plain)
        return set_up(Build.open(whole_build), config, load_catalog(), Ranks())

    return make


def cut_by(setup: Setup, rule: PassRule | FixedRule, step: int = 0, **share: int) -> Step:
    steps = setup.steps(0)
    steps._share = Share(rule=rule, **share)
    item = steps[step]
    assert isinstance(item, Step)
    return item


def loss_of(trainer: Trainer, item: Step) -> tuple[float, torch.Tensor]:
    """Run a step; returns its loss and its gradients, in one row."""
    trainer.optimizer.zero_grad(set_to_none=True)
    done = trainer.passes.run(item.passes, item.step, world=1)
    weights = torch.cat([one.weights_B for one in done.passes])
    grads = [one.grad.flatten() for one in trainer.parameters.values() if one.grad is not None]
    return float(done.losses.double() @ weights), torch.cat(grads)


@pytest.mark.parametrize("model", ["tiny-llama", "tiny-t5"])
@pytest.mark.parametrize("kind", [MIXED, PER_RANK], ids=["mixed", "per rank"])
def test_the_loss_is_that_of_fixed_passes(
    made: Made, tmp_path: Path, kind: tuple[str, ...], model: str
) -> None:
    """Both losses that recipes have; to 1e-6, in fp32."""
    setup = made(*kind, f"model.name={model}")
    trainer = Trainer(setup, tmp_path, start=None, shows=False)
    expected, gradient = loss_of(trainer, cut_by(setup, FixedRule(accumulation=3)))
    numbers = set()
    for name, rule in RULES.items():
        item = cut_by(setup, rule)
        numbers.add(len(item.passes))
        loss, own = loss_of(trainer, item)
        assert loss == pytest.approx(expected, rel=1e-6, abs=0), name
        assert (own - gradient).norm() <= 1e-4 * gradient.norm(), name
        assert sum(len(one.samples) for one in item.passes) == 12
    assert len(numbers) > 2, "the rules cut alike, so nothing was tried"


def test_processes_see_the_samples_of_one_step(made: Made) -> None:
    """However many: the same samples, each with the same weight, in equally many passes."""
    setup = made(*PER_RANK, "model.name=tiny-t5")
    alone = cut_by(setup, RULES["one"])
    expected = dict(weighed(alone))
    for world in (2, 3, 5):
        items = [cut_by(setup, RULES["small"], rank=rank, world=world) for rank in range(world)]
        assert len({len(one.passes) for one in items}) == 1
        assert dict(pair for one in items for pair in weighed(one)) == expected
        company = [one for item in items for one in item.passes if not one.counts]
        assert all(not one.weights_B.any() for one in company)


def weighed(item: Step) -> list[tuple[str, float]]:
    return [
        (sample.sample_id, weight)
        for one in item.passes
        if one.counts
        for sample, weight in zip(one.samples, one.weights_B.tolist(), strict=True)
    ]


def starved(trainer: Trainer, most_rows: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let memory run out where a pass has more samples; returns what was tried."""
    tried: list[int] = []
    forward = trainer.model.forward

    def limited(features: torch.Tensor, micro: Any) -> torch.Tensor:
        tried.append(len(micro.input_ids_BL))
        if tried[-1] > most_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        answer: torch.Tensor = forward(features, micro)
        return answer

    monkeypatch.setattr(trainer.model, "forward", limited)
    return tried


@pytest.mark.parametrize(
    ("model", "train"),
    [("tiny-llama", None), ("tiny-t5", None), ("tiny-llama", "[vision, norm, qformer]")],
)
def test_a_pass_that_does_not_fit_is_cut(
    made: Made,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    train: str | None,
) -> None:
    trained = () if train is None else (f"model.train={train}",)
    setup = made(*MIXED, f"model.name={model}", *trained)
    trainer = Trainer(setup, tmp_path, start=None, shows=False)
    item = cut_by(setup, RULES["one"])
    expected, gradient = loss_of(trainer, item)
    tried = starved(trainer, 4, monkeypatch)
    loss, own = loss_of(trainer, item)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert (own - gradient).norm() <= 1e-4 * gradient.norm()
    assert tried[0] == 12
    tried.clear()
    loss_of(trainer, item)
    assert max(tried) <= 4, "the size that failed is not tried again"
    said = [line for line in capfd.readouterr().err.splitlines() if "memory ran out" in line]
    assert len(said) == 1
    assert "which changes no result" in said[0]
    forgotten = {frame for one in item.passes for frame in one.forget}
    assert forgotten
    assert not forgotten & set(trainer.features._kept)


def test_a_backward_pass_that_does_not_fit_starts_the_step_again(
    made: Made,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = made(*MIXED, "model.name=tiny-llama")
    trainer = Trainer(setup, tmp_path, start=None, shows=False)
    before = {name: one.detach().clone() for name, one in trainer.parameters.items()}
    item = cut_by(setup, PassRule(positions=220, overhead=1e9))
    assert len(item.passes) > 1
    expected = trainer._step(item, StopRequest())[0]
    after = {name: one.detach().clone() for name, one in trainer.parameters.items()}

    with torch.no_grad():
        for name, value in before.items():
            trainer.parameters[name].copy_(value)
    trainer.optimizer.state.clear()
    forward = trainer.model.forward
    seen: list[int] = []

    def failing(features: torch.Tensor, micro: Any) -> torch.Tensor:
        seen.append(len(micro.input_ids_BL))
        losses: torch.Tensor = forward(features, micro)
        if len(seen) == 2:  # the second pass, so that gradients of the first are there already
            losses.register_hook(_out_of_memory)  # type: ignore[no-untyped-call]
        return losses

    monkeypatch.setattr(trainer.model, "forward", failing)
    loss = trainer._step(item, StopRequest())[0]
    assert loss == pytest.approx(expected, rel=1e-6)
    assert sum(seen[2:]) == 12, "the step was done again from its start"
    for name, value in after.items():
        if not name.endswith("key.bias"):
            assert torch.allclose(trainer.parameters[name], value, atol=2e-4), name
    assert capfd.readouterr().err.count("memory ran out") == 1


def _out_of_memory(gradient: torch.Tensor) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_one_sample_that_does_not_fit_ends_the_run(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(made(*MIXED, "model.name=tiny-t5"), tmp_path, start=None, shows=False)
    starved(trainer, 0, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate 2\.00 GiB"):
        loss_of(trainer, cut_by(trainer.setup, RULES["cheapest"]))


def test_another_mistake_is_not_taken_for_memory(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(made(*MIXED, "model.name=tiny-t5"), tmp_path, start=None, shows=False)

    def broken(features: torch.Tensor, micro: Any) -> torch.Tensor:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    monkeypatch.setattr(trainer.model, "forward", broken)
    with pytest.raises(RuntimeError, match="size of tensor"):
        loss_of(trainer, cut_by(trainer.setup, RULES["cheapest"]))


def test_a_part_reads_what_the_whole_read(made: Made, tmp_path: Path) -> None:
    """Losses of samples are those of the whole pass, whichever picture they show."""
    setup = made(*MIXED, "model.name=tiny-t5")
    trainer = Trainer(setup, tmp_path, start=None, shows=False)
    (whole,) = cut_by(setup, RULES["one"]).passes
    losses = PassRunner(trainer.model, trainer.features, trainer.device).run([whole], 0, 1).losses
    for parts in (2, 5, 13):
        pieces = split_pass(whole, parts)
        assert len(pieces) == parts
        assert sum(len(one.samples) for one in pieces if one.counts) == 12
        assert sum(one.counts for one in pieces) == min(parts, 12)
        found = PassRunner(trainer.model, trainer.features, trainer.device).run(pieces, 0, 1)
        torch.testing.assert_close(found.losses, losses, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("setting", ["run.device_tokens=900", "run.pass_cost=3"])
def test_a_setting_without_effect_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(UserError, match=r"'run\.device_batch' fixes the samples of a pass"):
        load_recipe(str(recipe_file(tmp_path)), [setting])


@pytest.mark.parametrize(
    ("compile_", "on", "fixed", "varying"),
    [
        ("auto", "cpu", False, False),
        ("auto", "cuda", True, False),
        ("false", "cuda", False, False),
        ("true", "cpu", True, True),
    ],
)
def test_layers_are_compiled_where_the_recipe_says(
    tmp_path: Path, compile_: str, on: str, fixed: bool, varying: bool
) -> None:
    """A frozen tower sees one shape; what learns keeps a graph, so `auto` leaves it alone."""
    run = load_recipe(str(recipe_file(tmp_path)), [f"run.compile={compile_}"]).run
    assert run.compile == compile_
    chosen = layers_to_compile(fresh("tiny-llama"), run, torch.device(on))
    assert [bool(one) for one in chosen] == [fixed, varying]
    learning = fresh("tiny-llama", train=("vision", "qformer"))
    assert layers_to_compile(learning, run, torch.device(on))[0] == []


@pytest.mark.heavy
def test_compiled_layers_give_the_same_loss(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through torch's own front end, without a compiler behind it, which a test can't wait for."""
    import torch._dynamo

    plain = made(*MIXED, "model.name=tiny-llama")
    item = cut_by(plain, RULES["small"])
    expected, _ = loss_of(Trainer(plain, tmp_path, start=None, shows=False), item)
    whole = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **given: whole(self, backend="eager", **given)
    )
    setup = made(*MIXED, "model.name=tiny-llama", "run.compile=true")
    assert setup.prepared.compiled > 2
    loss, _ = loss_of(Trainer(setup, tmp_path, start=None, shows=False), item)
    assert loss == pytest.approx(expected, rel=1e-6)
    torch._dynamo.reset()
