"""Templates from plain text: published lists go in as they are printed, and nothing else does."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from build_help import Commands, is_sentence

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.commands.import_templates import run_import_templates
from instructify.protocols.read import named_protocol
from instructify.templating.load import load_templates
from instructify.templating.model import Template
from instructify.templating.plain_text import read_plain
from instructify.templating.rendering import render_row

LINES = """# a list as it may be printed
<Image>{Question}
<Image> Question: {Question} Answer: {Short answer}

OCR tokens: {OCR tokens}. Say briefly: {question}
[Context: {Context} ]Choose. {Question} Options: {Options}.
[Rounds: {Dialog history}\\n]{Question}
"""


def rendered(line: str, **row: Any) -> str:
    (made,) = read_plain(line, "here")
    template = Template(
        task="image_qa", id=made.id, version=1, forms=("open",), instruction=made.instruction
    )
    return render_row(template, {"answer": "no", **row}).instruction


def test_lines_become_templates() -> None:
    first, second, third, fourth, fifth = read_plain(LINES, "here")
    assert first.instruction == "{{ question }}"
    assert second.instruction == "Question: {{ question }} Answer:"
    assert [one.line for one in (first, second, third)] == [2, 3, 5]
    assert third.requires == ("ocr_tokens",)
    assert fourth.requires == fifth.requires == ()
    assert [one.brief for one in (first, second, third)] == [False, False, True]
    assert fourth.forms(("open", "multiple_choice")) == ("multiple_choice",)
    assert first.forms(("open", "multiple_choice")) == ("open",)
    assert len({one.id for one in (first, second, third, fourth, fifth)}) == 5


@pytest.mark.parametrize(
    ("line", "row", "expected"),
    [
        ("Question: {Question} Answer:", {"question": "{{ 7 }}?"}, "Question: {{ 7 }}? Answer:"),
        ("{question}\\nThe choices: {Choices}", {"question": "q", "choices": ["a", "b"]},
         "q\nThe choices: (a) a (b) b"),
        ("OCR tokens: {OCR_tokens}. {Question}", {"question": "q", "ocr_tokens": ["x", "y"]},
         "OCR tokens: x, y. q"),
        ("[Context: {Context} ]{Question}", {"question": "q"}, "q"),
        ("[Context: {Context} ]{Question}", {"question": "q", "context": "c."}, "Context: c. q"),
        ("[{History} | ]{Question}", {"question": "q", "history": [
            {"question": "a?", "answer": "b"}, {"question": "c?", "answer": "d"}]},
         "a? b. c? d | q"),
        ("\\[{Question}\\] is asked", {"question": "q"}, "[q] is asked"),
        ('Is "{Statement}" true?', {"question": "it is"}, 'Is "it is" true?'),
    ],
)  # fmt: skip
def test_slots_hold_what_the_record_holds(line: str, row: dict[str, Any], expected: str) -> None:
    assert rendered(line, **row) == expected


def test_of_questions_to_be_made_the_answer_is_given() -> None:
    (made,) = read_plain("Ask for {Answer}. Question:", "here", asks_for_answer=False)
    assert made.instruction == "Ask for {{ answer }}. Question:"
    (end,) = read_plain("Ask for {Answer}", "here", asks_for_answer=False)
    assert end.instruction == "Ask for {{ answer }}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "{Question}\n{Qestion} please",
            r"line 2: unknown slot \{Qestion\}; did you mean 'Que",
        ),
        ("{} please", r"unknown slot \{\}"),
        ("Question: {{ question }}", "a brace"),
        ("{% for a in b %}", "unknown slot"),
        ("{# note #}", "unknown slot"),
        ("{Question", "a brace"),
        ("Question}", "a brace"),
        ("Is {Answer} the answer to {Question}?", "would stand in the instruction"),
        ("{Answer}", "nothing is left"),
        ("[Look. ]{Question}", "holds no slot"),
        ("[{Context} {Question}", "not closed"),
        ("[[{Context}]] {Question}", "in a bracket"),
        ("{Question}]", "holds no slot"),
        ("{Question}\n\n<Image>{Question}", "line 3: the same as line 1"),
        ("\n# nothing\n", "holds no template"),
    ],
)
def test_what_is_no_template_is_named_with_its_line(text: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        read_plain(text, "list.txt")
    assert "list.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def written(folder: Path, text: str, **given: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "list.txt").write_text(text, "utf-8")
    options: dict[str, Any] = {"task": None, "protocol": None, "catalog_file": None} | given
    run_import_templates(folder / "list.txt", folder / "mine", **options)
    return folder / "mine"


def test_a_folder_is_made_that_templates_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = written(tmp_path, 'Say in few words: {Question}\n"Q: {Question}"', task="image_qa")
    pool = load_templates(mine).for_task("image_qa")
    assert [one.instruction for one in pool] == [
        "Say in few words: {{ question }}", '"Q: {{ question }}"',
    ]  # fmt: skip
    assert [one.brief for one in pool] == [True, False]
    assert load_templates(mine).for_task("video_qa") == load_templates(Path("templates")).for_task(
        "video_qa"
    )
    assert "2 templates, of which 1 ask for a short answer" in capsys.readouterr().out
    with pytest.raises(UserError, match="is there already"):
        written(tmp_path, "{Question}", task="image_qa")


def test_what_a_list_leaves_without_a_template_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "a", "{Question}", task="knowledge_qa")
    assert "no template fits records of form 'multiple_choice'" in capsys.readouterr().out
    written(tmp_path / "b", "OCR tokens: {OCR tokens}. {Question}", task="image_qa_reading")
    told = capsys.readouterr().out
    assert "records of form 'open' without ocr_tokens fit no template" in told
    with pytest.raises(UserError, match="no record of image_qa has the fields it uses"):
        written(tmp_path / "c", "{Question} {Options}", task="image_qa")
    with pytest.raises(UserError, match="did you mean 'image_qa'"):
        written(tmp_path / "d", "{Question}", task="image_aq")


def test_a_build_is_rendered_by_a_list(command: Commands, raw_root: Path, tmp_path: Path) -> None:
    mine = written(tmp_path, "Question: {Question} Short answer:", task="image_qa")
    line = ("convert", "vqav2", "--raw", raw_root, "--out", tmp_path / "build")
    made = command(*line, "--templates", mine, "--pictures", "none", "--split", "val")
    assert made.code == 0, made.stderr
    for row in Build.open(tmp_path / "build").samples("vqav2", "val"):
        assert row["instruction"].startswith("Question: ")
        assert row["instruction"].endswith(" Short answer:")


def test_a_prompt_is_put_into_its_protocol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Dialog history: {Dialog history} Question: {Question} Short answer:"
    mine = written(tmp_path, text, protocol="visdial.paper")
    assert "is the published prompt" in capsys.readouterr().out
    made = named_protocol(load_catalog(), "visdial.paper", folder=mine / "protocols")
    assert made.sources["instruction"] == "likely"
    usual = named_protocol(load_catalog(), "visdial", folder=mine / "protocols")
    assert usual == named_protocol(load_catalog(), "visdial")
    written(tmp_path, "Is it so? {Statement}", protocol="vsr.paper")
    assert "is not the published prompt" in capsys.readouterr().out
    vsr = named_protocol(load_catalog(), "vsr.paper", folder=mine / "protocols")
    assert (vsr.instruction, vsr.sources["instruction"]) == ("Is it so? {{ question }}", "set")
    assert named_protocol(load_catalog(), "visdial.paper", folder=mine / "protocols") == made
    with pytest.raises(UserError, match="a protocol has one prompt"):
        written(tmp_path, "{Statement}\nSo? {Statement}", protocol="vsr.paper")


def test_a_file_of_another_kind_is_one_sentence(command: Commands, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 {Question}")
    for name in ("latin.txt", "nothing.txt", "."):
        line = ("import-templates", tmp_path / name, "--out", tmp_path / "mine")
        refused = command(*line, "--task", "image_qa")
        assert refused.code == 2
        assert is_sentence(refused)
    assert command(*line).code == 2


def test_text_stays_text_in_the_file(tmp_path: Path) -> None:
    mine = written(
        tmp_path, "key: value, 'x' \"y\" # not a comment: {Question} & *a", task="image_qa"
    )
    (entry,) = yaml.safe_load((mine / "image_qa.yaml").read_text("utf-8"))["templates"]
    assert entry["instruction"] == "key: value, 'x' \"y\" # not a comment: {{ question }} & *a"
