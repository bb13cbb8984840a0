"""Templates are checked whole when loaded, run no code, and render what the golden file says."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refused_templates import HEAD, MISTAKES, ONE, REFUSED

from instructify._util.errors import UserError
from instructify.templating.filters import FILTERS, letter
from instructify.templating.jinja_program import program
from instructify.templating.language import CheckError
from instructify.templating.load import Mistakes, load_templates, read_file
from instructify.templating.model import Template, fitting
from instructify.templating.rendering import RenderFailedError, render_row

GOLDEN = Path(__file__).parents[1] / "golden" / "templates" / "language.json"
ROW: dict[str, Any] = {
    "form": "open",
    "question": " What is it? ",
    "answer": "a Dog",
    "references": ["a dog", "dog"],
    "choices": ["a cat", "a Dog", "no"],
    "choice_index": 1,
    "context": None,
    "caption": "",
    "history": [{"question": "who?", "answer": "me"}, {"question": "why?", "answer": "so"}],
    "ocr_tokens": [],
    "text": "line\nline",
}
CONSTANTS = {"dataset": "vqav2", "task_name": "Image QA", "dataset_name": "VQAv2"}


def template(instruction: str, response: str = "{{ answer }}", **more: Any) -> Template:
    return Template(
        task="image_qa",
        id="x",
        version=1,
        forms=("open",),
        instruction=instruction,
        response=response,
        **more,
    )


def load_text(folder: Path, content: str, name: str = "image_qa.yaml") -> tuple[Template, ...]:
    (folder / name).write_text(content, encoding="utf-8")
    return load_templates(folder).templates


# Loading


def test_a_template_is_read_with_its_defaults(tmp_path: Path) -> None:
    (one,) = load_text(tmp_path, HEAD + ONE)
    assert one.key == "image_qa/a@1"
    assert (one.response, one.qformer_instruction, one.brief) == ("{{ answer }}", None, False)
    assert (one.requires, one.excludes, one.mode) == ((), (), "instruction")


def test_all_keys_are_read(tmp_path: Path) -> None:
    text = (
        "format: 1\ntemplates:\n- id: b-2\n  version: 3\n  mode: prefix\n"
        "  tasks: [image_qa, video_qa]\n  forms: [open, binary]\n  brief: true\n"
        "  requires: [ocr_tokens]\n  excludes: [context]\n  allow_empty: true\n"
        "  instruction: ''\n  response: 'yes {{ answer }}'\n  qformer_instruction: 'look'\n"
    )
    (one,) = load_text(tmp_path, text, "multitask.yaml")
    assert one.key == "multitask/b-2@3"
    assert one.tasks == ("image_qa", "video_qa")
    assert (one.brief, one.allow_empty, one.mode) == (True, True, "prefix")
    templates = load_templates(tmp_path)
    assert templates.for_task("video_qa", "prefix") == (one,)
    assert fitting([one], "binary") == (one,)
    assert fitting([one], "caption") == ()
    with pytest.raises(UserError, match="no prefix template for task 'vide_qa'; did you mean"):
        templates.for_task("vide_qa", "prefix")
    with pytest.raises(UserError, match="no instruction template"):
        templates.for_task("video_qa")


@pytest.mark.parametrize("content", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path: Path, content: str) -> None:
    line, what = MISTAKES[content]
    with pytest.raises(UserError) as caught:
        load_text(tmp_path, content)
    message = str(caught.value)
    assert "image_qa.yaml" in message
    assert f"{line}:" in message
    assert what in message
    assert "\n" not in message


def test_a_folder_without_templates_says_what_it_expects(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected <task>\.yaml"):
        load_templates(tmp_path)


def test_the_hash_covers_what_is_rendered_and_not_where_it_stands() -> None:
    first = template("{{ question }}")
    assert first.sha256 == "b51dd57037675ba54fc6176e608f24f9a5ee8d29b270d98503a082273ca88eff"
    same = Template(
        task="image_qa", id="x", version=1, forms=("open",), instruction="{{ question }}"
    )
    assert same.sha256 == first.sha256
    others = [
        template("{{ question }} "),
        template("{{ question }}", brief=True),
        template("{{ question }}", response="x"),
        template("{{ question }}", requires=("text",)),
        template("{{ question }}", allow_empty=True),
    ]
    assert len({one.sha256 for one in [first, *others]}) == 6


# What a template may say


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:40])
def test_everything_else_is_refused(source: str) -> None:
    with pytest.raises(CheckError) as caught:
        program(source)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=40), st.sampled_from(["{{ %s }}", "{%% if %s %%}{%% endif %%}", "%s"]))
def test_no_source_raises_anything_else(text: str, frame: str) -> None:
    with contextlib.suppress(CheckError):
        program(frame % text)


# Rendering

LANGUAGE = [
    "{{ question }}|{{ question | trim }}|{{ answer | upper }}|{{ answer | capitalize }}",
    "{{ answer | replace('a', 'an') }} {{ 'x' | upper }} {{ 3 }}",
    "{{ context | default('nothing') }}{{ context | lower | default('.') }}",
    "{{ choices | lettered }} {{ choice_index | letter }} {{ choices[choice_index] }}",
    "{{ choices | join(', ') }} {{ choices | first }} {{ choices | last }} {{ choices | length }}",
    "{{ ocr_tokens | join }}{{ ocr_tokens | lettered }}{{ ocr_tokens | length }}",
    "{{ (history | last).answer }} {{ history[0].question }}",
    "{% for t in history %}{{ loop.index }}. {{ t.question }} {{ t.answer }}{% endfor %}",
    "{% for c in choices if c == answer %}{{ c }}{% endfor %}",
    "{% for c in ocr_tokens %}{{ c }}{% else %}no tokens{% endfor %}",
    "{% if context is none and caption is not none %}1{% endif %}{% if caption %}2{% endif %}",
    "{% if choice_index > 0 %}late{% elif caption %}x{% else %}first{% endif %}",
    "{% if 'Dog' in answer and answer in choices and 'x' not in choices %}in{% endif %}",
    "{{ context or answer }} {{ caption or 'empty' }} {{ answer if choices else question }}",
    "{{ text }}\n",
    "[{{ task_name }}:{{ dataset_name }}] {{ dataset }} {{ form }}",
    "{# a remark #}a{%- if answer %} b {%- endif %} c",
]


def test_the_language_renders_as_recorded() -> None:
    rendered = {
        source: render_row(template(source, allow_empty=True), ROW, CONSTANTS).instruction
        for source in LANGUAGE
    }
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(rendered, indent=1, ensure_ascii=True) + "\n")
    assert rendered == json.loads(GOLDEN.read_text())


def test_plain_jinja_renders_the_same() -> None:
    environment = jinja2.Environment(keep_trailing_newline=True)
    environment.filters |= {name: FILTERS[name] for name in ("lettered", "letter", "sentence")}
    for source in LANGUAGE:
        if "default" not in source:
            expected = environment.from_string(source).render(**ROW, **CONSTANTS)
            assert program(source).render({**ROW, **CONSTANTS}) == expected


FORGED = [
    "{{ answer }}",
    "{% if x %}",
    "{}",
    "%s",
    "<image>",
    "</s>",
    "[INST]",
    "{{ 7 * 7 }}",
    "{#",
]


@pytest.mark.parametrize("text", FORGED)
@pytest.mark.parametrize("source", ["{{ question }}", "{{ choices | lettered }}"])
def test_text_of_a_record_is_never_a_template(text: str, source: str) -> None:
    row = {"question": text, "choices": [text], "answer": text}
    rendered = render_row(template(source), row)
    assert rendered.instruction.removeprefix("(a) ") == text
    assert rendered.response == text


FAILURES = [
    ("{{ context }}", "render-failed", "null fields: ['context']"),
    ("{{ context | lower }}", "render-failed", "null fields: ['context']"),
    ("{{ choices[5] }}", "render-failed", "a list of 3 has no item 5"),
    ("{{ ocr_tokens | first }}", "render-failed", "a null is printed"),
    ("{% if context in answer %}{% endif %}x", "render-failed", "cannot be compared"),
    ("{{ question }}" * 600 + "{{ caption }}", "render-failed", None),
    ("{{ caption }}", "empty-render", "nothing is left"),
    (" \n", "empty-render", "nothing is left"),
]


@pytest.mark.parametrize(("source", "reason", "what"), FAILURES)
def test_a_failure_names_template_and_reason(source: str, reason: str, what: str | None) -> None:
    row = ROW if what else ROW | {"question": "x" * 1000}
    with pytest.raises(RenderFailedError) as caught:
        render_row(template(source), row)
    assert caught.value.reason == reason
    assert caught.value.detail.startswith("template image_qa/x@1, instruction: ")
    assert (what or "longer than 65536 bytes") in caught.value.detail


def test_a_null_answer_leaves_the_response_out() -> None:
    assert render_row(template("ask"), ROW | {"answer": None}).response is None
    with pytest.raises(RenderFailedError, match="response: nothing is left"):
        render_row(template("ask"), ROW | {"answer": " "})


def test_the_two_instructions_are_rendered_apart() -> None:
    both = template("{{ question | trim }}", qformer_instruction="{{ answer }}")
    assert render_row(both, ROW) == ("What is it?", "a Dog", "a Dog")
    assert render_row(template("ask"), ROW).qformer_instruction is None


def test_an_empty_instruction_has_to_be_allowed() -> None:
    assert render_row(template("", allow_empty=True), ROW).instruction == ""


def test_replace_cannot_be_chained_into_a_bomb() -> None:
    bomb = "{{ question" + " | replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 30 + " | length }}"
    with pytest.raises(RenderFailedError, match="replace makes the text longer"):
        render_row(template(bomb), {"question": "aaaa", "answer": "x"})


@pytest.mark.parametrize(
    ("index", "text"), [(0, "a"), (25, "z"), (26, "aa"), (701, "zz"), (702, "aaa")]
)
def test_letters_go_on_after_z(index: int, text: str) -> None:
    assert letter(index) == text


def test_all_mistakes_of_a_file_are_told_once_with_line_and_template(tmp_path: Path) -> None:
    path = tmp_path / "multitask.yaml"
    path.write_text(
        "format: 3\ntemplates:\n- id: a\n  version: 0\n  mode: plan\n  forms: [open, opne]\n"
        "  brif: true\n  instruction: '{{ qestion }}'\n- 5\n"
        "- {id: b, version: 1, mode: plain, tasks: [image_qa], forms: open, instruction: ''}\n"
    )
    mistakes = Mistakes(collect=True)
    assert [one.template.id for one in read_file(path, mistakes)] == ["b"]
    told = [(one.template, str(one.error).removeprefix(f"{path}, line ")) for one in mistakes.found]
    assert [(template, what.partition(":")[0]) for template, what in told] == [
        (None, "1"), ("a", "3"), ("a", "5"), ("a", "7"), ("a", "4"), ("a", "6"), ("a", "8"),
        (None, "9"),
    ]  # fmt: skip
    assert told[1][1] == "3: template 'a': key 'tasks' is missing in 'templates[0]'"
    assert "'plan' is no value of 'templates[0].mode'; did you mean 'plain'?" in told[2][1]
    assert "unknown key 'brif' in 'templates[0]'; did you mean 'brief'?" in told[3][1]
    assert "'opne' is no value of 'templates[0].forms'; did you mean 'open'?" in told[5][1]
    assert "'templates[1]' must be a mapping, not 5" in told[7][1]
