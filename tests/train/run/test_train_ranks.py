"""Two processes give one process' losses, whether they copy the model or shard it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from build_help import COMMAND
from ranks_probe import NODE_WAYS, ONE_PASS, PASS_WAYS, PER_RANK, PER_RANK_WAYS, QUICK_WAYS, WAYS
from run_help import HELPERS, RECIPE, launched, losses, recipe_file, train

STEPS = 3
QUICK = RECIPE.replace("steps: 6", f"steps: {STEPS}").replace(
    "validate_every: 3", "validate_every: 2"
)


def test_two_processes_give_the_losses_of_one(whole_build: Path, tmp_path: Path) -> None:
    """Dropout is 0 in the tiny models; with it, no two ways of sharing ever agree."""
    out = tmp_path / "ranks"
    out.mkdir()
    recipe = recipe_file(out, QUICK)
    done = launched(2, HELPERS / "ranks_probe.py", whole_build, recipe, out)
    assert done.returncode == 0, done.stderr[-3000:]
    found_in: dict[str, Any] = json.loads((out / "found.json").read_text("utf-8"))
    for number, (way, settings) in enumerate(WAYS.items()):
        found = found_in[way]
        assert found["world"] == [2, 2], way
        wrapped = "DistributedDataParallel" if way.startswith("ddp") else "FSDPInstructBlip"
        assert found["wrapped"] == [wrapped, wrapped], way
        assert found["step"] == STEPS, way
        if "passes" in way:
            assert found["accumulation"] == int(way.split()[1]), way
        alone = tmp_path / f"alone-{number}"
        train(whole_build, alone, *settings, recipe=recipe)
        assert found["losses"] == pytest.approx(losses(alone), rel=2e-5), way


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.heavy)])
def test_logical_batches_give_one_result(whole_build: Path, tmp_path: Path, world: int) -> None:
    """The mean over logical batches, whatever the processes, passes and order of samples."""
    recipe = recipe_file(tmp_path, QUICK.replace("validate_every: 2", "validate_every: 0"))
    line = (HELPERS / "ranks_probe.py", whole_build, recipe, tmp_path / "many", "per-rank")
    done = launched(world, *line)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "many" / "found.json").read_text("utf-8"))
    train(whole_build, tmp_path / "one", *PER_RANK, "run.device_batch=8", recipe=recipe)
    expected = losses(tmp_path / "one")
    for way in PER_RANK_WAYS:
        assert found[way]["world"] == [world] * world
        assert found[way]["losses"] == pytest.approx(expected, rel=2e-5), way


ALL_WAYS = tuple(PASS_WAYS)


@pytest.mark.parametrize(
    ("world", "ways"),
    [
        (2, QUICK_WAYS),
        pytest.param(2, ALL_WAYS, marks=pytest.mark.heavy),
        pytest.param(3, ALL_WAYS, marks=pytest.mark.heavy),
    ],
    ids=["quick", "two", "three"],
)
def test_processes_agree_where_memory_runs_out(
    whole_build: Path, tmp_path: Path, world: int, ways: tuple[str, ...]
) -> None:
    """In one of them, wherever it happens: all go on, with the losses of one process."""
    text = QUICK.replace("validate_every: 2", "validate_every: 0").replace("steps: 3", "steps: 2")
    recipe, many = recipe_file(tmp_path, text), tmp_path / "many"
    done = launched(world, HELPERS / "ranks_probe.py", whole_build, recipe, many, "passes", *ways)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((many / "found.json").read_text("utf-8"))
    for model in {"tiny-t5" if "t5" in way else "tiny-llama" for way in ways}:
        run = tmp_path / model
        train(whole_build, run, *ONE_PASS, f"model.name={model}", recipe=recipe)
        for way in ways:
            if ("t5" in way) == (model == "tiny-t5"):
                assert found[way]["losses"] == pytest.approx(losses(run), rel=2e-5), way
    starved = [way for way in ways if "," in way]
    assert done.stderr.count("memory ran out at step 0") == len(starved), done.stderr[-3000:]


@pytest.mark.heavy
def test_layers_are_divided_within_a_node(whole_build: Path, tmp_path: Path) -> None:
    """Two nodes of two processes: a copy of the model on each, and the losses of one process."""
    text = QUICK.replace("validate_every: 2", "validate_every: 0").replace("steps: 3", "steps: 2")
    recipe, many = recipe_file(tmp_path, text), tmp_path / "many"
    done = launched(4, HELPERS / "ranks_probe.py", whole_build, recipe, many, "nodes")
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((many / "found.json").read_text("utf-8"))
    train(whole_build, tmp_path / "one", *ONE_PASS, recipe=recipe)
    for way in NODE_WAYS:
        assert found[way]["mesh"] == [2, 2], way
        assert found[way]["losses"] == pytest.approx(losses(tmp_path / "one"), rel=2e-5), way
    assert done.stderr.count("memory ran out at step 0") == 1


def test_torchrun_starts_the_command(whole_build: Path, tmp_path: Path) -> None:
    """One process prints; the run is resumed by another number of processes."""
    recipe, run = recipe_file(tmp_path, QUICK), tmp_path / "run"
    line = ("train", whole_build, "--recipe", recipe, "--out", run, "--json")
    done = launched(2, "-m", "instructify", *line)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["step"] == STEPS
    assert "2 processes (ddp)" in done.stderr
    train(whole_build, tmp_path / "one", recipe=recipe)
    assert losses(run) == pytest.approx(losses(tmp_path / "one"), rel=2e-5)
    more = train(whole_build, run, recipe=recipe, resume=True, accept=True, steps=STEPS + 1)
    assert more.facts["step"] == STEPS + 1


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [COMMAND[0], "-m", "instructify", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
