"""`best` by scores: the highest mean of held-in protocols, the same however a run is cut."""

import json
from pathlib import Path

import pytest
from run_help import RECIPE, evaluate, launched, log, recipe_file, train

from instructify._util.errors import UserError
from instructify_train.checkpoint import Best, folder_of, read_state, steps_of

EVERY = "model.train=[vision, norm, qformer, projection, language]"
BY = ("run.best_by=[vqav2, coco_caption]", "run.validate_every=2", "run.validation_samples=40")


def scores(run: Path) -> dict[int, dict[str, float]]:
    return {line["step"]: line["scores"] for line in log(run) if "scores" in line}


def test_best_has_the_highest_mean_score(whole_build: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    learns = ("run.steps=40", "run.validate_every=10", "optimizer.lr=5.0e-3", "data.batch=16")
    done = train(whole_build, run, *BY, EVERY, *learns)
    found = scores(run)
    assert [*found] == [0, 10, 20, 30, 40]
    means = {step: sum(one.values()) / len(one) for step, one in found.items() if step}
    assert max(means.values()) > 0.01, "a model that answers nothing shows nothing"
    loss = {line["step"]: line["validation_mean"] for line in log(run) if "validation" in line}
    highest = max(means, key=lambda step: (means[step], -loss[step], step))
    assert done.facts["best"]["step"] == highest
    assert done.facts["best"]["score"] == pytest.approx(means[highest])
    state = read_state(folder_of(run, steps_of(run)[-1]))
    assert state.best is not None
    assert state.best.step == highest
    assert "Scores on held-in protocols" in (run / "report.html").read_text("utf-8")


def test_the_scores_are_those_of_eval(whole_build: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(whole_build, run, *BY, EVERY, "optimizer.lr=5.0e-3")
    step = log(run)[-1]["step"]
    evaluate(run, whole_build, tmp_path / "eval", "vqav2", "coco_caption", limit=40)
    best = read_state(folder_of(run, step)).best
    assert best is not None
    for name, score in scores(run)[best.step].items():
        result = json.loads((tmp_path / "eval" / name / "result.json").read_text("utf-8"))
        assert result["score"]["value"] == pytest.approx(score)


@pytest.mark.heavy
def test_a_resumed_run_scores_alike(whole_build: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole" / "run", tmp_path / "cut" / "run"
    steady = (*BY, "optimizer.schedule=constant")
    train(whole_build, whole, *steady)
    train(whole_build, cut, *steady, steps=4)
    train(whole_build, cut, *steady, resume=True, steps=6)
    assert scores(cut) == scores(whole)


@pytest.mark.heavy
def test_two_processes_score_as_one(whole_build: Path, tmp_path: Path) -> None:
    text = RECIPE.replace("validate_every: 3", "validate_every: 2")
    text = text.replace("validation_samples: 4", "validation_samples: 40\n  best_by: [vqav2]")
    recipe, run = recipe_file(tmp_path, text.replace("steps: 6", "steps: 2")), tmp_path / "run"
    line = ("train", whole_build, "--recipe", recipe, "--out", run)
    done = launched(2, "-m", "instructify", *line)
    assert done.returncode == 0, done.stderr[-3000:]
    train(whole_build, tmp_path / "one", recipe=recipe)
    assert scores(run) == scores(tmp_path / "one")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("run.best_by=[gqa]",), "which is held out"),
        (("run.best_by=[vqav3]",), "did you mean 'vqav2'"),
        (("run.best_by=[vqav2]", "run.validate_every=0"), "needs 'run.validate_every"),
        (("run.best_by=[vqav2]", "run.parallel=fsdp"), "choose by the validation loss"),
    ],
)
def test_what_can_not_choose_is_refused(
    whole_build: Path, tmp_path: Path, settings: tuple[str, ...], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        train(whole_build, tmp_path / "run", *settings)
    assert train(whole_build, tmp_path / "run", steps=1).code == 0, "the mended command goes on"


def test_equal_scores_are_told_apart_by_the_loss_then_the_later_wins() -> None:
    best = Best(step=10, score=0.0, loss=7.0)
    assert Best(step=20, score=0.0, loss=6.0).is_better_than(best)
    assert Best(step=20, score=0.0, loss=7.0).is_better_than(best)
    assert not Best(step=20, score=0.0, loss=7.1).is_better_than(best)
    assert Best(step=20, score=0.1, loss=9.0).is_better_than(best)
    assert Best(step=20, score=0.0, loss=None).is_better_than(best)
    assert not Best(step=20, loss=7.1).is_better_than(Best(step=10, loss=7.0))
