"""Two processes give one process' losses, whether they copy the model or shard it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from build_help import COMMAND
from forked import fork_ranks
from ranks_probe import GROUPS, short
from run_help import HELPERS, RECIPE, launched, losses, recipe_file, train

STEPS = 3
QUICK = RECIPE.replace("steps: 6", f"steps: {STEPS}").replace(
    "validate_every: 3", "validate_every: 2"
)


@pytest.mark.parametrize(
    ("world", "group"),
    [
        (2, "quick"),
        pytest.param(2, "shared", marks=pytest.mark.heavy),
        pytest.param(2, "per-rank", marks=pytest.mark.heavy),
        pytest.param(4, "per-rank", marks=pytest.mark.heavy),
        pytest.param(2, "passes", marks=pytest.mark.heavy),
        pytest.param(3, "passes", marks=pytest.mark.heavy),
        pytest.param(4, "nodes", marks=pytest.mark.heavy),
    ],
)
def test_processes_give_the_losses_of_one(
    whole_build: Path, tmp_path: Path, world: int, group: str
) -> None:
    """Whatever they share and how, also where the memory of one of them runs out.

    Dropout is 0 in the tiny models; with it, no two ways of sharing ever agree.
    """
    recipe, many = recipe_file(tmp_path, QUICK), tmp_path / "many"
    many.mkdir()
    ranks = fork_ranks(world, HELPERS / "ranks_probe.py", whole_build, recipe, many, group)
    said = "".join(rank.communicate()[1] for rank in ranks)
    assert [rank.returncode for rank in ranks] == [0] * world, said[-3000:]
    found_in: dict[str, Any] = json.loads((many / "found.json").read_text("utf-8"))
    alone = Alone(whole_build, recipe, tmp_path / "alone")
    for way, settings in GROUPS[group].items():
        found = found_in[way]
        assert found["losses"] == pytest.approx(alone.losses(way, settings), rel=2e-5), way
        assert found["world"] == [world] * world, way
        wrapped = "DistributedDataParallel" if "ddp" in way else "FSDPInstructBlip"
        assert found["wrapped"] == [wrapped] * world, way
        assert found["step"] == len(found["losses"]), way
        if way.startswith("shared") and "passes" in way:
            assert found["accumulation"] == int(way.split()[-2]), way
        if way.startswith("nodes"):  # a copy of the model on each of two nodes
            assert found["mesh"] == [2, 2], way
    starved = sum(" in a " in way or "before" in way or "behind" in way for way in found_in)
    assert said.count("memory ran out at step 0") == starved, said[-3000:]


class Alone:
    """Runs in one process, each done once: most ways of sharing come to the same losses."""

    def __init__(self, build: Path, recipe: Path, out: Path) -> None:
        self._build, self._recipe, self._out = build, recipe, out
        self._losses: dict[tuple[str, ...], list[float]] = {}

    def losses(self, way: str, settings: tuple[str, ...]) -> list[float]:
        """Train as a way does, but for how it shares and cuts a step."""
        kept = tuple(one for one in settings if not one.startswith("run.")) + short(way)
        if kept not in self._losses:
            run = self._out / str(len(self._losses))
            train(self._build, run, *kept, "run.device_batch=8", recipe=self._recipe)
            self._losses[kept] = losses(run)
        return self._losses[kept]


@pytest.mark.heavy
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
