"""`lint`: a seeded fault of every kind is found at its line, and our own templates have none."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from build_help import Commands, is_sentence
from refused_templates import MISTAKES, REFUSED

from instructify._util.resources import find
from instructify.build import Build
from instructify.catalog.load import load_catalog
from instructify.lint.finding import KINDS, Finding
from instructify.lint.run import LintReport, lint
from instructify.templating.jinja_program import mistakes, program
from instructify.templating.language import CheckError
from instructify.templating.load import load_templates

CATALOG = load_catalog()
HEAD = "format: 1\ntemplates:\n"


class Seed(NamedTuple):
    """A template with a fault: the file's task, its lines, the kind and line of the fault."""

    kind: str
    task: str
    template: str
    line: int  # of the template, from 1
    words: str
    severity: str = "error"


QA = "- id: seed\n  version: 1\n  forms: [open]\n"
CHOICE = "- id: seed\n  version: 1\n  forms: [multiple_choice]\n"
BLOCK = "  instruction: |-\n    "
OCR = "{% if ocr_tokens %}OCR tokens: {{ ocr_tokens | join(', ') }}"
DIALOG = "visual_dialog", "dialog"
READING = "image_captioning_reading", "caption"
# Task, form, instruction, and the field behind which a mark is written.
DOUBLED = (
    (
        *("image_qa_reading", "open"),
        '{% if ocr_tokens %}OCR tokens: {{ ocr_tokens | join(", ") }}. {% endif %}{{ question }}',
        "ocr_tokens",
    ),
    (
        *("visual_reasoning", "multiple_choice"),
        "Q: {{ question }} Options: {{ choices | lettered }}. A:",
        "choices",
    ),
    ("image_qa", "open", "Answer this: {{ question | trim }}? Be brief.", "question"),
    (
        *("visual_dialog", "dialog"),
        "{% if caption %}Of {{ caption | sentence }} {% endif %}"
        "{% for t in history %}Q: {{ t.question | sentence }} A: {{ t.answer }}. {% endfor %}"
        "Question: {{ question | sentence }} Answer:",
        "answer",
    ),
)
# Task, form, instruction, line and words: what runs together once white space is a blank.
LOST = (
    (*READING, BLOCK + OCR + "\n    {% endif %}Write a short caption.\n", 5, "'Write a short'"),
    (*READING, BLOCK + OCR + " {% endif %}Caption the picture and its text:\n", 5, "'Caption the"),
    (*READING, BLOCK + OCR.replace("', '", "' '") + ". {% endif %}Caption:\n", 5, "'ocr_tokens'"),
    ("image_qa", "open", BLOCK + "{{ question }}\n    Answer in a word.\n", 5, "'Answer in a'"),
    ("image_qa", "open", BLOCK + "Look at this\n    {{ question }}\n", 6, "'Look at this'"),
    (
        "image_qa",
        "open",
        BLOCK + "Be short\n    Be right\n    Q: {{ question }}\n",
        5,
        "'Be short'",
    ),
    (
        *("knowledge_qa", "open"),
        *(BLOCK + "{% if context %}{{ context }}\n    {% endif %}{{ question }}\n", 5),
        "'context' and 'question' run together",
    ),
    (
        *("knowledge_qa", "multiple_choice"),
        *(BLOCK + "{{ question }}\n    {% for c in choices %}{{ c }}\n    {% endfor %}\n", 6),
        "an item of 'choices' and an item of 'choices'",
    ),
    (
        *DIALOG,
        "  instruction: '{% for turn in history %}{{ turn.question }} {{ turn.answer }}. "
        "{% endfor %}Question: {{ question }}'\n",
        *(4, "a turn's question and a turn's answer"),
    ),
    (
        *DIALOG,
        BLOCK + "{% for turn in history %}Q: {{ turn.question }} A: {{ turn.answer }}\n"
        "    {% endfor %}{{ question }}\n",
        *(5, "a turn's answer and 'question'"),
    ),
    (
        "image_qa",
        "open",
        "  instruction: '{{ question }}'\n  qformer_instruction: \"{{ question }}\\nLook well\"\n",
        *(5, "in the qformer_instruction"),
    ),
)
# What is parted without white space: marks, labels, quotation marks, letters.
PARTED = (
    (*READING, BLOCK + OCR + ".\n    {% endif %}Write a short caption.\n"),
    (*READING, BLOCK + OCR + "\n    {% endif %}Short caption:\n"),
    ("image_qa", "open", BLOCK + "Look!\n    Question: {{ question }}\n    Answer (one word):\n"),
    ("image_qa", "open", "  instruction: 'Asked \"{{ question }}\" you say'\n"),
    ("image_qa", "open", "  instruction: '{{ question }} Be brief.'\n"),
    (
        "knowledge_qa",
        "open",
        BLOCK + "{{ context | default('x') | sentence }}\n    {{ question }}\n",
    ),
    ("knowledge_qa", "multiple_choice", BLOCK + "{{ question }}\n    {{ choices | lettered }}\n"),
    (
        *DIALOG,
        BLOCK + "{% for turn in history %}Q: {{ turn.question }} A: {{ turn.answer }}\n"
        "    {% endfor %}Q: {{ question }}\n",
    ),
)
SEEDS = (
    Seed("syntax", "image_qa", QA + '  instruction: "{% if question %}{{ question }}"\n', 4, "end"),
    Seed("syntax", "image_qa", QA + "  instruct: x\n  instruction: '{{ question }}'\n", 4, "unkn"),
    Seed("syntax", "image_qa", "- id: seed\n  forms: [open]\n  instruction: x\n", 1, "'version'"),
    Seed("syntax", "image_qa", "- id: Seed\n" + QA[11:] + "  instruction: x\n", 1, "a-z"),
    Seed("construct", "image_qa", QA + "  instruction: '{{ question.strip }}'\n", 4, "strip"),
    Seed("undefined-field", "image_qa", QA + "  instruction: '{{ qestion }}'\n", 4, "'question'"),
    Seed(
        "undefined-field",
        "image_qa",
        QA + "  instruction: |-\n    Look.\n    {{ question }}\n    {{ picture }}\n",
        7,
        "'picture'",
    ),
    Seed("costly-construct", "image_qa", QA + "  instruction: '{{ question * 9 }}'\n", 4, "'*'"),
    Seed(
        "costly-construct",
        "visual_dialog",
        QA.replace("open", "dialog")
        + "  instruction: |-\n    {% for a in history %}{% for b in history %}x{% endfor %}"
        + "{% endfor %}{{ question }}\n",
        5,
        "loop inside",
    ),
    Seed(
        "costly-construct",
        "image_qa_reading",
        QA
        + "  instruction: |-\n    {% for word in ocr_tokens %}\n    {{ ocr_tokens | join }}\n"
        + "    {% endfor %}{{ question }}\n",
        6,
        "square",
        "warning",
    ),
    Seed("costly-construct", "image_qa", QA + f"  instruction: '{'x' * 10_001}'\n", 4, "10000"),
    Seed(
        "slow",
        "image_qa",
        QA + "  instruction: '{{ question }}{% if \"dog\" in question %} Woof{% endif %}'\n",
        4,
        "row by row",
        "warning",
    ),
    Seed("unused-field", "image_qa", QA + "  instruction: Look at the picture.\n", 4, "'question'"),
    Seed(
        "unused-field", "knowledge_qa", CHOICE + "  instruction: '{{ question }}'\n", 4, "'choices'"
    ),
    Seed(
        "unused-field",
        "visual_dialog",
        QA.replace("open", "dialog") + "  instruction: '{{ question }}'\n",
        4,
        "'history'",
        "warning",
    ),
    Seed(
        "unused-field",
        "image_qa",
        QA + "  instruction: '{{ question }}'\n  response: A dog.\n",
        5,
        "same for every record",
    ),
    Seed(
        "unused-field",
        "image_qa",
        QA + "  requires: [context]\n  instruction: '{{ question }}'\n",
        1,
        "'context' is required",
        "warning",
    ),
    Seed(
        "null-field",
        "knowledge_qa",
        QA + "  instruction: |-\n    Think.\n    {{ context }}\n    {{ question }}\n",
        6,
        "'context'",
    ),
    Seed(
        "null-field",
        "image_classification",
        QA + "  instruction: 'Q: {{ question }}'\n",
        4,
        "'question'",
    ),
    Seed(
        "render-fails",
        "visual_dialog",
        QA.replace("open", "dialog")
        + "  instruction: '{{ history[1].question | default(\"\") }}{{ question }}'\n",
        4,
        "no item 1",
    ),
    Seed(
        "empty-render",
        "image_captioning_reading",
        QA.replace("open", "caption")
        + "  instruction: \"{% if ocr_tokens %}{{ ocr_tokens | join(', ') }}{% endif %}\"\n",
        4,
        "without ocr_tokens",
    ),
    Seed(
        "allow-empty",
        "image_qa",
        QA + "  allow_empty: true\n  instruction: 'Q: {{ question }}'\n",
        1,
        "without need",
        "warning",
    ),
    Seed(
        "answer-leak",
        "image_qa",
        QA + "  instruction: |-\n    {{ question }}\n    Is it {{ answer }}?\n",
        6,
        "'answer'",
    ),
    Seed(
        "answer-leak",
        "image_qa",
        QA + "  instruction: \"{{ question }}{% if answer == 'no' %} Really?{% endif %}\"\n",
        4,
        "'answer'",
    ),
    Seed(
        "answer-leak",
        "knowledge_qa",
        CHOICE
        + "  instruction: '{{ question }} {{ choices | lettered }} {{ choices[choice_index] }}'\n",
        4,
        "'choice_index'",
    ),
    Seed(
        "answer-leak",
        "image_qa",
        QA + "  instruction: '{{ question }}'\n  qformer_instruction: '{{ references | join }}'\n",
        5,
        "'references'",
    ),
    Seed(
        "answer-leak",
        "question_generation",
        QA.replace("open", "question_generation")
        + "  instruction: '{{ answer }}: {{ question }}'\n  response: '{{ question }}'\n",
        4,
        "'question'",
    ),
    Seed(
        "answer-leak",
        "image_qa",
        QA + "  instruction: '{{ question }}{% if answer %} Answer.{% endif %}'\n",
        4,
        "prints the same",
        "warning",
    ),
    Seed(
        "option-letters",
        "knowledge_qa",
        CHOICE
        + "  instruction: \"{{ question }} {{ choices | join(', ') }}\"\n"
        + "  response: '{{ choice_index | letter }}'\n",
        4,
        "no marks",
    ),
    Seed(
        "option-letters",
        "knowledge_qa",
        CHOICE
        + "  instruction: '{{ question }}{% for c in choices %} {{ loop.index }}. {{ c }}"
        + "{% endfor %}'\n  response: '{{ choice_index | letter }}'\n",
        4,
        "marked '1'",
    ),
    Seed(
        "option-letters",
        "knowledge_qa",
        CHOICE
        + "  instruction: '{{ question }} (A) {{ choices[0] }} (B) {{ choices[1] }}'\n"
        + "  response: '{{ answer }}'\n",
        4,
        "of 3 choices the instruction shows 2",
    ),
    Seed(
        "option-letters",
        "knowledge_qa",
        CHOICE
        + "  instruction: '{{ question }} (a) {{ choices[0] }} (c) {{ choices[1] }}"
        + ' (d) {{ choices[2] | default("") }}\'\n',
        4,
        "",
    ),
    Seed(
        "option-letters",
        "knowledge_qa",
        CHOICE + "  instruction: 'Give the letter. {{ question }} {{ choices | lettered }}'\n",
        4,
        "response is the text",
    ),
    *(
        Seed("lost-separator", task, QA.replace("open", form) + text, line, words, "warning")
        for task, form, text, line, words in LOST
    ),
    Seed(
        "answer-leak",
        "image_qa",
        QA + "  unless_begins: {answer: ['yes']}\n  instruction: '{{ question }}'\n",
        1,
        "a condition looks at 'answer'",
        "warning",
    ),
    *(
        Seed(
            "double-mark",
            task,
            CHOICE.replace("multiple_choice", form) + f"  instruction: '{text}'\n",
            4,
            f"follows '{field}', which may end with a mark",
            "warning",
        )
        for task, form, text, field in DOUBLED
    ),
    Seed(
        "unneeded-permission",
        "image_qa",
        QA + "  trains_on_evaluation_prompt: [vizwiz]\n  instruction: 'Say: {{ question }}'\n",
        1,
        "of vizwiz, which it is not",
        "warning",
    ),
    Seed("special-token", "image_qa", QA + "  instruction: '<image> {{ question }}'\n", 4, "image"),
    Seed(
        "special-token",
        "image_qa",
        QA + "  instruction: |-\n    {{ question }}\n    [INST] Answer. [/INST]\n",
        6,
        "[INST]",
    ),
    Seed(
        "special-token",
        "image_qa",
        QA + "  instruction: '{{ question }}'\n  response: '{{ answer }}</s>'\n",
        5,
        "</s>",
    ),
    Seed(
        "special-token",
        "image_qa",
        QA + "  instruction: |-\n    USER: {{ question }}\n    ASSISTANT:\n",
        5,
        "role",
        "warning",
    ),
    Seed(
        "never-drawn",
        "image_qa",
        "- id: seed\n  version: 1\n  forms: [dialog]\n  instruction: '{{ question }}'\n",
        1,
        "there are open",
        "warning",
    ),
    Seed(
        "never-drawn",
        "image_qa",
        QA + "  excludes: [question]\n  instruction: 'Name it.'\n",
        1,
        "no record can have",
        "warning",
    ),
    Seed("never-drawn", "singing", QA + "  instruction: '{{ question }}'\n", 1, "task", "warning"),
)
GOOD = "- id: good\n  version: 1\n  forms: [open]\n  instruction: 'Say: {{ question }}'\n"


def linted(folder: Path, task: str, *templates: str) -> LintReport:
    indented = "".join(f"  {line}\n" for text in templates for line in text.splitlines())
    (folder / f"{task}.yaml").write_text(HEAD + indented, "utf-8")
    return lint(folder, CATALOG, None)


def of_kind(report: LintReport, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.kind}-{seed.words}")
def test_a_seeded_fault_is_found_at_its_line(tmp_path: Path, seed: Seed) -> None:
    found = of_kind(linted(tmp_path, seed.task, seed.template), seed.kind)
    assert [
        one
        for one in found
        if seed.words in one.what
        and one.severity == seed.severity
        and one.line == seed.line + 2
        and (one.template or "").lower() == "seed"
    ], found
    assert found[0].file.endswith(f"{seed.task}.yaml")
    assert found[0].to_do


@pytest.mark.parametrize(("task", "form", "text"), PARTED)
def test_texts_that_stay_apart_give_no_finding(
    tmp_path: Path, task: str, form: str, text: str
) -> None:
    assert of_kind(linted(tmp_path, task, QA.replace("open", form) + text), "lost-separator") == []


@pytest.mark.parametrize("content", MISTAKES)
def test_what_a_conversion_refuses_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "image_qa.yaml").write_text(content, "utf-8")
    assert lint(tmp_path, CATALOG, None).num_errors


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:40])
def test_no_refused_construct_passes_where_all_mistakes_are_told(source: str) -> None:
    with pytest.raises(CheckError) as caught:
        program(source)
    assert str(caught.value) in [str(one) for one in mistakes(source)]


def test_every_kind_is_seeded() -> None:
    """The others need two templates, a protocol or a build, and have tests of their own."""
    pairs = {"duplicate", "near-duplicate", "equals-evaluation", "mixed-labels"}
    builds = {"other-templates", "answer-in-instruction", "truncation"}
    assert {seed.kind for seed in SEEDS} | pairs | builds == set(KINDS)


def test_our_own_templates_are_clean() -> None:
    report = lint(find("templates"), CATALOG, None)
    assert report.findings == []
    assert report.num_templates == len(load_templates(find("templates")).templates)


def test_one_bad_template_does_not_hide_the_others(tmp_path: Path) -> None:
    bad = [
        seed.template.replace("seed", f"seed-{n}")
        for n, seed in enumerate(SEEDS)
        if seed.task == "image_qa" and seed.severity == "error"
    ]
    report = linted(tmp_path, "image_qa", *bad, GOOD)
    named = {finding.template for finding in report.findings}
    assert len(named) == len(bad)
    assert "good" not in named
    assert report.num_templates == len(bad) + 1


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "image_captioning.yaml").write_text("format: 1\ntemplates: [", "utf-8")
    (tmp_path / "video_qa.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "vsr.yaml").write_text("format: 2\ntask: x\nmore: 1\n", "utf-8")
    report = linted(tmp_path, "image_qa", SEEDS[0].template)
    files = {Path(finding.file).name for finding in report.findings}
    assert files == {"image_captioning.yaml", "video_qa.yaml", "vsr.yaml", "image_qa.yaml"}
    assert len([one for one in report.findings if one.file.endswith("vsr.yaml")]) >= 3


def test_all_mistakes_of_one_text_are_told(tmp_path: Path) -> None:
    text = "{{ one }} {{ question | shout }}\n    {% if two %}{{ 1 + 1 }}{% endif %}"
    report = linted(tmp_path, "image_qa", QA + f"  instruction: |-\n    {text}\n")
    told = [(finding.kind, finding.line) for finding in report.findings]
    assert sorted(told) == [
        ("construct", 7),
        ("costly-construct", 8),
        ("undefined-field", 7),
        ("undefined-field", 8),
    ]


def test_templates_that_are_alike(tmp_path: Path) -> None:
    same = GOOD.replace("good", "same").replace("Say: {{ question }}", "Say:   {{question}}")
    near = "  instruction: 'Look at this picture and {} answer: {{{{ question }}}}'\n"
    first = QA.replace("seed", "first") + near.format("then")
    second = QA.replace("seed", "second") + near.format("shortly")
    report = linted(tmp_path, "image_qa", GOOD, same, first, second)
    assert [(f.kind, f.template, f.severity) for f in report.findings] == [
        ("duplicate", "same", "error"),
        ("near-duplicate", "second", "warning"),
    ]
    assert "'good' of line 3" in report.findings[0].what


def test_training_templates_that_are_evaluation_prompts(tmp_path: Path) -> None:
    protocols = tmp_path / "protocols"
    protocols.mkdir()
    prompt = 'format: 1\nlist:\n  - name: x\n    instruction: "Say:\\n {{question }}"\n'
    for name in ("vizwiz", "gqa"):
        (protocols / f"{name}.yaml").write_text(prompt, "utf-8")
    findings = linted(tmp_path, "image_qa", GOOD).findings
    told = [(found.kind, found.template, found.severity) for found in findings]
    assert told == [("equals-evaluation", "good", "warning")] * 2
    assert "gqa.yaml, line 4" in findings[0].what
    assert "vizwiz.yaml, line 4" in findings[1].what


@pytest.mark.parametrize("allowed", [(), ("gqa",), ("gqa", "vizwiz"), ("gqa", "nocaps")])
def test_a_template_may_be_trained_on_evaluation_prompts_by_name(
    tmp_path: Path, allowed: tuple[str, ...]
) -> None:
    protocols = tmp_path / "protocols"
    protocols.mkdir()
    for name in ("vizwiz", "gqa"):
        prompt = f'a:\n  instruction: "SAY: {{{{ question }}}}"\nb: {{dataset: {name}}}\n'
        (protocols / f"{name}.yaml").write_text(prompt, "utf-8")
    key = f"\n  trains_on_evaluation_prompt: [{', '.join(allowed)}]" if allowed else ""
    report = linted(tmp_path, "image_qa", GOOD.rstrip() + key + "\n")
    told = [f.what.split(" of ")[-1].split(",")[0].removesuffix(".yaml") for f in report.findings]
    kinds = [finding.kind for finding in report.findings]
    refused = sorted({"gqa", "vizwiz"} - set(allowed))
    unneeded = sorted(set(allowed) - {"gqa", "vizwiz"})
    assert (sorted(kinds), sorted(told)) == (
        ["equals-evaluation"] * len(refused) + ["unneeded-permission"] * len(unneeded),
        sorted(refused + unneeded),
    )


def test_a_prompt_that_is_equal_for_some_records_alone_is_found(tmp_path: Path) -> None:
    protocols = tmp_path / "protocols"
    protocols.mkdir()
    prompt = "{% if context %}Context: {{ context }} {% endif %}Say: {{ question }}"
    (protocols / "gqa.yaml").write_text(f"instruction: '{prompt}'\n", "utf-8")
    assert [f.kind for f in of_kind(linted(tmp_path, "image_qa", GOOD), "equals-evaluation")]


def test_a_prompt_that_runs_together_is_found(tmp_path: Path) -> None:
    protocols = tmp_path / "protocols"
    protocols.mkdir()
    prompt = "{% for turn in history %}{{ turn.question }} {{ turn.answer }}. {% endfor %}"
    (protocols / "visdial.yaml").write_text(
        f"instruction: '{prompt}Question: {{{{ question }}}}'\n", "utf-8"
    )
    (found,) = of_kind(linted(tmp_path, "image_qa", GOOD), "lost-separator")
    assert (Path(found.file).name, found.line, found.template) == ("visdial.yaml", 1, None)
    assert "a turn's question and a turn's answer" in found.what


def test_a_list_of_words_has_one_name(tmp_path: Path) -> None:
    names = ("OCR tokens", "OCR Tokens", "Words in the picture", "OCR tokens")
    same = "{% if ocr_tokens %}LABEL: {{ ocr_tokens | join(', ') }}. {% endif %}"
    report = linted(
        tmp_path,
        "image_qa_reading",
        *(
            QA.replace("seed", f"seed-{number}")
            + f'  instruction: "{same.replace("LABEL", name)}Go {number}: {{{{ question }}}}"\n'
            for number, name in enumerate(names)
        ),
    )
    (found,) = of_kind(report, "mixed-labels")
    assert (found.template, found.line) == ("seed-2", 14)
    assert "'Words in the picture' here and 'ocr tokens' elsewhere" in found.what


@pytest.mark.parametrize(("task", "name"), [("image_qa", "vqav2"), ("video_qa", "msvd_qa")])
def test_prompts_that_nobody_is_trained_on_may_be_equal(
    tmp_path: Path, task: str, name: str
) -> None:
    """Neither the evaluation of a held-in dataset nor a task without training gives a hint."""
    protocols = tmp_path / "protocols"
    protocols.mkdir()
    (protocols / f"{name}.yaml").write_text("instruction: 'Say: {{ question }}'\n", "utf-8")
    assert linted(tmp_path, task, GOOD).findings == []


def test_a_build_is_measured(whole_build: Path, command: Commands) -> None:
    value = command("lint", whole_build, "--json").json()
    assert value["errors"] == 0
    tasks = {use["task"]: use for use in value["usage"]}
    build = Build.open(whole_build)
    for task, use in tasks.items():
        own = [
            (name, split)
            for name, entry in build.manifest.datasets.items()
            if entry.task == task
            for split in entry.splits
        ]
        samples = [sample for name, split in own for sample in build.samples(name, split)]
        texts = [sample["instruction"] for sample in samples]
        words = sorted(len(text.split()) for text in texts)
        assert use["samples"] == len(samples)
        assert use["distinct"] == len(set(texts))
        assert use["instruction"]["most"] == words[-1]
        assert use["drawn"] == len({sample["template"] for sample in samples})
        draws = {key: n for key, n in value["draws"].items() if key.startswith(f"{task}/")}
        assert sum(draws.values()) == len(samples)
        single = [word for text in texts for word in text.lower().split()]
        assert use["ngrams"][0] == pytest.approx(len(set(single)) / len(single))


def test_a_task_without_samples_has_no_row(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    raw = Path(shutil.copytree(raw_root, tmp_path / "raw"))
    shutil.rmtree(raw / "hateful_memes" / "img")
    line = ("--raw", raw, "--out", tmp_path / "build", "--max-rejects", 100, "--allow-empty")
    assert command("convert", "hateful_memes", *line).code == 0
    alone = command("lint", tmp_path / "build").stdout
    assert "image_classification" not in alone
    assert "no split of the build has samples" in alone
    assert command("convert", "visdial", *line).code == 0
    both = command("lint", tmp_path / "build").stdout
    assert both.count("\nvisual_dialog ") == 3
    assert "image_classification" not in both


def test_findings_of_a_build(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    """A template that is long, one that repeats the answer beside it, and one never drawn."""
    templates = tmp_path / "templates"
    shutil.copytree(find("templates"), templates)
    words = " ".join(["word"] * 129)
    (templates / "visual_dialog.yaml").write_text(
        f"{HEAD}  - id: long\n    version: 1\n    forms: [dialog]\n    instruction: |-\n"
        f"      {words}\n      {{{{ caption }}}} {{{{ history | length }}}} {{{{ question }}}}\n"
        "    response: '{{ question }} {{ answer }} {{ caption }}'\n"
        "  - id: never\n    version: 1\n    forms: [dialog]\n    requires: [ocr_tokens]\n"
        "    instruction: '{{ ocr_tokens | join }} {{ history | length }} {{ question }}'\n"
        "  - id: brief\n    version: 1\n    forms: [dialog]\n"
        "    instruction: '{{ history | length }} rounds before: {{ question }}'\n"
        "    response: '{{ question }}'\n",
        "utf-8",
    )
    line = ("--raw", raw_root, "--out", tmp_path / "build", "--templates", templates)
    assert command("convert", "visdial", *line, "--pictures", "none").code == 0
    answer = command("lint", tmp_path / "build", "--templates", templates, "--json")
    found = {(finding["kind"], finding["template"]) for finding in answer.json()["findings"]}
    assert {("truncation", None), ("answer-in-instruction", None)} <= found
    assert {("never-drawn", "never"), ("null-field", "long")} <= found
    other = command("lint", tmp_path / "build", "--json").json()["findings"]
    assert "other-templates" in {finding["kind"] for finding in other}


def test_exit_codes_and_width(command: Commands, tmp_path: Path) -> None:
    linted(tmp_path, "image_qa", SEEDS[0].template, SEEDS[-4].template)
    errors = command("lint", "--templates", tmp_path)
    assert errors.code == 1
    assert errors.stderr == ""
    assert "image_qa.yaml:6 seed" in errors.stdout
    assert max(map(len, errors.stdout.splitlines())) <= 80
    linted(tmp_path, "image_qa", GOOD.replace("Say", "USER"))
    warnings = command("lint", "--templates", tmp_path)
    assert warnings.code == 0
    assert "0 errors, 1 warning" in " ".join(warnings.stdout.split())
    assert command("lint").stdout.strip().endswith("clean")


@pytest.mark.parametrize("line", [["nowhere"], ["--templates", "nowhere"], ["--x"]])
def test_mistakes_are_one_sentence(command: Commands, line: list[str]) -> None:
    told = command("lint", *line)
    assert told.code == 2
    assert is_sentence(told)
