"""Questions of a build: which answers are right, their kinds, and what a blind model is."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from run_help import train
from twin_help import load

from instructify.build.opened import Build
from instructify.twins.layout import TwinRequest
from instructify.twins.make import make_twin
from instructify.twins.writers_vqa import question_kinds
from instructify_train.evaluate.answering import answerer_of
from instructify_train.evaluate.questions import Asked, accepted, ask
from instructify_train.evaluate.trained import load_trained


@pytest.mark.parametrize(
    ("references", "right"),
    [
        (["no"] * 7 + ["yes"] * 3, ("no", "The answer is no.")),
        (["no"] * 5 + ["yes"] * 5, ("The answer is no.",)),
        (None, ("The answer is no.",)),
    ],
)
def test_a_stray_answer_is_not_accepted(
    references: list[str] | None, right: tuple[str, ...]
) -> None:
    row = {"references": references, "response": "The answer is no."}
    assert accepted(row) == right


def test_case_and_a_final_dot_do_not_matter() -> None:
    assert Asked("a", "Is it?", "No.", ("no",), None).is_right
    assert not Asked("a", "Is it?", "none", ("no",), None).is_right


def test_a_blind_model_answers_alike_whatever_is_shown(whole_build: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    quick = ("run.validate_every=0", "run.steps=2", "run.save_every=2")
    train(whole_build, run, *quick, "data.blind=true")
    answerer = answerer_of(load_trained(str(run), "last"), torch.device("cpu"))
    files = [tmp_path / "flat.png", tmp_path / "noisy.png"]
    for path, spread in zip(files, (5, 80), strict=True):
        Image.effect_noise((48, 48), spread).convert("RGB").save(path)
    one, other = (answerer.features(answerer.read_file(path)) for path in files)
    assert torch.equal(one, other)
    seeing = answerer_of(load_trained("tiny-llama"), torch.device("cpu"))
    one, other = (seeing.features(seeing.read_file(path)) for path in files)
    assert not torch.equal(one, other)


def test_each_question_of_the_twin_has_a_kind(tmp_path: Path) -> None:
    make_twin(["vqav2"], tmp_path, scale=0.2, pictures=False)
    request = TwinRequest(out=tmp_path, release="vqav2", scale=0.2)
    kinds = question_kinds(request, "train2014", request.num_train)
    asked = load(tmp_path / "vqav2" / "v2_OpenEnded_mscoco_train2014_questions.json")["questions"]
    assert kinds.keys() == {row["question_id"] for row in asked}
    told = {row["question"]: kinds[row["question_id"]] for row in asked}
    assert {kind for text, kind in told.items() if text.startswith("How many")} == {"count"}


def test_questions_of_a_build_are_asked(whole_build: Path) -> None:
    answerer = answerer_of(load_trained("tiny-llama"), torch.device("cpu"))
    found = ask(answerer, Build.open(whole_build), "vqav2", "val", 5)
    assert len(found) == 5
    assert all(one.accepted and one.sample_id.startswith("vqav2/val/") for one in found)
