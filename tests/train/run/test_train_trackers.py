"""The numbers of a run go to the trackers that its recipe names, through their own clients."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from run_help import log, train

from instructify._util.errors import UserError

QUICK = ("run.steps=2", "run.save_every=2", "run.validate_every=2", "run.validation_samples=1")


class Recorded:
    """What a client would have sent."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """A client of either name, which records what it is called with."""
    recorded = Recorded()

    def init(**given: Any) -> Recorded:
        recorded.opened.append(given)
        return recorded

    for name in ("wandb", "trackio"):
        module = ModuleType(name)
        module.init = init  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    return recorded


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_every_line_of_the_log_is_sent(
    whole_build: Path, tmp_path: Path, client: Recorded, name: str
) -> None:
    run = tmp_path / "run"
    train(whole_build, run, f"run.trackers=[{name}]", *QUICK)
    assert [step for step, _ in client.logged] == [line["step"] for line in log(run)]
    sent = [values["last_loss"] for _, values in client.logged if "last_loss" in values]
    assert sent == [line["last_loss"] for line in log(run) if "last_loss" in line]
    assert client.opened[0]["config"]["run"]["steps"] == 2
    assert client.finished == 1


def test_a_resumed_run_goes_on_in_the_same_place(
    whole_build: Path, tmp_path: Path, client: Recorded
) -> None:
    run, settings = tmp_path / "run", ("run.trackers=[wandb]", *QUICK)
    train(whole_build, run, *settings)
    train(whole_build, run, *settings, resume=True)
    first, second = client.opened
    assert first["id"] == second["id"] == json.loads((run / "tracker.json").read_text())["id"]
    assert second["resume"] == "allow"


def test_a_client_that_is_not_installed_is_said(
    whole_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"names wandb, which is not installed.*instructify\[wandb"):
        train(whole_build, tmp_path / "run", "run.trackers=[wandb]", *QUICK)
    assert not (tmp_path / "run").exists()  # so that the same command starts it


def test_wandb_keeps_a_run_offline(
    whole_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is an extra; it is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    train(whole_build, tmp_path / "run", "run.trackers=[wandb]", *QUICK)
    (kept,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    assert b"last_loss" in kept.read_bytes()


def test_trackio_keeps_a_run_on_this_machine(
    whole_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason="trackio is an extra; it is not installed")
    train(whole_build, tmp_path / "run", "run.trackers=[trackio]", *QUICK)
    kept = [path for path in (tmp_path / "trackio").rglob("*.db") if path.is_file()]
    assert kept
    assert any(b"last_loss" in path.read_bytes() for path in (tmp_path / "trackio").rglob("*.db*"))
