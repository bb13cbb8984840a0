"""A run that was stopped goes on with the very bits it would have had, or says why it can't."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from forked import start_fork
from run_help import HELPERS, RECIPE, content, log, recipe_file, train

from instructify._util.errors import UserError
from instructify.commands.train import Trained, summary_of
from instructify_train.checkpoint import folder_of, read_state, steps_of
from instructify_train.run.journal import read_log
from instructify_train.run.trainer import Trainer
from instructify_train.run.validation import Validation, Validator


@pytest.fixture(scope="module")
def unbroken(whole_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that nobody stopped; not to be changed."""
    run = tmp_path_factory.mktemp("unbroken") / "run"
    assert train(whole_build, run).code == 0
    assert steps_of(run) == [2, 3, 4, 6]
    return run


def cut_back(unbroken: Path, run: Path, step: int) -> None:
    """Leave of a run what it had just after the checkpoint of this step, and more of its log."""
    shutil.copytree(unbroken, run)
    for later in steps_of(run):
        if later > step:
            shutil.rmtree(folder_of(run, later))
    (run / "report.html").unlink(missing_ok=True)


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_bits_are_those_of_the_unbroken_run(
    whole_build: Path, unbroken: Path, tmp_path: Path, step: int, workers: int
) -> None:
    """Step 3 lies inside a window of two batches."""
    run = tmp_path / "run"
    cut_back(unbroken, run, step)
    done = train(whole_build, run, f"data.workers={workers}", resume=True)
    assert done.code == 0
    assert content(run) == content(unbroken)
    assert log(run) == log(unbroken)


def test_logical_batches_go_on_as_they_would(whole_build: Path, tmp_path: Path) -> None:
    """Datasets at random, records in passes: still a function of the step alone."""
    per_rank = ("mixture.batches=per_rank", "mixture.reference_ranks=4")
    settings = (*per_rank, "mixture.order=random_datasets", "run.validate_every=0")
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(whole_build, whole, *settings, "run.save_every=3").code == 0
    cut_back(whole, run, 3)
    done = train(whole_build, run, *settings, resume=True)
    assert done.code == 0
    assert content(run) == content(whole)
    assert log(run) == log(whole)
    with pytest.raises(UserError, match=r"mixture.reference_ranks was 4 and is 2"):
        train(whole_build, run, *settings, "mixture.reference_ranks=2", resume=True)


def test_a_validation_that_broke_off_is_done_by_the_next_start(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    """Its checkpoint is written before, so no step is done again."""
    run, losses = tmp_path / "run", Validator.losses

    def struck(self: Validator, *arguments: Any) -> dict[str, float]:
        if 6 in steps_of(run):
            raise ZeroDivisionError
        return losses(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Validator, "losses", struck)
        with pytest.raises(ZeroDivisionError):
            train(whole_build, run)
    assert log(run) == [line for line in log(unbroken) if line["step"] < 6 or "loss" in line]
    assert read_state(folder_of(run, 6)).awaits_validation
    assert train(whole_build, run, resume=True).code == 0
    assert log(run) == log(unbroken)
    assert read_state(folder_of(run, 6)) == read_state(folder_of(unbroken, 6))


def test_a_stop_leaves_the_validation_to_the_next_start(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run, update = tmp_path / "run", Trainer._update

    def signalled(self: Trainer, step: int) -> None:
        update(self, step)
        if step + 1 == 2:  # a request is seen in the next step, which is the last
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_update", signalled)
        assert train(whole_build, run).code == 128 + signal.SIGTERM
    assert log(run)[-1]["step"] == 3
    assert "validation" not in log(run)[-1]
    assert train(whole_build, run, resume=True).code == 0
    assert content(run) == content(unbroken)
    assert log(run) == log(unbroken)


def test_what_was_drawn_is_counted_from_the_first_step_on(
    whole_build: Path, tmp_path: Path
) -> None:
    """Also after a start at a checkpoint that was written for being the best, between two lines."""
    settings = ("run.log_every=5", "run.validate_every=3", "run.save_every=100")
    whole, run = tmp_path / "whole", tmp_path / "run"
    train(whole_build, whole, *settings)
    cut_back(whole, run, 3)
    train(whole_build, run, *settings, resume=True)
    assert log(run) == log(whole)
    drawn = [read_state(folder_of(one, 6)).tally["member"] for one in (whole, run)]
    assert drawn[0] == drawn[1]
    assert sum(sums[0] for sums in drawn[1].values()) == 6 * 8


@pytest.mark.parametrize("step", [3, 6])
def test_a_signal_breaks_a_validation_off(
    whole_build: Path, unbroken: Path, tmp_path: Path, step: int
) -> None:
    """After the dataset in hand; step 3 is validated before it is saved, step 6 after it."""
    run, losses = tmp_path / "run", Validation.__getitem__
    seen = []

    def signalled(self: Validation, number: int) -> Any:
        here = max((line["step"] for line in read_log(run)), default=0)
        seen.append((here, id(self)))
        if here == step and not asked:
            asked.append(number)
            os.kill(os.getpid(), signal.SIGTERM)
        return losses(self, number)

    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Validation, "__getitem__", signalled)
        done = train(whole_build, run)
    assert done.code == 128 + signal.SIGTERM
    assert f"stopped after step {step}, which is saved" in " ".join(done.stderr.split())
    assert len({dataset for here, dataset in seen if here == 0}) > 1
    assert len({dataset for here, dataset in seen if here == step}) == 1
    assert log(run) == [
        line for line in log(unbroken) if line["step"] < step or _is_step(line, step)
    ]
    assert read_state(folder_of(run, step)).awaits_validation
    asked.clear()
    with pytest.MonkeyPatch.context() as patch:  # again, in the validation that was left
        patch.setattr(Validation, "__getitem__", signalled)
        assert train(whole_build, run, resume=True).code == 128 + signal.SIGTERM
    assert steps_of(run)[-1] == step
    assert train(whole_build, run, resume=True).code == 0
    assert content(run) == content(unbroken)
    assert log(run) == log(unbroken)
    assert read_state(folder_of(run, 6)) == read_state(folder_of(unbroken, 6))


@pytest.mark.parametrize(
    ("stopped_by", "says"), [(None, "no step was left to do"), (15, "no step was done")]
)
def test_a_start_without_a_step_is_said(stopped_by: int | None, says: str) -> None:
    """All were done, or a signal came in the validation that the last start had left."""
    facts = {"run": "run", "step": 6, "loss": None, "best": None}
    done = Trained(facts, 6, stopped_by, is_first=True)
    assert f"run: 6 steps, {says};" in summary_of(done, Path("run"))


def _is_step(line: dict[str, Any], step: int) -> bool:
    return line["step"] == step and "loss" in line


def test_a_second_resume_is_as_good_as_the_first(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    cut_back(unbroken, run, 2)
    assert train(whole_build, run, resume=True).code == 0
    for later in (3, 4, 6):
        shutil.rmtree(folder_of(run, later))
    assert train(whole_build, run, resume=True).code == 0
    assert content(run) == content(unbroken)


def test_a_damaged_checkpoint_is_passed_over(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    cut_back(unbroken, run, 4)
    damaged = folder_of(run, 4) / "optimizer.safetensors"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    done = train(whole_build, run, resume=True)
    assert f"passed over: {damaged} is damaged" in " ".join(done.stderr.split())
    assert "resumed   after step 3" in done.stderr
    assert content(run) == content(unbroken)


def damage(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_where_no_checkpoint_is_whole_nothing_is_started_over_it(
    whole_build: Path, unbroken: Path, tmp_path: Path, name: str
) -> None:
    """It may be the only copy of a week's work, and a tool may mend it."""
    run = tmp_path / "run"
    cut_back(unbroken, run, 2)
    path = folder_of(run, 2) / name
    if name == "state.json":
        path.write_text("{")
    else:
        damage(path)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"no checkpoint of .*run is whole: .*--from-scratch"):
        train(whole_build, run, resume=True)
    assert path.read_bytes() == before
    done = train(whole_build, run, resume=True, from_scratch=True)
    assert "removed: " in " ".join(done.stderr.split())
    assert content(run) == content(unbroken)
    assert log(run) == log(unbroken)


def test_from_scratch_removes_nothing_that_is_whole(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    cut_back(unbroken, run, 4)
    done = train(whole_build, run, resume=True, from_scratch=True)
    assert "--from-scratch has no effect" in " ".join(done.stderr.split())
    assert "resumed   after step 4" in done.stderr
    with pytest.raises(UserError, match="--from-scratch is for --resume"):
        train(whole_build, tmp_path / "new", from_scratch=True)


def test_a_damaged_checkpoint_takes_no_whole_ones_place(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    """With `keep: 1`, the last one that is kept has to be one that a run can go on from."""
    run = tmp_path / "run"
    cut_back(unbroken, run, 6)
    damage(folder_of(run, 6) / "model.safetensors")
    shutil.rmtree(folder_of(run, 4))
    assert train(whole_build, run, "run.keep=1", resume=True).code == 0
    assert content(run) == content(unbroken)


def test_another_length_changes_the_schedule_and_is_refused(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    cut_back(unbroken, run, 4)
    with pytest.raises(UserError, match=r"run\.steps was 6 and is 8.*--accept-changes"):
        train(whole_build, run, resume=True, steps=8)
    done = train(whole_build, run, resume=True, accept=True, steps=5)
    assert "note: run.steps was 6 and is 5" in " ".join(done.stderr.split())


def test_another_length_is_free_where_the_rate_is_constant(
    whole_build: Path, tmp_path: Path
) -> None:
    run, steady = tmp_path / "run", "optimizer.schedule=constant"
    train(whole_build, run, steady, steps=2)
    assert train(whole_build, run, steady, resume=True, steps=3).facts["step"] == 3


def test_a_finished_run_has_nothing_left_to_do(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unbroken, run)
    assert train(whole_build, run, resume=True).facts["step"] == 6
    assert content(run) == content(unbroken)


def test_a_run_is_not_started_over_another(whole_build: Path, unbroken: Path) -> None:
    with pytest.raises(UserError, match="holds a run already; go on with it by `--resume`"):
        train(whole_build, unbroken)


def test_other_things_are_not_trained_over(whole_build: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    with pytest.raises(UserError, match="is not empty and holds no run"):
        train(whole_build, tmp_path / "run")


def test_what_a_killed_write_left_is_in_nobodys_way(whole_build: Path, tmp_path: Path) -> None:
    """A kill in the very first write leaves a file that no run owns."""
    run = tmp_path / "run"
    run.mkdir()
    (run / ".recipe.yaml.4711.tmp").write_text("format:")
    assert train(whole_build, run, steps=1, resume=True).code == 0
    assert not list(run.glob(".*.tmp"))


def test_half_a_checkpoint_gives_its_room_back(
    whole_build: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full, and after a kill, before the next one is written."""
    run = tmp_path / "run"
    cut_back(unbroken, run, 4)
    half = run / "checkpoints" / ".staged-step-00000005"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    left: list[list[str]] = []

    def full(tensors: object, path: Path) -> None:
        left.append(sorted(one.name for one in (run / "checkpoints").glob(".*")))
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("instructify_train.checkpoint.save_file", full)
    with pytest.raises(UserError, match=r"No space left.*the last checkpoint is of step 4"):
        train(whole_build, run, resume=True)
    assert left == [[".staged-step-00000006"]]
    assert not list((run / "checkpoints").glob(".*"))
    assert steps_of(run)[-1] == 4


def test_another_mixture_is_refused_in_words(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    cut_back(unbroken, run, 2)
    with pytest.raises(UserError, match=r"mixture\.alpha was 0\.5 and is 0"):
        train(whole_build, run, "mixture.alpha=0", resume=True)
    assert train(whole_build, run, "mixture.alpha=0", resume=True, accept=True).code == 0
    assert content(run) != content(unbroken)


def test_another_build_is_refused_in_words(
    whole_build: Path, unbroken: Path, tmp_path: Path, command: object
) -> None:
    run, build = tmp_path / "run", tmp_path / "build"
    cut_back(unbroken, run, 2)
    shutil.copytree(whole_build, build)
    answer = command("retemplate", build, "vqav2", "--seed", 5)  # type: ignore[operator]
    assert answer.code == 0
    with pytest.raises(UserError, match="the samples of vqav2 were made anew"):
        train(build, run, resume=True)
    done = train(build, run, resume=True, accept=True)
    assert "accepted: the samples of vqav2 were made anew" in " ".join(done.stderr.split())


def test_a_changed_setting_is_refused_unless_it_changes_nothing(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    cut_back(unbroken, run, 4)
    with pytest.raises(UserError, match=r"optimizer\.lr was 0\.001 and is 0\.5"):
        train(whole_build, run, "optimizer.lr=0.5", resume=True)
    done = train(whole_build, run, "run.log_every=2", resume=True)
    assert "note: run.log_every was 1 and is 2" in " ".join(done.stderr.split())


def until(condition: object, seconds: float = 120) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_kill_at_once_and_go_on(whole_build: Path, unbroken: Path, tmp_path: Path) -> None:
    """A real process, killed without a word after its third step."""
    recipe, run = recipe_file(tmp_path), tmp_path / "run"
    line = ("train", whole_build, "--recipe", recipe, "--out", run)
    with start_fork(*line) as process:
        until(lambda: (run / "metrics.jsonl").exists() and len(log(run)) > 4)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert steps_of(run)[-1] < 6
    assert train(whole_build, run, recipe=recipe, resume=True).code == 0
    assert content(run) == content(unbroken)
    assert log(run) == log(unbroken)


@pytest.mark.parametrize(
    ("number", "code", "to"),
    [
        (signal.SIGTERM, 143, "its group"),
        (signal.SIGINT, 130, "the process"),
        pytest.param(signal.SIGTERM, 143, "the process", marks=pytest.mark.heavy),
        pytest.param(signal.SIGINT, 130, "its group", marks=pytest.mark.heavy),
    ],
)
def test_a_signal_saves_and_ends(
    whole_build: Path, tmp_path: Path, number: signal.Signals, code: int, to: str
) -> None:
    """A terminal and many schedulers signal the whole group, loader workers too."""
    text = RECIPE.replace("steps: 6", "steps: 100000").replace("workers: 0", "workers: 2")
    recipe, run = recipe_file(tmp_path, text), tmp_path / "r"
    with start_fork("train", whole_build, "--recipe", recipe, "--out", run) as process:
        until(lambda: (run / "metrics.jsonl").exists() and len(log(run)) > 3)
        if to == "its group":
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    step = steps_of(run)[-1]
    assert last.startswith(f"instructify: stopped after step {step}, which is saved")
    assert log(run)[-1]["step"] == step


@pytest.mark.heavy
def test_killed_at_a_hundred_instants_a_run_ends_with_the_same_bits(
    whole_build: Path, unbroken: Path, tmp_path: Path
) -> None:
    """60 deaths before a write, sync, rename or removal, 40 kills from outside at any moment."""
    recipe = recipe_file(tmp_path)
    argv = [
        sys.executable,
        HELPERS / "kill_probe.py",
        whole_build,
        recipe,
        unbroken,
        tmp_path,
        60,
        40,
    ]
    done = subprocess.run(
        [str(one) for one in (*argv, 60, 40)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    found = json.loads(done.stdout)["found"]
    assert len(found) == 100
    assert {where: end for where, end in found.items() if end != "same"} == {}
    assert sum("left with 0" in where for where in found) < 10, "most of them have to be struck"
