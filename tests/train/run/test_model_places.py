"""A run finds its model from any folder and after a move, and the hub is asked for no path."""

import http.server
import json
import shutil
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from run_help import RECIPE, recipe_file, train

from instructify._util.errors import UserError
from instructify.commands.train import TrainOptions, run_train
from instructify_train.config import ModelConfig
from instructify_train.evaluate.merge import merge
from instructify_train.evaluate.trained import load_trained
from instructify_train.evaluate.xray import XRay
from instructify_train.model import hub, load_model
from instructify_train.recipe import load_recipe
from instructify_train.tiny.presets import build_preset

QUICK = ("run.steps=2", "run.validate_every=0", "run.save_every=1", "optimizer.schedule=constant")


@pytest.fixture(scope="module")
def made(whole_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a run that names it by a relative path."""
    world = tmp_path_factory.mktemp("place") / "x"
    world.mkdir()
    loaded = build_preset("tiny-llama")
    loaded.model.save_pretrained(world / "models/towers")
    loaded.processor.save_pretrained(world / "models/towers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world)
        train(whole_build, Path("r"), "model.name=models/towers", *QUICK)
    return world


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Path:
    """The same, moved to where it was not made."""
    return Path(shutil.copytree(made, tmp_path / "moved"))


@pytest.fixture
def no_net(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> Any:
        raise AssertionError("the net was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


OPENERS: list[Callable[[Path], object]] = [
    lambda run: load_trained(str(run)),
    lambda run: XRay.open(str(run)),
    lambda run: merge(run, run.parent / "merged"),
]


@pytest.mark.usefixtures("no_net")
@pytest.mark.parametrize("opened", OPENERS, ids=["generate", "tokens", "merge"])
def test_a_run_finds_its_model_from_any_folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    opened(made / "r")
    shutil.rmtree(made / "merged", ignore_errors=True)
    assert load_recipe(str(made / "r/recipe.yaml")).model.name == str(made / "models/towers")


@pytest.mark.usefixtures("no_net")
@pytest.mark.parametrize("opened", OPENERS, ids=["generate", "tokens", "merge"])
def test_a_run_moved_with_its_model_finds_it(
    made: Path, moved: Path, monkeypatch: pytest.MonkeyPatch, opened: Any
) -> None:
    gone = made / "models-away"
    (made / "models").rename(gone)
    try:
        monkeypatch.chdir("/")
        opened(moved / "r")
    finally:
        gone.rename(made / "models")


def resume(build: Path, run: Path, recipe: Path | None, *settings: str) -> int:
    named = None if recipe is None else str(recipe)
    options = TrainOptions(
        build=build, recipe=named, out=run, settings=settings, steps=3, resume=True
    )
    return run_train(options, as_json=True)


@pytest.mark.usefixtures("no_net")
def test_a_run_goes_on_from_another_folder_and_after_a_move(
    whole_build: Path, made: Path, moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = made / "models-away"
    (made / "models").rename(gone)
    try:
        monkeypatch.chdir("/")
        assert resume(whole_build, moved / "r", None) == 0
        monkeypatch.chdir(moved)
        recipe = recipe_file(moved, RECIPE)
        assert resume(whole_build, Path("r"), recipe, "model.name=models/towers", *QUICK[1:]) == 0
        assert load_recipe("r/recipe.yaml").model.name == str(moved / "models/towers")
    finally:
        gone.rename(made / "models")


@pytest.mark.usefixtures("no_net")
@pytest.mark.parametrize("opened", OPENERS, ids=["generate", "tokens", "merge"])
@pytest.mark.parametrize("has_note", [True, False])
def test_a_model_that_is_gone_is_named_at_once(
    moved: Path, monkeypatch: pytest.MonkeyPatch, opened: Any, has_note: bool
) -> None:
    run = moved / "r"
    recipe = run / "recipe.yaml"
    name = str(moved.parent / "nowhere/towers") if has_note else "models/towers"
    kept = load_recipe(str(recipe)).model.name
    recipe.write_text(recipe.read_text("utf-8").replace(str(kept), name), encoding="utf-8")
    if not has_note:  # as runs of earlier versions are
        facts = json.loads((run / "run.json").read_bytes())
        del facts["model_sources"]
        (run / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    (moved / "models").rename(moved / "elsewhere")
    monkeypatch.chdir("/")
    start = time.monotonic()
    with pytest.raises(UserError) as told:
        opened(run)
    assert f"the folder {name}, given in {run}, is not there" in str(told.value)
    assert time.monotonic() - start < 2


@pytest.mark.usefixtures("no_net")
def test_a_relative_name_of_an_earlier_version_is_looked_for_above_the_run(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = moved / "r/recipe.yaml"
    kept = str(load_recipe(str(recipe)).model.name)
    recipe.write_text(recipe.read_text("utf-8").replace(kept, "models/towers"), encoding="utf-8")
    (moved / "r/run.json").unlink()
    monkeypatch.chdir("/")
    assert XRay.open(str(moved / "r")).facts.name == str(moved / "models/towers")


@pytest.mark.usefixtures("no_net")
@pytest.mark.parametrize(
    "name",
    ["models/towers", "models/sub/towers", "./towers", "/no/where", "~/no-such-folder", "a/"],
)
def test_a_path_is_never_a_name_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is not there"):
        load_model(ModelConfig(name=name))
    with pytest.raises(UserError, match="is not there"):
        XRay.open(name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that a hub of this machine was asked for; it has nothing, or hangs."""
    paths: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            if "hangs" in self.path:
                time.sleep(1)
            self.send_response(503 if "ill" in self.path else 404)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setattr(hub, "SECONDS", 0.3)
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield paths
        server.shutdown()


@pytest.mark.parametrize("name", ["owner/missing", "owner/ill", "owner/hangs"])
def test_the_hub_is_asked_once_and_for_a_short_time(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    with pytest.raises(UserError) as told:
        load_model(ModelConfig(name=name))
    assert name in str(told.value)
    assert asked == [f"/api/models/{name}"]
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_hub_is_not_asked_where_that_is_forbidden(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(UserError, match="give the folder of a downloaded copy"):
        load_model(ModelConfig(name="owner/name"))
    assert asked == []


def test_weights_are_not_written_below_a_name_that_is_no_text(
    whole_build: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="not UTF-8"):
        train(whole_build, tmp_path / "bad\udcff", recipe=recipe_file(tmp_path))
    assert not (tmp_path / "bad\udcff/recipe.yaml").exists()
