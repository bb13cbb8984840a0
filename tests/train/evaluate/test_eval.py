"""`instructify eval` and `results`: scores that can be made again, whatever happened on the way."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from build_help import Commands, difference, is_sentence, tree
from forked import start_fork
from run_help import evaluate, launched, train

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.protocols.questions import read_questions
from instructify.protocols.read import named_protocol
from instructify.results.table import Cell, percent
from instructify.templating import TemplateFolders
from instructify_train.config import DataConfig
from instructify_train.data.pixels import read_file, resize
from instructify_train.evaluate.answering import Answerer, answerer_of
from instructify_train.evaluate.predict import PART_QUESTIONS, Evaluator
from instructify_train.evaluate.result_folder import ResultFolder
from instructify_train.evaluate.run import weights_sha256
from instructify_train.evaluate.trained import load_trained
from instructify_train.tiny.presets import build_preset

NAMES = ("vqav2", "aokvqa.choice", "hateful_memes", "visdial", "msvd_qa", "coco_caption")
QUICK = ("decode.max_new_tokens=6", "decode.min_new_tokens=1")


@pytest.fixture(scope="module")
def model(whole_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps: its answers are poor, and always the same."""
    run = tmp_path_factory.mktemp("eval") / "run"
    train(whole_build, run, steps=4)
    return run


@pytest.fixture(scope="module")
def whole(model: Path, whole_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of six datasets."""
    out = tmp_path_factory.mktemp("whole-eval") / "out"
    answer = evaluate(model, whole_build, out, *NAMES, settings=QUICK)
    assert answer.code == 0, answer.stderr
    assert all(len(line) <= 80 for line in answer.stdout.splitlines())
    return out


def result(folder: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / name / "result.json").read_text("utf-8"))
    return value


def predictions(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = (folder / name / "predictions.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_scores_again_without_the_model(
    command: Commands, whole: Path, name: str
) -> None:
    """From the two files alone, every item alike; video needs its vocabulary for misses only."""
    told = result(whole, name)
    files: list[object] = ["--predictions", whole / name / "predictions.jsonl"]
    files += ["--references", whole / name / "references.jsonl"]
    form = ("--form", "multiple_choice") if name.endswith(".choice") else ()
    again = command("score", told["dataset"], *files, *form, "--items", "--json").json()
    assert again["value"] == pytest.approx(told["score"]["value"], abs=1e-12)
    assert again["interval"] == pytest.approx(told["score"]["interval"], abs=1e-12)
    by_id = {row["id"]: row["item_score"] for row in predictions(whole, name)}
    assert {one["id"]: one["score"] for one in again["items"]} == pytest.approx(by_id)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_says_what_produced_it(whole: Path, name: str) -> None:
    told = result(whole, name)
    assert told["protocol"]["instruction"]
    assert set(told["protocol"]["sources"].values()) <= {"paper", "lavis", "authors", "ours", "set"}
    for key in ("protocol_sha256", "split_sha256", "prompts_sha256"):
        assert len(told[key]) == 64
    assert len(told["model"]["sha256"]) == 64
    assert told["versions"].keys() >= {"instructify", "torch", "transformers"}
    assert (told["candidates_sha256"] is None) == (told["protocol"]["candidates"] is None)
    assert told["asked"] == len(predictions(whole, name)) == told["of_total"]
    assert told["score"]["variant"] in told["variants"]
    assert all(row["instruction"] for row in predictions(whole, name))


def test_batches_change_nothing(
    model: Path, whole_build: Path, whole: Path, tmp_path: Path
) -> None:
    """Answers are the same; likelihoods up to rounding."""
    names = ("vqav2", "aokvqa.choice", "hateful_memes")
    assert evaluate(model, whole_build, tmp_path, *names, settings=QUICK, batch=7).code == 0
    for name in names:
        for one, other in zip(predictions(tmp_path, name), predictions(whole, name), strict=True):
            assert one["id"] == other["id"]
            assert one.get("prediction") == other.get("prediction")
            for key in ("score", "log_likelihoods"):
                assert one.get(key) == pytest.approx(other.get(key), abs=1e-4)


def test_processes_share_the_questions(
    model: Path, whole_build: Path, whole: Path, tmp_path: Path
) -> None:
    """Parts go to processes in turn; two write what one does, to the byte."""
    settings = [word for one in QUICK for word in ("--set", one)]
    argv = ("-m", "instructify", "eval", model, whole_build, "--out", tmp_path / "out")
    done = launched(2, *argv, "visdial", "vqav2", "--device", "cpu", *settings)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("visdial/val") == 1
    for name in ("visdial", "vqav2"):
        assert difference(tree(whole / name), tree(tmp_path / "out" / name)) == []


def test_a_killed_evaluation_goes_on(
    model: Path, whole_build: Path, whole: Path, tmp_path: Path
) -> None:
    """kill -9 after its first part; the end is that of an evaluation that was left alone."""
    settings = [word for one in QUICK for word in ("--set", one)]
    line = ("eval", model, whole_build, "visdial", "--out", tmp_path, "--device", "cpu")
    with start_fork(*line, *settings) as process:
        parts = tmp_path / "visdial" / "parts"
        until = time.monotonic() + 120
        while not (parts.is_dir() and any(parts.iterdir())):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "visdial" / "result.json").exists()
    refused = evaluate(model, whole_build, tmp_path, "visdial", settings=QUICK)
    assert refused.code == 2
    assert "--resume" in refused.stderr
    again = evaluate(model, whole_build, tmp_path, "visdial", settings=QUICK, resume=True)
    assert again.code == 0
    assert difference(tree(whole / "visdial"), tree(tmp_path / "visdial")) == []


def test_parts_that_are_there_are_taken(
    model: Path, whole_build: Path, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole / "visdial", tmp_path / "visdial")
    rows = predictions(whole, "visdial")
    assert len(rows) > PART_QUESTIONS
    (tmp_path / "visdial" / "result.json").unlink()
    (tmp_path / "visdial" / "parts").mkdir()
    first = [{**row, "mark": 1} for row in rows[:PART_QUESTIONS]]
    ResultFolder(tmp_path / "visdial").write_part(0, first)
    answer = evaluate(model, whole_build, tmp_path, "visdial", settings=QUICK, resume=True)
    assert answer.code == 0, answer.stderr
    marks = [row.get("mark") for row in predictions(tmp_path, "visdial")]
    assert marks == [*[1] * PART_QUESTIONS, *[None] * (len(rows) - PART_QUESTIONS)]


def test_what_a_killed_write_left_is_in_nobodys_way(
    model: Path, whole_build: Path, tmp_path: Path
) -> None:
    (tmp_path / "vqav2" / "parts").mkdir(parents=True)
    for left in ("vqav2/.asked.json.4711.tmp", "vqav2/parts/.00000.jsonl.4711.tmp"):
        (tmp_path / left).write_text("{")
    assert evaluate(model, whole_build, tmp_path, "vqav2", settings=QUICK, resume=True).code == 0
    assert sorted(path.name for path in (tmp_path / "vqav2").iterdir()) == [
        *(".lock", "asked.json", "predictions.jsonl", "references.jsonl", "result.json"),
    ]


def test_another_evaluation_is_not_mixed_in(
    model: Path, whole_build: Path, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole / "vqav2", tmp_path / "vqav2")
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"settings": (*QUICK, "decode.beams=2")}, "other protocol"),
        ({"settings": QUICK, "limit": 5}, "limit"),
        ({"settings": QUICK, "precision": "bf16"}, "other model"),
    )
    for change, what in changes:
        answer = evaluate(model, whole_build, tmp_path, "vqav2", **change, resume=True)
        assert answer.code == 2
        assert what in answer.stderr
    same = evaluate(model, whole_build, tmp_path, "vqav2", settings=QUICK, resume=True)
    assert same.code == 0
    assert same.stdout.startswith("vqav2/val")


def test_restricted_search_answers_from_the_vocabulary(
    model: Path, whole_build: Path, tmp_path: Path
) -> None:
    settings = ("decode.method=restrict",)
    assert evaluate(model, whole_build, tmp_path, "msvd_qa", settings=settings).code == 0
    build = Build.open(whole_build)
    known = build.candidate_sets()[str(build.split("msvd_qa", "test").candidate_set)]
    assert {row["prediction"] for row in predictions(tmp_path, "msvd_qa")} <= set(known)


def test_letters_may_be_ranked(model: Path, whole_build: Path, tmp_path: Path) -> None:
    settings = ("candidates.kind=letters",)
    assert evaluate(model, whole_build, tmp_path, "aokvqa.choice", settings=settings).code == 0
    told = result(tmp_path, "aokvqa.choice")
    assert told["score"]["metrics"]["unparsable"] == 0
    assert told["protocol"]["sources"]["candidates"] == "set"


def test_ranking_is_what_the_model_says(whole_build: Path, model: Path) -> None:
    """Likelihoods equal those of plain transformers, candidate by candidate."""
    build, catalog = Build.open(whole_build), load_catalog()
    protocol = named_protocol(catalog, "aokvqa.choice")
    questions = read_questions(build, protocol, catalog, TemplateFolders.of(), limit=3)
    answerer = answerer_of(load_trained(str(model)), torch.device("cpu"))
    store = build.pictures()
    assert store is not None
    examiner = Evaluator(answerer, protocol, questions, store, batch=3)
    ((_, found),) = examiner.parts([0])
    for row, prediction in zip(questions.rows, found, strict=True):
        pixels = resize([store.image(key) for key in row.pictures], answerer.size)
        prefix = answerer.prefixes(answerer.features(pixels), [[0]], [row.instruction])
        assert row.candidates is not None
        for text, score in zip(
            questions.sets[row.candidates].texts, prediction["log_likelihoods"], strict=True
        ):
            assert score == pytest.approx(_likelihood(answerer, prefix, text), abs=1e-4)


def _likelihood(answerer: Answerer, prefix: Any, text: str) -> float:
    ids = answerer.tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = [*ids, answerer.tokenizer.eos_token_id]
    language = answerer.language_model
    embeds = language.get_input_embeddings()(torch.tensor([ids]))
    with torch.no_grad():
        logits = language(inputs_embeds=torch.cat([prefix.embeds_BLH, embeds], 1)).logits
    picked = logits.log_softmax(-1)[0, -len(ids) - 1 : -1]
    return float(picked[range(len(ids)), ids].sum())


def test_without_golds_predictions_are_written_and_nothing_is_claimed(
    command: Commands, model: Path, tmp_path: Path
) -> None:
    assert command("twin", "vizwiz", "--out", tmp_path / "raw", "--scale", 0.15).code == 0
    build, out = tmp_path / "build", tmp_path / "out"
    line = ("convert", "vizwiz", "--raw", tmp_path / "raw", "--out", build, "--split", "test")
    assert command(*line).code == 0
    lacking = evaluate(model, build, tmp_path / "no", "vizwiz")
    assert lacking.code == 2
    assert "split 'val'" in lacking.stderr
    answer = evaluate(model, build, out, "vizwiz", settings=(*QUICK, "split=test"))
    assert answer.code == 0, answer.stderr
    assert "golds are not public" in answer.stdout
    assert result(out, "vizwiz")["score"] is None
    assert all(row["prediction"] is not None for row in predictions(out, "vizwiz"))
    assert command("results", out).code == 0


def test_of_a_suite_what_is_not_there_is_named(
    command: Commands, model: Path, whole_build: Path, tmp_path: Path
) -> None:
    answer = evaluate(model, whole_build, tmp_path, suite="held-out", limit=3, settings=QUICK)
    assert answer.code == 0, answer.stderr
    assert "not evaluated: gqa: is not in the build" in answer.stderr
    assert answer.stdout.count("*") == 3
    told = command("results", tmp_path)
    assert told.code == 0
    assert all(len(line) <= 80 for line in told.stdout.splitlines())
    assert "*: not all of the official split" in " ".join(told.stdout.split("\n"))


def test_captions_on_the_picture_alone_and_means(
    model: Path, whole_build: Path, tmp_path: Path
) -> None:
    """Figure 4's row of plain training; the build lacks TextCaps, so no mean is given."""
    answer = evaluate(model, whole_build, tmp_path, suite="multitask-plain", limit=2)
    assert answer.code == 0, answer.stderr
    said = result(tmp_path, "coco_caption")
    assert said["protocol"]["prompt"] == "plain"
    assert "mean of held-in, 6 sets: none, without textcaps" in " ".join(answer.stdout.split())


def test_a_score_that_is_undefined_stops_nobody_else(
    command: Commands, model: Path, whole_build: Path, tmp_path: Path
) -> None:
    """One meme has one label, and AUC compares two classes."""
    out = tmp_path / "out"
    answer = evaluate(model, whole_build, out, suite="held-out", limit=1, settings=QUICK)
    assert answer.code == 0, answer.stderr
    line = next(one for one in answer.stdout.splitlines() if one.startswith("hateful_memes"))
    assert "no score: all 1 items have the label" in line
    assert len(list(out.glob("*/result.json"))) == 3
    told = command("results", out)
    assert told.code == 0
    assert "AUC needs both classes" in told.stdout


def test_a_folder_of_other_things_is_left_alone(
    model: Path, whole_build: Path, raw_root: Path
) -> None:
    for other in (whole_build, raw_root):
        before = sorted(other.rglob("*"))
        refused = evaluate(model, whole_build, other, "vqav2", limit=1)
        assert refused.code == 2
        assert "holds other things than evaluations" in refused.stderr
        assert sorted(other.rglob("*")) == before


def test_results_stand_beside_the_published_ones(
    command: Commands, whole: Path, tmp_path: Path
) -> None:
    value = command("results", whole, "--json").json()
    rows = {row["name"]: row["values"] for row in value["rows"]}
    assert rows["InstructBLIP Vicuna-7B"]["flickr30k"] == 82.4
    assert len(value["columns"]) == 13
    assert len(rows) == 12
    ours = rows[whole.name]
    assert ours["visdial"] == pytest.approx(100 * result(whole, "visdial")["score"]["value"])
    assert {one["name"] for one in value["others"]} == {"vqav2", "aokvqa.choice", "coco_caption"}
    page = tmp_path / "page.html"
    told = command("results", whole, "--html", page, "--markdown")
    assert told.stdout.startswith("| model | nocaps |")
    assert "Vicuna-13B" in page.read_text("utf-8")


def test_results_of_what_is_no_evaluation(command: Commands, tmp_path: Path) -> None:
    answer = command("results", tmp_path)
    assert answer.code == 2
    assert is_sentence(answer)


def test_hostile_text_stays_text_in_the_page(
    command: Commands, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    (folder / "gqa").mkdir(parents=True)
    value = result(whole, "visdial") | {"name": "gqa"}
    value["model"]["source"] = "</style><script>alert(2)</script>"
    (folder / "gqa" / "result.json").write_text(json.dumps(value), "utf-8")
    page = tmp_path / "page.html"
    told = command("results", folder, "--html", page)
    assert told.code == 0
    assert told.stdout.splitlines()[-1] == f"page: {page}"
    text = page.read_text("utf-8")
    assert "<script" not in text
    assert "<img" not in text


def test_a_weight_changes_the_hash() -> None:
    model = build_preset("tiny-llama", seed=1).model
    before = weights_sha256(model)
    assert before == weights_sha256(build_preset("tiny-llama", seed=1).model)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1
    assert weights_sha256(model) != before


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "-"),
        (Cell(119.9), "119.9"),
        (Cell(43.06, is_partial=True), "43.1*"),
        (Cell(297.8, is_partial=True), "298*"),
        (Cell(99.96, is_partial=True), "100*"),
    ],
)
def test_cells_leave_their_columns_apart(cell: Cell | None, text: str) -> None:
    assert percent(cell) == text
    assert len(text) <= 5


def test_an_empty_picture_is_said_to_be_empty(tmp_path: Path) -> None:
    empty = tmp_path / "zero.jpg"
    empty.touch()
    with pytest.raises(UserError, match=r"zero\.jpg can't be read \(it is empty\)"):
        read_file(empty, DataConfig(), 32)


@pytest.mark.parametrize("path", ["/dev/zero", "pipe.jpg", "."])
def test_a_pipe_or_device_is_no_picture(path: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="is no file; give a picture or a clip"):
        read_file(tmp_path / path, DataConfig(), 32)
