"""The log of a run in its three places, also after starts that were killed."""

from pathlib import Path

import pytest
from run_help import log
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from instructify_train.run.journal import Journal


def journal(run: Path, step: int) -> Journal:
    """Open the log of a run that goes on after a step."""
    return Journal(run, step=step, steps=9, tensorboard=True, writes=True, shows=False)


def shown(run: Path) -> list[tuple[int, float]]:
    """Read what TensorBoard shows of the loss."""
    events = event_accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


@pytest.mark.parametrize("first", [0, 2])
def test_steps_that_are_done_again_are_shown_once(tmp_path: Path, first: int) -> None:
    """A start that was killed before its first checkpoint, and one that was killed after it."""
    killed = journal(tmp_path, 0)
    for step in range(5):
        killed.log({"step": step, "loss": 1.0})
    killed._writer.flush()
    again = journal(tmp_path, first)
    again.log({"step": 3, "loss": 2.0})
    again.close()
    expected = [(step, 1.0) for step in range(1 + first if first else 0)] + [(3, 2.0)]
    assert shown(tmp_path) == expected
    assert [(line["step"], line["loss"]) for line in log(tmp_path)] == expected
