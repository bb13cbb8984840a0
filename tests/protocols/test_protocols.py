"""Protocols: all datasets have one, every choice has a source, prompts say what the record says."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build_help import Answer, Commands, is_sentence

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.protocols.candidates import (
    of_choices,
    of_labels,
    of_vocabulary,
    prediction_of,
    value_scores,
)
from instructify.protocols.folders import protocol_folders
from instructify.protocols.model import CandidateRule, Protocol
from instructify.protocols.questions import Questions, read_questions
from instructify.protocols.read import load_protocols, named_protocol
from instructify.protocols.suites import Suite, load_suites, named_suite, suite_means
from instructify.templating import TemplateFolders
from instructify.twins.make import make_twin

CATALOG = load_catalog()
EVALUATED = [
    name
    for name, one in CATALOG.datasets.items()
    if one.metric is not None and (one.role == "held-out" or "val" in one.split_names)
]
GOOD = """format: 1
dataset: gqa
protocols:
  - id: default
    version: 1
    split: testdev
    form: open
    instruction: "Q: {{ question }}"
    decode: {method: generate, beams: 2}
    score: official
    sources: {split: paper, instruction: ours, decode: ours, score: authors}
"""


def read(folder: Path, text: str) -> tuple[Protocol, ...]:
    (folder / "gqa.yaml").write_text(text, "utf-8")
    return load_protocols(CATALOG, "gqa", folder=folder)


def asked(build: Path, name: str, *settings: str, limit: int | None = None) -> Questions:
    protocol = named_protocol(CATALOG, name, settings)
    return read_questions(Build.open(build), protocol, CATALOG, TemplateFolders.of(), limit=limit)


@pytest.mark.parametrize("dataset", EVALUATED)
def test_every_dataset_that_is_scored_has_a_protocol(dataset: str) -> None:
    for one in load_protocols(CATALOG, dataset):
        assert one.split in CATALOG.dataset(dataset).split_names
        assert {"split", "instruction", "decode", "score"} <= set(one.sources)
        assert ("candidates" in one.sources) == (one.candidates is not None)


def test_files_are_of_datasets_and_suites_name_protocols() -> None:
    files = {path.stem for path in protocol_folders().base.glob("*.yaml")}
    assert files == {*EVALUATED, "suites"}
    suites = load_suites()
    assert {"held-out", "held-in", "multitask-prefix", "multitask-plain"} <= set(suites)
    for suite in suites.values():
        for name in suite.protocols:
            settings = suite.settings_of(name)
            assert named_protocol(CATALOG, name, settings, may_lack_words=True).name == name
    assert len(suites["held-out"].protocols) == 13
    roles = {CATALOG.dataset(name).role for name in suites["held-out"].protocols}
    assert roles == {"held-out"}


def test_figure_four_is_evaluated_as_the_paper_does() -> None:
    """Plain training: with instructions, but captions on the picture alone."""
    suites = load_suites()
    plain, prefix = suites["multitask-plain"], suites["multitask-prefix"]
    held_in = {one.removesuffix(".choice") for one in suites["held-in"].protocols}
    for suite in (suites["multitask"], plain, prefix):
        assert set(suite.means["held-in"]) == held_in
        assert {*suite.means["held-in"], *suite.means["held-out"]} == set(suite.protocols)
        assert len(suite.means["held-out"]) == 8
    for name in plain.protocols:
        one = named_protocol(CATALOG, name, plain.settings_of(name))
        is_caption = name in ("coco_caption", "textcaps")
        assert one.prompt == ("plain" if is_caption else "instruction"), name
    assert named_protocol(CATALOG, "textcaps", plain.settings_of("textcaps")).fields.ocr_tokens == 0
    assert all(
        named_protocol(CATALOG, name, prefix.settings_of(name)).prompt == "prefix"
        for name in prefix.protocols
    )
    assert set(suites["ablation"].means["held-in"]) == {
        "coco_caption", "okvqa", "aokvqa", "textcaps",
    }  # fmt: skip


def scored(name: str, value: float | None, *, complete: bool = True) -> dict[str, Any]:
    score = None if value is None else {"value": value}
    return {"name": name, "score": score, "complete": complete}


def test_a_mean_needs_all_of_its_scores() -> None:
    suite = Suite(("a", "b", "c"), (), means={"all": ("a", "b", "c"), "two": ("a", "b")})
    whole = [scored("a", 1.2), scored("b", 0.3), scored("c", 0.6)]
    assert [one.value for one in suite_means(suite, whole)] == pytest.approx([0.7, 0.75])
    assert all(one.complete for one in suite_means(suite, whole))
    lacking = suite_means(suite, [*whole[:2], scored("c", None)])
    assert [one.value for one in lacking] == [None, pytest.approx(0.75)]
    assert lacking[0].lacks == ("c",)
    part = suite_means(suite, [scored("a", 1.0, complete=False), *whole[1:]])
    assert not any(one.complete for one in part)


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        (
            "{protocols: [gqa], set_for: {gqq: [prompt=plain]}}",
            "'gqq' is no protocol of this suite",
        ),
        ("{protocols: [gqa], means: {all: [gqa, vsr]}}", "'vsr' is no protocol of this suite"),
        ("{protocols: [gqa], mean: {all: [gqa]}}", "did you mean 'means'"),
    ],
)
def test_mistakes_in_suites(tmp_path: Path, suite: str, said: str) -> None:
    (tmp_path / "suites.yaml").write_text(f"format: 1\nsuites:\n  mine: {suite}\n")
    with pytest.raises(UserError, match=said):
        load_suites(tmp_path)


def test_paper_ranks_what_it_says_it_ranks() -> None:
    """Section 2.5 of the paper names these; VSR is our reading."""
    every = [one for name in EVALUATED for one in load_protocols(CATALOG, name)]
    ranked = {one.name for one in every if one.decode.method == "rank" and one.id != "paper"}
    named = {"scienceqa", "iconqa", "aokvqa.choice", "hateful_memes", "visdial"}
    assert ranked == named | {"msvd_qa", "msrvtt_qa", "vsr"}


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("format: 1", "format: 9", 1, "format 9 is unknown; this version reads format 1"),
        ("dataset: gqa", "dataset: vsr", 2, "belongs into a file"),
        ("split: testdev", "split: tset", 6, "tset"),
        ("form: open", "form: binary", 7, "binary"),
        ("{{ question }}", "{{ qestion }}", 8, "qestion"),
        ("method: generate", "method: guess", 9, "guess"),
        ("beams: 2", "beam: 2", 9, "beam"),
        ("beams: 2", "beams: 0", 9, "from 1 on"),
        ("method: generate", "method: rank", 4, "needs 'candidates'"),
        ("score: official", "score: oficial", 10, "oficial"),
        ("beams: 2", "beams: 2, mode: sum+eso", 9, "did you mean 'sum+eos'"),
        ("    version: 1\n", "    version: 1\n    metric: acuracy\n", 6, "'accuracy'"),
        ("    version: 1\n", "    version: 1\n    fields: {contxt: keep}\n", 6, "'context'"),
        ("    version: 1\n", "    version: 1\n    fields: {ocr_tokens: null}\n", 6, "from 0 on"),
        ("    version: 1\n", "    version: 1\n    variant: lavis\n", 6, "unknown key 'variant'"),
        ("decode: ours,", "", 11, "does not say where 'decode' comes from"),
        ("decode: ours", "decode: hearsay", 11, "hearsay"),
        ("split: paper", "split: paper, frames: ours", 11, "'frames' is no setting"),
        ("    version: 1\n", "", 4, "'version' is missing"),
        ("    version: 1\n", "    version: 1\n    candidates: {source: labels}\n", 6, "'labels'"),
        (
            "    version: 1\n",
            "    version: 1\n    candidates: {source: vocabulary, kind: letters}\n",
            6,
            "letters stand for choices",
        ),
    ],
)
def test_mistakes_are_named_with_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    assert old in GOOD
    with pytest.raises(UserError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert f"gqa.yaml, line {line}: " in str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize("name", ["hateful_memes", "visdial"])
def test_scores_of_candidates_are_only_ranked(name: str) -> None:
    with pytest.raises(UserError, match="must be rank"):
        named_protocol(CATALOG, name, ["decode.method=generate"])


def test_settings_change_a_protocol_and_say_so() -> None:
    plain = named_protocol(CATALOG, "gqa")
    other = named_protocol(CATALOG, "gqa", ["decode.beams=1", "instruction={{ question }}"])
    assert (other.decode.beams, other.instruction) == (1, "{{ question }}")
    assert other.sources["decode"] == other.sources["instruction"] == "set"
    assert other.sources["split"] == plain.sources["split"]
    assert other.key != plain.key
    same = named_protocol(CATALOG, "gqa", [f"decode.beams={plain.decode.beams}"])
    assert same.key == plain.key


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"aokvqa\.choice"):
        named_protocol(CATALOG, "aokvqa.choices")
    with pytest.raises(UserError, match="held-out"):
        named_suite("heldout")


def test_labels_with_several_words_are_merged() -> None:
    labels = of_labels({"yes": ["yes", "true"], "no": ["no", "false"]})
    assert labels.texts == ("yes", "true", "no", "false")
    scores = [math.log(0.2), math.log(0.3), math.log(0.4), math.log(0.05)]
    assert np.exp(value_scores(scores, labels, "max")) == pytest.approx([0.3, 0.4])
    assert np.exp(value_scores(scores, labels, "sum")) == pytest.approx([0.5, 0.45])
    assert prediction_of(scores, labels, merge="max", metric="accuracy") == {"prediction": "no"}
    assert prediction_of(scores, labels, merge="sum", metric="accuracy") == {"prediction": "yes"}
    told = prediction_of(scores, labels, merge="sum", metric="auc")
    assert told["score"] == pytest.approx(0.5 / 0.95)


def test_probabilities_far_apart_stay_numbers() -> None:
    labels = of_labels({"yes": ["yes"], "no": ["no"]})
    for scores, least, most in (([-900.0, 0.0], 0.0, 1e-300), ([0.0, -900.0], 1.0, 1.0)):
        told = prediction_of(scores, labels, merge="max", metric="auc")
        assert least <= told["score"] <= most


def test_letters_stand_for_choices() -> None:
    rule = CandidateRule(source="choices", kind="letters")
    found = of_choices(["red", "blue", "red"], rule)
    assert found.texts == ("(a)", "(b)", "(c)")
    told = prediction_of([-3, -1, -2], found, merge="max", metric="accuracy")
    assert told == {"prediction": "blue"}


def test_of_equal_candidates_the_first_wins() -> None:
    found = of_vocabulary(["b", "a"])
    told = prediction_of([-1.0, -1.0], found, merge="max", metric="accuracy")
    assert told == {"prediction": "b"}
    assert prediction_of([-1.0, -2.0], found, merge="max", metric="mrr") == {"scores": [-1, -2]}


def test_prompts_hold_what_the_records_hold(whole_build: Path) -> None:
    records = {row["record_id"]: row for row in Build.open(whole_build).records("vqav2", "val")}
    found = asked(whole_build, "vqav2")
    assert len(found.rows) == found.of_total > 10
    for row in found.rows:
        question = records[row.id]["question"]
        assert row.instruction == f"Question: {question} Short answer:"
        assert row.item.references == tuple(records[row.id]["references"])
        assert row.candidates is None
    assert found.candidates_sha256 is None


def test_choices_are_lettered_and_ranked(whole_build: Path) -> None:
    found = asked(whole_build, "aokvqa.choice")
    for row in found.rows:
        assert row.candidates is not None
        options = found.sets[row.candidates]
        assert len(options.texts) == 4
        assert f"(a) {options.texts[0]} (b) {options.texts[1]}" in row.instruction
        assert row.item.gold is not None
        assert options.values[row.item.gold] == row.item.references[0]


def test_difficult_questions_are_left_out_and_counted(command: Commands, tmp_path: Path) -> None:
    make_twin(["aokvqa"], tmp_path / "raw", scale=2)
    made = command("convert", "aokvqa", "--raw", tmp_path / "raw", "--out", tmp_path / "build")
    assert made.code == 0, made.stderr
    every = asked(tmp_path / "build", "aokvqa", "difficult=keep")
    found = asked(tmp_path / "build", "aokvqa")
    difficult = [row for row in every.rows if row.item.difficult]
    assert difficult
    assert found.skipped == {"marked difficult": len(difficult)}
    assert len(found.rows) == len(every.rows) - len(difficult)
    assert found.is_whole


def test_history_and_caption_are_shown_as_the_protocol_says(whole_build: Path) -> None:
    late = [row for row in asked(whole_build, "visdial").rows if row.id.endswith("-3")]
    assert late
    for row in late:
        assert row.instruction.startswith("Caption: ")
        assert "Dialog history: " in row.instruction
        assert len(row.item.choices) == 0  # it is the gold's number that is scored
        assert row.item.gold is not None
    bare = asked(whole_build, "visdial", "fields.caption=drop", "fields.history=0")
    for row in bare.rows:
        assert row.instruction.startswith("Question: ")
    records = {row["record_id"]: row for row in Build.open(whole_build).records("visdial", "val")}
    one = asked(whole_build, "visdial", "fields.history=1")
    for row in one.rows:
        shown = records[row.id]["history"] or []
        for turn in shown[-1:]:
            question, answer = turn["question"].rstrip("?"), turn["answer"].rstrip(".")
            assert f"Dialog history: {question}? {answer}. Question: " in row.instruction


def test_video_answers_come_from_the_vocabulary(whole_build: Path) -> None:
    found = asked(whole_build, "msvd_qa")
    (vocabulary,) = found.sets
    assert vocabulary.values == found.vocabulary
    assert {row.candidates for row in found.rows} == {0}


def test_a_limit_takes_some_of_all_and_always_the_same(whole_build: Path) -> None:
    every = [row.id for row in asked(whole_build, "vqav2").rows]
    few = [row.id for row in asked(whole_build, "vqav2", limit=10).rows]
    assert few == [row.id for row in asked(whole_build, "vqav2", limit=10).rows]
    assert len(few) == 10
    assert few == [one for one in every if one in few]
    assert few != every[:10]


@pytest.mark.parametrize("prompt", ["plain", "prefix"])
def test_baselines_are_asked_in_their_own_way(whole_build: Path, prompt: str) -> None:
    for name, held_in in (("vqav2", True), ("hateful_memes", False)):
        row = asked(whole_build, name, f"prompt={prompt}").rows[0]
        task = CATALOG.tasks[CATALOG.dataset(name).task].title
        title = f":{CATALOG.dataset(name).title}" if held_in else ""
        assert row.instruction.startswith(f"[{task}{title}] ") == (prompt == "prefix")
        assert "Answer:" not in row.instruction


def test_a_split_that_is_not_there_is_named(whole_build: Path) -> None:
    with pytest.raises(UserError, match=r"no split 'test' of vqav2.*--set split=NAME`; allowed: "):
        asked(whole_build, "vqav2", "split=test")


def test_a_split_without_any_picture_is_refused(command: Commands, tmp_path: Path) -> None:
    """Nothing to ask is not the same as golds that are not public."""
    make_twin(["vsr"], tmp_path / "raw", scale=0.15, pictures=False)
    line = ("convert", "vsr", "--raw", tmp_path / "raw", "--out", tmp_path / "build")
    assert command(*line, "--max-rejects", 100, "--allow-empty").code == 0
    with pytest.raises(UserError, match="has a usable picture"):
        asked(tmp_path / "build", "vsr")


def test_the_command_lists_and_tells(command: Commands) -> None:
    listed = command("protocols")
    assert listed.code == 0
    assert all(len(line) <= 80 for line in listed.stdout.splitlines())
    assert "aokvqa.choice" in listed.stdout
    told = command("protocols", "scienceqa", "--set", "candidates.kind=letters")
    assert "candidates: choices as letters  [set]" in told.stdout
    value = command("protocols", "scienceqa", "--json").json()
    assert value["decode"]["method"] == "rank"
    wrong: Answer = command("protocols", "scienceQA")
    assert wrong.code == 2
    assert is_sentence(wrong)
    assert "scienceqa" in wrong.stderr
    assert json.loads(command("protocols", "--json").stdout)["suites"]["held-out"]
