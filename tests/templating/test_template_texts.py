"""Our template texts: how many, how varied, how laid out, and what each renders to.

The golden file shows each template on a rich and a bare record of each of its forms;
`UPDATE_GOLDEN=1` rewrites it.
"""

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import nodes
from template_cases import CONSTANTS, Case, Row, Value, bare, render, rich

from instructify._util.resources import find
from instructify.catalog.load import load_catalog
from instructify.templating.conditions import misfit
from instructify.templating.load import load_templates
from instructify.templating.model import Template, fitting
from instructify.templating.rendering import Rendered, RenderFailedError, render_row

GOLDEN = Path(__file__).parents[1] / "golden" / "template_texts.json"
DOCS = Path(__file__).parents[2] / "docs" / "templates.md"
TEMPLATES = load_templates(find("templates"))
TASKS = load_catalog().tasks

# Pools that a held-in dataset draws from must be richer than those of evaluation.
AT_LEAST = {
    ("image_captioning", "caption"): 12,
    ("image_captioning", "caption_set"): 12,
    ("image_captioning_reading", "caption"): 12,
    ("image_captioning_reading", "caption_set"): 12,
    ("visual_reasoning", "open"): 6,
    ("visual_reasoning", "binary"): 6,
    ("visual_reasoning", "multiple_choice"): 6,
    ("image_qa", "open"): 12,
    ("knowledge_qa", "open"): 12,
    ("knowledge_qa", "multiple_choice"): 12,
    ("image_qa_reading", "open"): 12,
    ("question_generation", "question_generation"): 10,
    ("video_qa", "open"): 12,
    ("visual_dialog", "dialog"): 12,
    ("image_classification", "binary"): 6,
    ("image_classification", "open"): 6,
    ("image_classification", "multiple_choice"): 6,
    ("llava_instruct", "conversation"): 1,
}
TEMPLATED = sorted({task for task, _ in AT_LEAST} - {"llava_instruct"})
LONG_ANSWERED = ("question_generation", "llava_instruct")
CAPTIONED = ("image_captioning", "image_captioning_reading")  # short captions: more of them ask
ASKS_FOR_BREVITY = re.compile(
    r"\b(short(est)?|brief(ly)?|concise(ly)?|(few|twenty|five) words|one-line|one word|single word|"
    r"word or two|yes or no|as few)\b",
    re.IGNORECASE,
)
WORDS_BESIDE_THE_QUESTION = ("ocr_tokens", "context", "caption", "history", "text")
FAST_FILTERS = {"join", "lettered", "sentence", "capfirst"}
FAST_NODES = {
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.If,
    nodes.Not,
    nodes.For,
    nodes.Getattr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
}


def pool(task: str, form: str) -> tuple[Template, ...]:
    """Give the templates that a record of this task and form draws from."""
    return fitting(TEMPLATES.for_task(task), form)


def instruction_cases() -> Iterator[Case]:
    """List our instruction templates, once for each form."""
    for task, form in AT_LEAST:
        for template in pool(task, form):
            yield Case(template, task, form)


def multitask_cases() -> Iterator[Case]:
    """List the templates of the baselines, once for each task and form."""
    for template in TEMPLATES.templates:
        for task, form in itertools.product(template.tasks, template.forms):
            if form in TASKS[task].forms:
                yield Case(template, task, form)


INSTRUCTIONS = list(instruction_cases())
ALL_CASES = [*INSTRUCTIONS, *multitask_cases()]


def case_id(case: Case) -> str:
    """Name a case in the test report."""
    return f"{case.template.key}-{case.task}-{case.form}"


every_instruction = pytest.mark.parametrize("case", INSTRUCTIONS, ids=case_id)
every_template = pytest.mark.parametrize("case", ALL_CASES, ids=case_id)


def test_every_form_of_the_catalog_has_its_pool() -> None:
    forms = {(task.name, form) for task in TASKS.values() for form in task.forms}
    assert forms == set(AT_LEAST)


@pytest.mark.parametrize(("task", "form"), AT_LEAST)
def test_pool_is_rich_enough(task: str, form: str) -> None:
    assert len(pool(task, form)) >= AT_LEAST[task, form]


@pytest.mark.parametrize("task", TEMPLATED)
def test_task_has_twelve_templates(task: str) -> None:
    assert len(TEMPLATES.for_task(task)) >= 12


def test_no_template_serves_both_open_and_multiple_choice() -> None:
    forms = [set(case.template.forms) for case in INSTRUCTIONS]
    assert not [each for each in forms if {"open", "multiple_choice"} <= each]


@pytest.mark.parametrize(
    ("task", "form"), [pair for pair in AT_LEAST if pair[0] not in LONG_ANSWERED]
)
def test_half_of_a_short_answer_pool_asks_for_brevity(task: str, form: str) -> None:
    templates = pool(task, form)
    brief = sum(template.brief for template in templates)
    if task in CAPTIONED:
        assert 2 * len(templates) <= 3 * brief < 3 * len(templates)
    else:
        assert brief in (len(templates) // 2, len(templates) - len(templates) // 2)


@every_instruction
def test_brief_says_what_the_text_says(case: Case) -> None:
    asks = ASKS_FOR_BREVITY.search(case.template.instruction) is not None
    assert asks == case.template.brief


@pytest.mark.parametrize("template", pool("knowledge_qa", "multiple_choice"), ids=lambda t: t.id)
def test_template_of_a_pool_without_pictures_requires_the_one_it_speaks_of(
    template: Template,
) -> None:
    speaks_of_it = re.search(r"\b(picture|image|photo|see)\b", template.instruction) is not None
    assert ("pictures" in template.requires) == speaks_of_it


def test_keys_are_unique() -> None:
    keys = [template.key for template in TEMPLATES.templates]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("task", "form"), AT_LEAST)
def test_wordings_of_a_pool_differ(task: str, form: str) -> None:
    words = {
        template.id: set(re.findall(r"[a-z]+", _own_words(template, task, form)))
        for template in pool(task, form)
    }
    alike = [
        (one, other)
        for one, other in itertools.combinations(words, 2)
        if len(words[one] & words[other]) > 0.6 * len(words[one] | words[other])
    ]
    assert alike == []


def _own_words(template: Template, task: str, form: str) -> str:
    """Render with fields that hold no words, so that only ours are left."""
    row = {name: "?" for name in ("question", "answer")}
    return render(Case(template, task, form), {**row, "choices": ["?"]}).instruction.lower()


@every_template
def test_renders_rich_and_bare_records(case: Case) -> None:
    for row in (rich(case.task, case.form), bare(case.task, case.form)):
        if _plain_meme_without_text(case, row):
            continue
        _assert_well_set(render(case, row), case)


def _plain_meme_without_text(case: Case, row: Row) -> bool:
    """Tell the one record that has nothing left without an instruction: a meme without words."""
    nothing = row.get("text") is None and row.get("question") is None
    return case.template.mode != "instruction" and case.form == "binary" and nothing


def _assert_well_set(rendered: Rendered, case: Case) -> None:
    text = rendered.instruction
    assert text == text.strip()
    assert text or case.template.allow_empty
    assert "\n\n" not in text
    assert " \n" not in text
    assert not re.search(r"[^.]\.\.$|[?!.,:;][?!,;]|  |None|\{|\}", text)
    assert rendered.qformer_instruction is None


def test_meme_without_words_is_a_reject_of_the_baselines_only() -> None:
    row = bare("image_classification", "binary")
    for template in fitting(TEMPLATES.for_task("image_classification", "plain"), "binary"):
        with pytest.raises(RenderFailedError):
            render_row(template, row, CONSTANTS)


@every_template
def test_optional_fields_may_be_empty_instead_of_null(case: Case) -> None:
    row = bare(case.task, case.form)
    empty: dict[str, Value] = {"ocr_tokens": [], "history": [], "context": "", "caption": ""}
    if _plain_meme_without_text(case, row):
        return
    assert render(case, {**row, **empty}) == render(case, row)


@every_template
def test_answer_is_not_in_the_instruction(case: Case) -> None:
    row = {**rich(case.task, case.form), "answer": "zanzibar", "references": ["zanzibar"]}
    given = case.form == "question_generation"
    assert ("zanzibar" in render(case, row).instruction) == given


def test_question_generation_turns_the_record_round() -> None:
    row = {"question": "What grows there?", "answer": "zanzibar"}
    for case in (case for case in ALL_CASES if case.form == "question_generation"):
        rendered = render(case, row)
        assert "What grows" not in rendered.instruction
        assert rendered.response == "What grows there?"


@every_template
def test_response_is_the_answer(case: Case) -> None:
    wanted = "{{ question }}" if case.form == "question_generation" else "{{ answer }}"
    assert case.template.response == wanted


@every_template
def test_record_without_answer_renders_for_inference(case: Case) -> None:
    if case.form == "question_generation":
        return
    row = {**rich(case.task, case.form), "answer": None}
    assert render(case, row).response is None


@every_template
def test_what_a_record_brings_along_stands_before_the_question(case: Case) -> None:
    row = rich(case.task, case.form)
    text = render(case, row).instruction
    question = row.get("question")
    if case.form == "dialog":  # a capital may begin what had none
        text, question = text.lower(), str(question).lower()
    brought = [name for name in WORDS_BESIDE_THE_QUESTION if row.get(name)]
    for name in brought:
        for words in _words_of(row[name]):
            words = words.lower() if case.form == "dialog" else words
            assert text.count(words) >= 1
            if isinstance(question, str):
                assert text.index(words) < text.rindex(question)
    if case.task != "image_classification" and isinstance(question, str):
        assert (question in text) == (case.form != "question_generation")


def _words_of(value: Value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return []
    if all(isinstance(item, str) for item in value):
        return [", ".join(str(item) for item in value)]
    return [text for turn in value if isinstance(turn, dict) for text in turn.values()]


@every_template
def test_choices_follow_the_question_in_letters(case: Case) -> None:
    row = rich(case.task, case.form)
    text = render(case, row).instruction
    assert ("(a) box (b) ball" in text) == (case.form == "multiple_choice")
    if case.form == "multiple_choice":
        assert text.index(str(row["question"])) < text.index("(a) box")


@every_template
def test_only_constructs_that_column_operations_cover_well(case: Case) -> None:
    for part in ("instruction", "response"):
        program = case.template.program(part)
        assert program is not None
        used = {type(node) for node in program.tree.find_all(nodes.Node)}
        assert used <= FAST_NODES
        assert {node.name for node in program.tree.find_all(nodes.Filter)} <= FAST_FILTERS


@every_template
def test_texts_hold_no_special_tokens(case: Case) -> None:
    for text in (case.template.instruction, case.template.response):
        assert not re.search(r"<[^>]*>|\[(PAD|DEC|CLS|SEP|MASK|INST)\]|</s>", text)
        assert text.isascii()


@every_template
def test_markup_in_data_stays_text(case: Case) -> None:
    hostile = "{{ 7 * 7 }} <image> </s> {% raw %}"
    row: Row = {**rich(case.task, case.form), "question": hostile, "answer": hostile}
    rendered = render(case, row)
    assert hostile in f"{rendered.instruction}{rendered.response}"
    assert "49" not in rendered.instruction


@pytest.mark.parametrize("mode", ["plain", "prefix"])
@pytest.mark.parametrize(("task", "form"), AT_LEAST)
def test_baselines_have_one_template_each(task: str, form: str, mode: str) -> None:
    found = TEMPLATES.for_task(task, "plain" if mode == "plain" else "prefix")
    assert len(fitting(found, form)) == 1


@pytest.mark.parametrize(("task", "form"), AT_LEAST)
def test_prefix_is_the_plain_text_behind_task_and_dataset(task: str, form: str) -> None:
    (plain,) = fitting(TEMPLATES.for_task(task, "plain"), form)
    (prefix,) = fitting(TEMPLATES.for_task(task, "prefix"), form)
    row = rich(task, form)
    text = render_row(plain, row, CONSTANTS).instruction
    named = render_row(prefix, row, CONSTANTS).instruction
    unnamed = render_row(prefix, row, {**CONSTANTS, "dataset_name": ""}).instruction
    assert named == f"[Corner task:CornerQA] {text}".rstrip()
    assert unnamed == f"[Corner task] {text}".rstrip()


def test_only_the_plain_caption_may_be_empty() -> None:
    assert [t.id for t in TEMPLATES.templates if t.allow_empty] == ["plain-caption"]
    (plain,) = fitting(TEMPLATES.for_task("image_captioning", "plain"), "caption")
    assert render_row(plain, bare("image_captioning", "caption"), CONSTANTS).instruction == ""


@every_template
def test_ocr_tokens_have_one_name(case: Case) -> None:
    shown = re.findall(r"([^{}]*){{ ocr_tokens", case.template.instruction)
    assert {label.strip() for label in shown} <= {"OCR tokens:"}


# Phrases that a reader who grew up with English stumbled over in earlier versions.
UNIDIOMATIC = (
    *("tell what sort", "one reads", "to be seen", "is wanted", "answer wanted", "mind which"),
    *("lets one", "one would", "is what one", "bear it out", "somebody", "the signs, labels"),
    *("(brief)", "(short)", "kept short", "lettering", "puts down"),
)


@every_instruction
def test_no_unidiomatic_phrase_survives(case: Case) -> None:
    text = " ".join(case.template.instruction.split()).lower()
    assert [phrase for phrase in UNIDIOMATIC if phrase in text] == []


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_a_question_for_yes_or_no_is_asked_for_as_such(answer: str) -> None:
    for template in pool("question_generation", "question_generation"):
        told = render_row(template, {"question": "Is it?", "answer": answer}).instruction
        other = render_row(template, {"question": "What?", "answer": "no parking"}).instruction
        assert "yes-or-no question" in told.lower()
        assert "yes-or-no" not in other.lower()


@pytest.mark.parametrize(
    "question", ["Is it red?", "are there dogs", "Doesn't it rain?", "DOES it"]
)
@pytest.mark.parametrize(("task", "form"), AT_LEAST)
def test_no_few_words_are_asked_of_a_yes_or_no(task: str, form: str, question: str) -> None:
    if form != "open" or task == "image_classification":
        return
    row = {"question": question, "answer": "yes"}
    fit = [one for one in pool(task, form) if misfit(one, row) is None]
    assert len(fit) >= 8
    assert [one.id for one in fit if re.search(r"\ba few words\b", one.instruction)] == []


@pytest.mark.parametrize(
    "context", ["Select the better answer.", "Use the graph to answer the question below.", "Read:"]
)
def test_an_order_is_not_called_context(context: str) -> None:
    row = {**rich("knowledge_qa", "multiple_choice"), "context": context}
    fit = [one for one in pool("knowledge_qa", "multiple_choice") if misfit(one, row) is None]
    assert len(fit) >= 8
    for template in fit:
        text = render_row(template, row).instruction
        assert not re.search(r"(context|background|note|read first): ", text, re.IGNORECASE)


OTHER_ROUNDS = r"\b(next|so far|already|again|before|earlier|now|history)\b"


def test_the_first_round_of_a_dialogue_says_nothing_of_others() -> None:
    row = bare("visual_dialog", "dialog")
    for template in pool("visual_dialog", "dialog"):
        text = render_row(template, row, CONSTANTS).instruction.lower()
        assert not re.search(OTHER_ROUNDS, text), text


@every_template
def test_ten_rounds_of_a_dialogue_stay_apart(case: Case) -> None:
    if case.form not in ("dialog", "conversation"):
        return
    turns: Value = [{"question": f"question {n}", "answer": f"answer {n}"} for n in range(9)]
    row = {"question": "last", "answer": "yes", "caption": "a caption", "history": turns}
    text = " ".join(render(case, row).instruction.split())
    for n in range(9):
        assert re.search(rf'[Qq]uestion {n}[?."]+ [^?]*[Aa]nswer {n}[.;"]+ ', text), text


def test_golden_texts() -> None:
    texts = {case_id(case): _golden(case) for case in ALL_CASES}
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(texts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert texts == golden, "texts changed: raise their versions, then run with UPDATE_GOLDEN=1"


def _golden(case: Case) -> dict[str, str | None]:
    full, little = rich(case.task, case.form), bare(case.task, case.form)
    rendered = render(case, full)
    golden = {"rich": rendered.instruction, "response": rendered.response}
    if full != little and not _plain_meme_without_text(case, little):
        golden["bare"] = render(case, little).instruction
    return golden


def test_docs_count_what_is_there() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for task in TASKS:
        row = re.search(rf"^\| {task} \| (.*) \|$", text, re.MULTILINE)
        assert row is not None, task
        for forms, count, brief in re.findall(r"([a-z_ ]+): (\d+)(?:, (\d+))?", row[1]):
            for form in forms.split(" and "):
                templates = pool(task, form.strip())
                assert len(templates) == int(count)
                assert sum(t.brief for t in templates) == int(brief or 0)


def test_example_of_the_docs_loads(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "image_qa_reading.yaml").write_text(example, encoding="utf-8")
    (template,) = load_templates(tmp_path).templates
    row: Row = {"question": "Which stop?", "answer": "5", "ocr_tokens": ["STOP", "5"]}
    expected = "OCR tokens: STOP, 5. Read the sign and answer briefly. Which stop?"
    assert render_row(template, row) == Rendered(expected, "5", None)
