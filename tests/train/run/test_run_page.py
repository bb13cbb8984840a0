"""The page of a run: what is drawn of a log, and figures that say what they are."""

from typing import Any

from instructify.pages import Head, Identity
from instructify_train.checkpoint import Best
from instructify_train.run.run_page import best_figure, run_page, smoothed

FACTS: dict[str, Any] = {
    "model": "tiny-llama", "parameters": 10, "trained": 5, "batch": 16, "precision": "float32",
    "device": "cpu", "processes": 1, "steps": 60,
}  # fmt: skip
HEAD = Head(identity=Identity(kind="Run", name="run"))


def line(step: int, loss: float, **more: Any) -> dict[str, Any]:
    return {
        "step": step, "loss": loss, "last_loss": loss, "lr": 1e-4, "samples_per_s": 5.0,
        "data_wait": 0.1, "memory_gb": 1.0, **more,
    }  # fmt: skip


def test_the_best_says_what_it_is() -> None:
    assert best_figure(Best(step=10, loss=6.5, score=0.0)) == ("best mean score", "0.0 at step 10")
    by_loss = Best(step=1000, loss=6.5, score=None)
    assert best_figure(by_loss) == ("best validation loss", "6.500 at step 1,000")


def test_a_run_without_a_step_has_a_page() -> None:
    assert "No step has been logged yet" in run_page(HEAD, FACTS, [], None).decode()


def test_the_page_draws_loss_rate_and_a_chart_for_each_dataset() -> None:
    names = [f"dataset<{at}>" for at in range(12)]
    log = [line(step, 5.0 - step / 20) for step in range(1, 61)]
    log += [
        {"step": step, "validation": dict.fromkeys(names, 3.0), "validation_mean": 3.0}
        for step in (0, 30, 60)
    ]
    page = run_page(HEAD, FACTS, log, None).decode()
    for title in ("Loss on the mixture", "Learning rate", "Mean loss of 12"):
        assert page.count(title) == 1
    assert page.count('<div class="plot small">') == len(names)
    assert page.count("dataset&lt;11&gt;") >= 3
    assert "dataset<1" not in page
    assert "<title>dataset&lt;3&gt;, step 30: loss 3</title>" in page
    assert "<script" not in page


def test_a_loss_that_is_not_finite_is_noted_and_the_rest_is_drawn() -> None:
    log = [line(step, float("nan") if step == 3 else 2.0) for step in range(1, 7)]
    page = run_page(HEAD, FACTS, log, None).decode()
    assert "values are not finite" in page
    assert "nan," not in page


def test_the_mean_is_centred_and_keeps_the_ends() -> None:
    points = [(float(step), float(step)) for step in range(100)]
    means, width = smoothed(points)
    assert width == 11
    assert means == points
