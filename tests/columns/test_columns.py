"""Columns give the bytes and the failures of Jinja, whatever the template and the text."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructify import columns
from instructify.columns import compiler, kernels, render
from instructify.schema import RECORD_SCHEMA
from instructify.templating.filters import MAX_TEXT_BYTES
from instructify.templating.load import load_templates
from instructify.templating.model import PARTS, Template
from instructify.templating.rendering import RenderFailedError, render_row

FIELDS = (
    "form",
    "question",
    "answer",
    "references",
    "choices",
    "choice_index",
    "context",
    "caption",
    "history",
    "ocr_tokens",
    "text",
)
SCHEMA = pa.schema([RECORD_SCHEMA.field(name) for name in FIELDS])
CONSTANTS = {
    "dataset": "vqav2",
    "split": "train",
    "task": "image_qa",
    "task_name": "Visual QA",
    "dataset_name": "",
}
COLUMNAR = [
    "",
    "literal {{ '{{' }} only",
    "{{ question }}",
    "{{ question }}{{ answer }}{{ question }}",
    "{{ task_name }}:{{ dataset_name }} {{ form }} {{ question }}",
    "{{ question | lower }} {{ answer | upper }} {{ context | capitalize }}",
    "{{ question | capfirst }}|{{ answer | sentence('?') | capfirst }}|{{ 'i see' | capfirst }}",
    "{{ question | trim | lower }}{{ task_name | lower }}{{ dataset_name | capitalize }}",
    "{{ question | replace('a', 'bb') }}{{ answer | replace(' ', '') | replace('\u00e9', 'e') }}",
    "{{ context | default('none') }} {{ choice_index | default(7) }}",
    "{{ context | default(question) }}",
    "{{ question | length }} {{ choices | length }} {{ history | length }} {{ 12 }}",
    "{{ choices | join(', ') }}{{ choices | join }}",
    "{{ answer | sentence }} {{ question | lower | sentence }}{{ dataset_name | sentence }}",
    "{{ 'x' | sentence }}{{ choices | join(' or ') | sentence }}{{ context | sentence }}",
    "{% for turn in history %}{{ turn.answer | sentence | capfirst }} {% endfor %}",
    "{{ choices | lettered }}",
    "{{ choice_index | letter }}{{ 1 | letter }}",
    "{{ choices[choice_index] }}",
    "{{ choices[1] }}",
    "{% if choices | length > 1 %}{{ choices[1] }}{% else %}few{% endif %}",
    "{{ choices | first }}{{ ocr_tokens | last | default('-') }}",
    "{{ (history | last).question }}{{ history[0].answer }}",
    "{% if context %}{{ context }}\n{% endif %}{{ question }}",
    "{{ question | sentence }}{{ context | sentence('?') | sentence }}{{ task_name | sentence }}",
    "{% for t in history %}{{ t.question | sentence('?') }} {{ t.answer | sentence }} {% endfor %}",
    "{% if context is none %}A{% elif context == 'x' %}B{% elif caption %}C{% else %}D{% endif %}",
    "{% if context != question %}{{ answer }}{% endif %}",
    "{% if 'x' == context and not caption or text %}1{% else %}2{% endif %}",
    "{% if choice_index >= 1 %}late{% else %}first{% endif %}",
    "{% if choice_index is not none and choice_index < 2 %}{{ choice_index }}{% endif %}",
    "{% if 0 < choice_index %}a{% endif %}{% if 3 <= 2 %}b{% endif %}"
    "{% if choice_index == 1 %}c{% endif %}",
    "{% if choices and (history or ocr_tokens) %}yes{% endif %}",
    "{% if task == 'image_qa' %}{{ question }}{% else %}{{ answer | lower }}{% endif %}",
    "{% if none == context %}{{ question }}{% elif 1 == 1 %}{{ context }}{% endif %}",
    "{% if (context if caption else answer) %}+{% else %}-{% endif %}",
    "{% if (question == answer) == (context is none) %}+{% endif %}",
    "{{ context or question }}{{ context and answer }}{{ caption or dataset_name or 'x' }}",
    "{{ (choices or references) | join('/') }}{{ (history or history) | length }}",
    "{{ context if context else question | lower }}",
    "{% for turn in history %}Q: {{ turn.question }} A: {{ turn.answer }}\n{% endfor %}"
    "{{ question }}",
    "{% for turn in history %}{{ turn.question }}{% if not loop.last %} {% endif %}{% endfor %}",
    "{% for c in choices %}{{ loop.index }}/{{ loop.index0 }} {{ c | lower }}; {% endfor %}",
    "{% for c in choices %}{% if loop.first %}{{ question }}: {% endif %}{{ c }}{% endfor %}",
    "{% for c in choices %}({{ loop.index0 | letter }}) {{ c }}{% if not loop.last %} "
    "{% endif %}{% endfor %}",
    "{% for t in history %}{% if t.answer is none %}?{% else %}{{ t.answer }}{% endif %},"
    "{% endfor %}",
    "{% for t in history %}{{ choices | join(' ') }}{% if loop.index > 1 %}{{ choices[0] }}"
    "{% endif %}{% endfor %}",
    "{% for c in ocr_tokens %}x{% else %}none: {{ question }}{% endfor %}",
    "{% for c in ocr_tokens or choices %}{{ c | default('null') | trim }}.{% endfor %}",
    "{% if caption %}{% for c in choices %}{{ c }}{% endfor %}{% else %}"
    "{{ choices | lettered }}{% endif %}",
    "{% for c in choices %}{% if c == answer %}{{ c }}{% elif c %}-{% else %}{{ task }}"
    "{% endif %}{% endfor %}",
]
ROW_BY_ROW = [
    "{% for c in choices if c %}{{ c }},{% endfor %}",
    "{% if 'a' in question %}{{ question }}{% endif %}",
    "{% if answer in choices %}in{% else %}out{% endif %}",
    "{% if 0 <= choice_index <= 2 %}{{ choice_index }}{% endif %}",
    "{% if (context or choices) is none %}x{% else %}y{% endif %}",
]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
PLAIN = st.sampled_from(
    [
        "",
        " ",
        "x",
        "a",
        "Ab C",
        " what is it? ",
        "z",
        "\u00df is",
        "\u01c6 one",
        "\u00c9t\u00e9",
        "\u0130\u00df\n",
        "Go. \n",
        'go?"',
        "a:)",
        "\u2026\u00bb\u2003",
    ]
)
ANY_TEXT = st.one_of(PLAIN, TEXT)
MAYBE_TEXT = st.one_of(st.none(), ANY_TEXT)
LIST = st.one_of(st.none(), st.lists(st.one_of(ANY_TEXT, ANY_TEXT, st.none()), max_size=4))
TURNS = st.one_of(
    st.none(),
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"question": ANY_TEXT, "answer": ANY_TEXT}),
            st.fixed_dictionaries({"question": MAYBE_TEXT, "answer": MAYBE_TEXT}),
            st.none(),
        ),
        max_size=3,
    ),
)
ROW = st.fixed_dictionaries(
    {
        "form": st.sampled_from(["open", "caption"]),
        "question": MAYBE_TEXT,
        "answer": MAYBE_TEXT,
        "references": LIST,
        "choices": LIST,
        "choice_index": st.one_of(st.none(), st.integers(-2, 30)),
        "context": MAYBE_TEXT,
        "caption": MAYBE_TEXT,
        "history": TURNS,
        "ocr_tokens": LIST,
        "text": MAYBE_TEXT,
    }
)
Row = dict[str, Any]


def template(instruction: str, response: str = "{{ answer }}", **more: Any) -> Template:
    return Template(
        task="t",
        id="x",
        version=1,
        forms=("open",),
        instruction=instruction,
        response=response,
        **more,
    )


def table_of(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def assert_equals_jinja(
    table: pa.Table | pa.RecordBatch, templates: list[Template], which: list[int]
) -> None:
    rendered = columns.render_table(table, templates, np.array(which, np.int64), CONSTANTS)
    expected: list[tuple[str | None, str | None, str | None]] = []
    failed: list[tuple[int, str, str]] = []
    for index, (row, number) in enumerate(zip(table.to_pylist(), which, strict=True)):
        try:
            one = render_row(templates[number], row, CONSTANTS)
            expected.append((one.instruction, one.response, one.qformer_instruction))
        except RenderFailedError as error:
            expected.append((None, None, None))
            failed.append((index, error.reason, error.detail))
    assert rendered.failed == failed
    assert rendered.instruction.to_pylist() == [texts[0] for texts in expected]
    assert rendered.response.to_pylist() == [texts[1] for texts in expected]
    if rendered.qformer_instruction is None:
        assert all(texts[2] is None for texts in expected)
    else:
        assert rendered.qformer_instruction.to_pylist() == [texts[2] for texts in expected]


def is_columnar(one: Template) -> bool:
    programs = [one.program(part) for part in PARTS]
    return all(compiler.is_columnar(text.tree) for text in programs if text is not None)


def rendered_by(one: Template, table: pa.Table) -> columns.RenderedColumns:
    return columns.render_table(table, [one], np.zeros(table.num_rows, np.int64))


@pytest.mark.parametrize("source", COLUMNAR)
def test_the_zoo_is_columnar(source: str) -> None:
    assert is_columnar(template(source))


@pytest.mark.parametrize("source", ROW_BY_ROW)
def test_the_rest_is_rendered_row_by_row(source: str) -> None:
    assert not is_columnar(template(source))


@given(st.lists(ROW, max_size=5), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_each_template_equals_jinja(rows: list[Row], skip: int) -> None:
    table = table_of(rows).slice(skip)
    for source in COLUMNAR + ROW_BY_ROW:
        one = template(source, response=source, allow_empty=True)
        assert_equals_jinja(table, [one], [0] * table.num_rows)


@given(st.lists(ROW, min_size=1, max_size=30), st.data())
@settings(max_examples=60, deadline=None)
def test_mixed_templates_equal_jinja(rows: list[Row], data: st.DataObject) -> None:
    source = st.sampled_from(COLUMNAR + ROW_BY_ROW)
    templates = data.draw(
        st.lists(
            st.builds(
                template,
                source,
                st.one_of(st.just("{{ answer }}"), source),
                qformer_instruction=st.one_of(st.none(), source),
                allow_empty=st.booleans(),
            ),
            min_size=1,
            max_size=6,
        )
    )
    number = st.integers(0, len(templates) - 1)
    which = data.draw(st.lists(number, min_size=len(rows), max_size=len(rows)))
    table = table_of(rows)
    assert_equals_jinja(table, templates, which)
    chunked = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    assert_equals_jinja(chunked, templates, which)
    assert_equals_jinja(table.to_batches()[0], templates, which)


def test_every_code_point_equals_jinja() -> None:
    characters = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    interesting = [c for c in characters if c.isspace() or c.lower() != c or c.upper() != c]
    rows = [{"form": "open", "question": c, "answer": f"{c}A{c}", "text": "x"} for c in interesting]
    sources = [
        "{{ question | lower }}{{ answer | lower }}",
        "{{ question | upper }}{{ answer | capitalize }}",
        "{{ question | trim }}|{{ answer | trim }}",
        "{{ question }}",
    ]
    for source in sources:
        assert_equals_jinja(table_of(rows), [template(source)], [0] * len(rows))


@pytest.mark.parametrize(
    "source",
    ["{{ question }}", "{{ question | lower }}x", "{{ question | replace('a', 'aaaa') | length }}"],
)
def test_long_texts_fail_alike(source: str) -> None:
    sizes = [1, MAX_TEXT_BYTES // 4, MAX_TEXT_BYTES - 1, MAX_TEXT_BYTES, MAX_TEXT_BYTES + 1]
    rows = [{"form": "open", "question": c * size} for size in sizes for c in ("a", "\u00e9")]
    assert_equals_jinja(table_of(rows), [template(source)], [0] * len(rows))


def test_more_than_26_choices_are_lettered_like_columns_of_a_sheet() -> None:
    rows = [{"form": "open", "choices": [str(number) for number in range(n)]} for n in (60, 1, 750)]
    one = template("{{ choices | lettered }}")
    assert_equals_jinja(table_of(rows), [one], [0, 0, 0])
    rendered = rendered_by(one, table_of(rows))
    assert "(y) 24 (z) 25 (aa) 26 (ab) 27" in rendered.instruction[0].as_py()


def test_a_missing_column_is_null_and_a_failed_row_has_no_texts() -> None:
    table = pa.table({"question": ["what?", "  ", None], "answer": ["dog", "cat", "cow"]})
    rendered = rendered_by(template("{{ question }}"), table)
    assert rendered.instruction.to_pylist() == ["what?", None, None]
    assert rendered.response.to_pylist() == ["dog", None, None]
    assert [(one.row, one.reason) for one in rendered.failed] == [
        (1, "empty-render"),
        (2, "render-failed"),
    ]
    assert "template t/x@1, instruction: " in rendered.failed[1].detail
    assert rendered_by(template("{{ caption }}"), table).instruction.null_count == 3


def test_a_null_answer_is_a_null_response_not_a_failure() -> None:
    table = pa.table({"question": ["a", "b"], "answer": pa.array([None, "x"], pa.string())})
    rendered = rendered_by(template("{{ question }}"), table)
    assert rendered.response.to_pylist() == [None, "x"]
    assert rendered.failed == []


@given(st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=10, deadline=None)
def test_batches_that_overflow_a_column_are_rendered_in_parts(rows: list[Row]) -> None:
    sources = ["{{ question | replace('a', 'bb') }}!", "literal", "{{ choices | length }}"]
    templates = [template(source, qformer_instruction="look") for source in sources]
    which = [row % 3 for row in range(len(rows))]
    whole = render._render

    def overflow(table: pa.Table, *rest: Any) -> columns.RenderedColumns:
        if table.num_rows > 2:
            raise pa.ArrowCapacityError("too much")
        return whole(table, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "_render", overflow)
        assert_equals_jinja(table_of(rows), templates, which)


def test_no_column_overflows_in_silence() -> None:
    texts = pa.array(["a" * 10] * 5000)
    with pytest.raises(pa.ArrowCapacityError):
        kernels.replace(texts, "a", "b" * 6000)
    with pytest.raises(pa.ArrowCapacityError):
        kernels.repeated(texts[0], 2**28)


BOMBS = {
    "chained replaces": "{{ question" + (" | replace('e', '" + "e" * 450 + "')") * 3 + " }}",
    "of a constant": "{{ 'e'" + (" | replace('e', '" + "e" * 450 + "')") * 4 + " }}",
    "of a constant field": "{{ task_name" + (" | replace('i', '" + "i" * 900 + "')") * 3 + " }}",
    "whose length alone is printed": "{{ question"
    + (" | replace('e', '" + "e" * 900 + "')") * 3
    + " | length }}",
    "a separator": "{{ ocr_tokens | join('" + "-" * 9000 + "') }}",
    "a separator, counted": "{{ ocr_tokens | join('" + "-" * 9000 + "') | length }}",
    "a field a hundred times": "{{ question }}" * 600,
    "a field in a loop": "{% for c in ocr_tokens %}" + "{{ question }}" * 500 + "{% endfor %}",
    "a new text in a loop": "{% for c in ocr_tokens %}"
    + "{{ question | lower | replace('e', 'eeeeeeeeeeeeeeee') }}" * 150
    + "{% endfor %}",
    "literals in a loop": "{% for c in ocr_tokens %}" + "x" * 9000 + "{% endfor %}",
    "a null behind it": "{{ 'e'" + (" | replace('e', '" + "e" * 450 + "')") * 2 + " }}{{ text }}",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_text_that_grows_ends_as_a_failure_in_bounded_memory(bomb: str) -> None:
    question = "where are the seven green trees?"
    row: Row = dict.fromkeys(FIELDS, None)
    row |= {"form": "open", "question": question, "answer": "e", "ocr_tokens": ["e"] * 300}
    times = 2 if "loop" in bomb else 40
    rows = [row, row | {"question": "no", "ocr_tokens": ["a"]}, row | {"question": None}] * times
    pa.default_memory_pool().release_unused()
    before = pa.total_allocated_bytes()
    assert_equals_jinja(table_of(rows), [template(BOMBS[bomb])], [0] * len(rows))
    assert pa.default_memory_pool().max_memory() - before < 2**30


@pytest.mark.parametrize("bomb", ["a field in a loop", "a new text in a loop"])
def test_columns_that_would_take_too_much_are_refused_before_they_are_made(bomb: str) -> None:
    program = template(BOMBS[bomb]).program("instruction")
    assert program is not None
    used = {
        "question": pa.array(["where are the seven green trees?"] * 200),
        "ocr_tokens": pa.array([["e"] * 300] * 200),
    }
    before = pa.total_allocated_bytes()
    with pytest.raises(pa.ArrowCapacityError):
        compiler.evaluate(program.tree, used, 200)
    assert pa.default_memory_pool().max_memory() - before < 2**30


@pytest.mark.parametrize("which", [[0], [0, 2], [0, -1]])
def test_wrong_template_numbers_are_refused(which: list[int]) -> None:
    table = pa.table({"question": ["a", "b"]})
    with pytest.raises(ValueError, match="template numbers"):
        columns.render_table(table, [template("x"), template("y")], np.array(which))


SHIPPED = load_templates(Path(__file__).parents[2] / "templates").templates


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda one: one.key)
def test_shipped_templates_are_columnar(shipped: Template) -> None:
    assert is_columnar(shipped)


@given(st.lists(ROW, min_size=1, max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_shipped_templates_equal_jinja(rows: list[Row], random: Any) -> None:
    which = [number for number in range(len(SHIPPED)) for _ in rows]
    random.shuffle(which)
    table = table_of(rows * len(SHIPPED))
    assert_equals_jinja(table, list(SHIPPED), which)
