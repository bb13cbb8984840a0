"""A run from a stranger: what is read of it is checked, and what is wrong is a sentence."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostile_help import everything, mutated, spoiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_help import recipe_file, train

from instructify._util.errors import UserError
from instructify._util.shards import sweep
from instructify.commands.results import run_results
from instructify.pages import Head, Identity
from instructify.protocols import OF_METHOD
from instructify_train import checkpoint, run_folder
from instructify_train.evaluate.result_folder import ResultFolder
from instructify_train.run import journal, trackers
from instructify_train.run.run_page import run_page

FEW = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
METHOD = sorted(OF_METHOD)[0]
STATE: dict[str, Any] = {
    "version": 1,
    "step": 3,
    "mixture": {
        "version": 1,
        "position": 12,
        "seed": 0,
        "mixture_hash": "ab",
        "facts": {"a": "b"},
        "builds": {"v": "c"},
    },
    "best": {"step": 3, "loss": 1.0, "score": None},
    "tally": {"a": {"b": [1.0]}},
    "files": {"model.safetensors": "0" * 64},
}
RESULT: dict[str, Any] = {
    "dataset": "okvqa",
    "format": 1,
    "name": "okvqa",
    "asked": 3,
    "of_total": 3,
    "complete": True,
    "skipped": {"x": 1},
    "undefined": None,
    "score": {
        "metric": "vqa",
        "variant": "v",
        "value": 0.5,
        "count": 3,
        "interval": [0.1, 0.2],
        "subsets": {"a": 0.1, "b": 0.2},
    },
    "variants": {"v": 0.5, "w": 0.4},
    "versions": {"torch": "1"},
    "model": {
        "source": "m",
        "step": 3,
        "instruction_aware": True,
        "sha256": "abc",
        "precision": "fp32",
    },
    "protocol": {
        "dataset": "okvqa",
        "fields": {
            "context": True,
            "caption": True,
            "text": True,
            "ocr_tokens": None,
            "history": None,
        },
        "frames": None,
        "candidates": None,
        "qformer_instruction": None,
        "split": "val",
        "variant": "v",
        "prompt": "instruction",
        "instruction": "q",
        "note": "n",
        "decode": {"method": METHOD, **dict.fromkeys(OF_METHOD[METHOD], 1)},
        "sources": {"decode.method": "paper", "prompt": "ours"},
    },
}


def drawn(data: st.DataObject, value: Any) -> bytes:
    if data.draw(st.booleans()):
        return data.draw(spoiled(json.dumps(value).encode()))
    return json.dumps(data.draw(mutated(value))).encode()


@given(st.data())
@FEW
def test_states_of_checkpoints(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "checkpoints" / "step-00000003"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").write_bytes(drawn(data, STATE))
    found, passed = checkpoint.load_last(tmp_path)
    assert found is None
    assert len(passed) == 1
    assert "step-00000003" in passed[0]


@pytest.mark.parametrize("name", ["step-x", "step-", "step-3", "step--0000001", "step-٣٣٣٣٣٣٣٣"])
def test_names_that_are_no_checkpoints_are_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert checkpoint.steps_of(tmp_path) == []


def test_the_state_of_another_step_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "step-00000004"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps(STATE))
    with pytest.raises(UserError, match="is that of step 3"):
        checkpoint.load(tmp_path, 4)


@given(st.data())
@FEW
def test_facts_and_logs(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "run.json").write_bytes(drawn(data, {"format": 1, "build": "x", "steps": [1]}))
    lines = [{"step": 1, "loss": 0.1, "validation": {"a": 1}}, {"step": 2, "loss": float("nan")}]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(drawn(data, one) for one in lines) + b"\n")
    with suppress(UserError):
        run_folder.read_run(tmp_path)
    with suppress(UserError):
        journal.read_log(tmp_path)


FACTS = {"model": "m", "parameters": 1, "trained": 1, "batch": 1, "precision": "fp32"}
FACTS |= {"device": "cpu", "processes": 1, "steps": 3}
TRAINED = {"step": 1, "loss": 1.5, "last_loss": 1.5, "samples_per_s": 9.0, "data_wait": 0.1}
TRAINED |= {"memory_gb": 0.5, "lr": 1e-3}


@given(st.data())
@FEW
def test_every_log_that_is_read_has_a_page(tmp_path: Path, data: st.DataObject) -> None:
    lines = [TRAINED, {"step": 1, "validation": {"a": 1.0}, "validation_mean": 1.0}]
    lines += [{"step": 2, "scores": {"a": 0.5}, "score_mean": 0.5}]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(drawn(data, one) for one in lines) + b"\n")
    with suppress(UserError):
        log = journal.read_log(tmp_path)
        assert run_page(Head(identity=Identity(kind="Run", name="x")), FACTS, log, None)


@pytest.mark.parametrize(
    "change", [{"loss": None}, {"samples_per_s": [1]}, {"step": True}, {"data_wait": "\0"}]
)
def test_a_damaged_line_of_the_log_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps(TRAINED | change) + "\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 1 is damaged"):
        journal.read_log(tmp_path)


def test_a_log_of_a_run_that_diverged_is_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": NaN}\n')
    assert journal.read_log(tmp_path)[0]["step"] == 1


@given(st.data())
@FEW
def test_results_of_evaluations(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "okvqa").mkdir(exist_ok=True)
    (tmp_path / "okvqa" / "result.json").write_bytes(drawn(data, RESULT))
    with suppress(UserError):
        run_results(
            [tmp_path], html=tmp_path / "page.html", build=None, markdown=False, as_json=False
        )


def test_a_name_in_a_result_is_no_markup(tmp_path: Path) -> None:
    (tmp_path / "okvqa").mkdir()
    value = RESULT | {"name": "<script>alert(1)</script>"}
    (tmp_path / "okvqa" / "result.json").write_text(json.dumps(value))
    run_results([tmp_path], html=tmp_path / "page.html", build=None, markdown=False, as_json=False)
    assert "<script>" not in (tmp_path / "page.html").read_text("utf-8")


@pytest.fixture(name="victim")
def _victim(tmp_path: Path) -> Path:
    """A folder of the user's with a run of theirs; nothing may happen to it."""
    folder = tmp_path / "victim"
    for name in ("step-00000001", "step-00000002", ".staged-step-00000003"):
        (folder / name).mkdir(parents=True)
        (folder / name / "model.safetensors").write_bytes(b"mine")
    return folder


LINKS = {
    "the checkpoints": "checkpoints",
    "a checkpoint": "checkpoints/step-00000001",
    "a staged checkpoint": "checkpoints/.staged-step-00000003",
    "a file of a checkpoint": "checkpoints/step-00000001/state.json",
    "the numbers for TensorBoard": "tensorboard",
    "the folder of a tracker": "wandb",
}


@pytest.mark.parametrize("what", LINKS)
def test_a_link_out_of_a_run_is_refused_before_anything_is_written(
    tmp_path: Path, victim: Path, what: str
) -> None:
    before = everything(victim)
    link = tmp_path / "run" / LINKS[what]
    link.parent.mkdir(parents=True)
    (tmp_path / "run" / "recipe.yaml").touch()
    link.symlink_to(victim)
    with (
        pytest.raises(UserError, match="a link that leads out of"),
        run_folder.claimed(tmp_path / "run", resume=True, take_over=False, is_first=True),
    ):
        raise AssertionError("it began")
    assert everything(victim) == before
    assert not (tmp_path / "run" / ".lock").exists()


@pytest.mark.parametrize("what", ["link", "file", "pipe", "loop"])
def test_what_has_the_name_of_a_checkpoint_is_removed_and_not_what_it_leads_to(
    tmp_path: Path, what: str
) -> None:
    folders = [checkpoint.folder_of(tmp_path, step) for step in (1, 2, 3)]
    folders[0].mkdir(parents=True)
    (folders[0] / "state.json").write_text("{")
    for path in (folders[1], folders[2], folders[0].parent / ".staged-step-00000004"):
        match what:
            case "link":
                path.symlink_to(folders[0])
            case "file":
                path.touch()
            case "pipe":
                os.mkfifo(path)
            case "loop":
                path.symlink_to(path.name)
    state = msgspec.convert({**STATE, "step": 2}, checkpoint.RunState)
    checkpoint.save(tmp_path, checkpoint.Checkpoint(weights={}, optimizer={}, state=state))
    checkpoint.prune(tmp_path, 1, checkpoint.Best(step=1, loss=1.0), 2)
    assert not folders[1].is_symlink()
    assert checkpoint.load(tmp_path, 2).state.step == 2
    assert sorted(path.name for path in folders[0].parent.iterdir()) == [
        "step-00000001",
        "step-00000002",
    ]
    assert (folders[0] / "state.json").read_text() == "{"


@pytest.mark.parametrize("link", ["", "parts", "parts/00000.jsonl", "predictions.jsonl"])
def test_a_link_out_of_an_evaluation_is_refused_before_anything_is_written(
    tmp_path: Path, victim: Path, link: str
) -> None:
    for name in ("00000.jsonl", ".mine.tmp"):
        (victim / name).write_text("mine")
    before = everything(victim)
    path = tmp_path / "out" / "okvqa" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(victim / "00000.jsonl" if link.endswith("l") else victim)
    folder = ResultFolder(tmp_path / "out" / "okvqa")
    with (
        pytest.raises(UserError, match="a link that leads out of"),
        folder.held(is_first=True),
    ):
        raise AssertionError("it began")
    assert everything(victim) == before


def test_folders_with_the_name_of_a_temporary_file_are_left(tmp_path: Path) -> None:
    (tmp_path / ".a.tmp").mkdir()
    (tmp_path / ".b.tmp").touch()
    (tmp_path / ".c.tmp").symlink_to(tmp_path)
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".a.tmp"]


TRACKED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "JSON nested deep": lambda path: path.write_text('{"id": ' + "[" * 100_000),
    "a list": lambda path: path.write_text("[1]"),
    "a path": lambda path: path.write_text('{"id": "../../x"}'),
    "a text beyond all": lambda path: path.write_text(json.dumps({"id": "a" * 10_000})),
    "no text": lambda path: path.write_text('{"id": {"a": 1}}'),
    "Latin-1": lambda path: path.write_bytes(b'{"id": "\xe9"}'),
}


@pytest.mark.parametrize("what", TRACKED)
def test_the_note_of_a_tracker_is_an_identifier_or_refused(tmp_path: Path, what: str) -> None:
    TRACKED[what](tmp_path / "tracker.json")
    with pytest.raises(UserError, match=r"tracker\.json"):
        trackers.identifier_of(tmp_path)


def test_the_note_of_a_tracker_is_kept(tmp_path: Path) -> None:
    made = trackers.identifier_of(tmp_path)
    assert trackers.identifier_of(tmp_path) == made
    (tmp_path / "tracker.json").write_text('{"id": "my-run_2"}')
    assert trackers.identifier_of(tmp_path) == "my-run_2"


REFUSED = {
    "another model": ("model.name=/nope/model",),
    "a member that the build lacks": ("mixture.members.web_capfilt={forms: [caption]}",),
    "a part of no model": ("model.train=[eyes]",),
}


@pytest.mark.parametrize("what", REFUSED)
def test_of_a_run_that_never_began_nothing_is_left(
    whole_build: Path, tmp_path: Path, what: str
) -> None:
    recipe = recipe_file(tmp_path)
    with suppress(UserError):
        train(whole_build, tmp_path / "deep" / "run", *REFUSED[what], recipe=recipe)
        raise AssertionError("it began")
    assert list((tmp_path / "deep").iterdir()) == []
    (tmp_path / "deep" / "run").mkdir()
    with suppress(UserError):
        train(whole_build, tmp_path / "deep" / "run", *REFUSED[what], recipe=recipe)
    assert list((tmp_path / "deep").rglob("*")) == [tmp_path / "deep" / "run"]
