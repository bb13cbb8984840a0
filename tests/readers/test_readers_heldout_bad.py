"""Bad items of held-out releases become rejects with place and reason; good neighbours stay."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from heldout_cases import (
    CASES,
    FLICKR30K,
    FLICKR30K_TOKENS,
    GQA,
    HATEFUL_MEMES,
    ICONQA,
    IVQA,
    MSRVTT_QA,
    MSVD_QA,
    NOCAPS,
    SCIENCEQA,
    TEXTVQA,
    VISDIAL,
    VIZWIZ,
    VSR,
    Case,
    to_bytes,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_help import Outcome

from instructify._util.errors import UserError

Change = Callable[[Any], object]


def spoil(case: Case, role: str, folder: Path, change: Change, **options: str) -> Outcome:
    """Read the case after `change` was made to the content of one file."""
    content = copy.deepcopy(case.files[role][1])
    change(content)
    return case.run_with({role: content}, folder, **options)


def at(*keys: str | int, value: object) -> Change:
    """Put a value somewhere into the content."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def without(*keys: str | int) -> Change:
    """Take something out of the content."""

    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


BAD = [
    (NOCAPS, "captions", at("images", 0, "open_images_id", value="../x"), "path-outside-root"),
    (NOCAPS, "captions", at("images", 1, "id", value="1"), "wrong-type"),
    (NOCAPS, "captions", at("annotations", 1, "image_id", value=9), "no-caption"),
    (NOCAPS, "captions", at("annotations", 1, "image_id", value=9), "bad-value"),
    (NOCAPS, "captions", at("annotations", 1, "caption", value=" \n"), "empty-text"),
    (NOCAPS, "captions", at("annotations", 1, "caption", value=" \n"), "no-caption"),
    (FLICKR30K, "karpathy", at("images", 0, "split", value="restval"), "bad-value"),
    (FLICKR30K, "karpathy", at("images", 2, "sentences", value=[]), "no-caption"),
    (FLICKR30K, "karpathy", at("images", 2, "sentences", 0, "raw", value=""), "empty-text"),
    (FLICKR30K, "karpathy", at("images", 2, "filename", value="/etc/1.jpg"), "path-outside-root"),
    (VIZWIZ, "questions", at(0, "image", value="a\\b.jpg"), "path-outside-root"),
    (VIZWIZ, "questions", at(0, "question", value=" "), "empty-text"),
    (VIZWIZ, "questions", at(0, "answers", value=[{"answer": ""}]), "no-answer"),
    (VIZWIZ, "questions", without(0, "question"), "missing-field"),
    (GQA, "questions", at("101", "imageId", value="../1"), "bad-value"),
    (GQA, "questions", at("101", "imageId", value=161313), "wrong-type"),
    (GQA, "questions", at("00101", "answer", value=""), "empty-text"),
    (GQA, "questions", at("00101", "question", value=None), "null-field"),
    (VSR, "data", at(0, "image", value="239417.jpg"), "bad-value"),
    (VSR, "data", at(0, "caption", value=""), "empty-text"),
    (VSR, "data", at(1, value=[]), "malformed-json"),
    (ICONQA, "problems", at("5", "answer", value=3), "bad-value"),
    (ICONQA, "problems", at("5", "answer", value="1"), "wrong-type"),
    (ICONQA, "problems", without("5", "choices"), "missing-field"),
    (ICONQA, "problems", at("5", "choices", value=["turtle", "", " "]), "empty-text"),
    (ICONQA, "problems", at("007", "choices", 1, value="../x.png"), "path-outside-root"),
    (ICONQA, "problems", at("9", "answer", value="  "), "empty-text"),
    (ICONQA, "splits", at("choose_txt_test", value=["5", "999"]), "bad-value"),
    (SCIENCEQA, "problems", at("27", "image", value="../../x.png"), "path-outside-root"),
    (SCIENCEQA, "problems", at("27", "answer", value=-1), "bad-value"),
    (SCIENCEQA, "problems", at("27", "question", value=""), "empty-text"),
    (TEXTVQA, "questions", at("data", 0, "image_id", value="a/../../b"), "path-outside-root"),
    (TEXTVQA, "questions", at("data", 0, "answers", value=["", " "]), "no-answer"),
    (TEXTVQA, "questions", at("data", 0, "question_id", value=-1), "bad-value"),
    (TEXTVQA, "ocr", at("data", 0, "ocr_tokens", value=None), "null-field"),
    (HATEFUL_MEMES, "data", at(0, "img", value="/img/1.png"), "path-outside-root"),
    (HATEFUL_MEMES, "data", at(0, "text", value=""), "empty-text"),
    (MSVD_QA, "questions", at(0, "video_id", value=77), "no-url-mapping"),
    (MSVD_QA, "questions", at(0, "answer", value=" "), "empty-text"),
    (MSVD_QA, "questions", at(0, "video_id", value=float("nan")), "not-finite"),
    (MSRVTT_QA, "questions", at(0, "question", value="\ud83d"), "lone-surrogate"),
]


@pytest.mark.parametrize(("case", "role", "change", "reason"), BAD)
def test_a_bad_item_is_named_and_costs_no_neighbour(
    case: Case, role: str, change: Change, reason: str, tmp_path: Path
) -> None:
    outcome = spoil(case, role, tmp_path, change)
    assert reason in {reject.reason for reject in outcome.rejects}
    assert {reject.source for reject in outcome.rejects} == {case.files[role][0]}
    good = case.run(tmp_path).records
    assert len(outcome.records) >= len(good) - 1
    for record in outcome.records:
        if role == "ocr":
            record = {**record, "ocr_tokens": None, "ocr_source": None}
        elif case is NOCAPS or case is FLICKR30K:
            continue
        assert record in [{**one, **_no_tokens(role)} for one in good]


def _no_tokens(role: str) -> Mapping[str, None]:
    return {"ocr_tokens": None, "ocr_source": None} if role == "ocr" else {}


ROUNDS = ("data", "dialogs", 0, "dialog")
BAD_ROUNDS = [
    (at(*ROUNDS, 0, "question", value=3), [], ["dialog[0].question", "dialog[1].question"]),
    (at(*ROUNDS, 1, "answer", value=-5), [1], ["dialog[1].answer", "dialog[2].question"]),
    (at(*ROUNDS, 1, "answer_options", 1, value=4), [1, 3], ["dialog[1].answer_options"]),
    (at(*ROUNDS, 1, "answer_options", value=[]), [1, 3], ["dialog[1].answer_options"]),
    (at(*ROUNDS, 1, "gt_index", value=1), [1, 3], ["dialog[1].gt_index"]),
    (at(*ROUNDS, 1, "gt_index", value=-1), [1, 3], ["dialog[1].gt_index"]),
    (at(*ROUNDS, 1, "gt_index", value=None), [1, 3], ["dialog[1].gt_index"]),
    (at("data", "questions", 1, value="  "), [1, 3], ["dialog[1].question"]),
    (at("data", "answers", 3, value=None), [1, 3], ["data.answers", "dialog[1].answer_options"]),
    (at(*ROUNDS, 1, value=7), [], ["dialog[1]"]),
]


@pytest.mark.parametrize(("change", "kept", "fields"), BAD_ROUNDS)
def test_a_bad_round_costs_itself_and_those_that_need_it(
    change: Change, kept: Sequence[int], fields: Sequence[str], tmp_path: Path
) -> None:
    outcome = spoil(VISDIAL, "data", tmp_path, change)
    good = VISDIAL.run(tmp_path).records
    ids = [f"visdial/val/42-{number}" for number in kept]
    assert [record["record_id"] for record in outcome.records] == ids
    assert [record["choices"] for record in outcome.records] == [
        good[number - 1]["choices"] for number in kept
    ]
    assert [reject.field for reject in outcome.rejects][: len(fields)] == fields


def test_a_dense_annotation_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    outcome = spoil(VISDIAL, "dense", tmp_path, at(0, "gt_relevance", value=[1.0]))
    assert outcome.reasons() == [(0, "relevance", "bad-value")]
    assert [record["relevance"] for record in outcome.records] == [None] * 3
    outcome = spoil(VISDIAL, "dense", tmp_path, without(0, "gt_relevance"))
    assert outcome.reasons() == [(0, "relevance", "missing-field")]


def test_token_lines_that_are_none(tmp_path: Path) -> None:
    lines = "no number A caption\n1.jpg#0\t \n2.jpg#0\tGood\n3.jpg#1\t\udcff\n"
    outcome = FLICKR30K_TOKENS.run_with({"tokens": lines}, tmp_path)
    assert [record["record_id"] for record in outcome.records] == ["flickr30k/all/2"]
    assert sorted(outcome.reasons(), key=str) == [
        (0, None, "bad-value"),
        (1, None, "bad-value"),
        (3, None, "bad-value"),
    ]


def test_mapping_lines_that_are_none(tmp_path: Path) -> None:
    lines = "../x_1_2 vid1\nabc_1_2 vid2\nabc_1_2 vid2\n\nalone\nabd_1_2\tvid1\nabc_1_2 video3\n"
    outcome = MSVD_QA.run_with({"mapping": lines}, tmp_path)
    assert [reject.position for reject in outcome.rejects] == [0, 4, 6]
    assert len(outcome.records) == 3
    with pytest.raises(UserError, match="has no line"):
        MSVD_QA.run_with({"mapping": "nothing"}, tmp_path)


def test_ivqa_rows_that_are_none(tmp_path: Path) -> None:
    lines = (
        "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5\n"
        "short,1,2,What?,a,b,c,d,e\n"
        "abcdefghijk,1.5,2,What?,a,b,c,d,e\n"
        "abcdefghijk,1.0,2,What?,,,,,\n"
        "abcdefghijk,1,2,,a,b,c,d,e\n"
        "abcdefghijk,1,2\n"
        "abcdefghijk,1.0,2,What?,a,b,c,d,e\n"
    )
    outcome = IVQA.run_with({"questions": lines}, tmp_path)
    assert [record["record_id"] for record in outcome.records] == ["ivqa/test/abcdefghijk_1_2-5"]
    assert sorted((reject.position or 0, reject.reason) for reject in outcome.rejects) == [
        (0, "bad-value"),
        (1, "bad-value"),
        (2, "no-answer"),
        (3, "empty-text"),
        (4, "missing-field"),
    ]


def test_files_that_do_not_fit_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="instructify catalog gqa"):
        GQA.run_with({"questions": None}, tmp_path)
    with pytest.raises(UserError, match="split_source=lavis"):
        FLICKR30K.run_with({"lavis": None}, tmp_path, split_source="lavis")
    with pytest.raises(UserError, match="no split 'choose_txt_val'"):
        ICONQA.run(tmp_path, "val", kind="choose_txt")
    with pytest.raises(UserError, match="'annotations'"):
        NOCAPS.run_with({"captions": {"images": []}}, tmp_path)
    with pytest.raises(UserError, match="no column 'answer2'"):
        IVQA.run_with({"questions": "video_id,start,end,question,answer1"}, tmp_path)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "0", "../x", "a.jpg", "\ud800", "train", "choice_0.png", "{{ x }}"])
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def places(value: object) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON value, the whole first."""
    yield ()
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, child in children:
        for place in places(child):
            yield (key, *place)


@st.composite
def spoiled(draw: st.DrawFn, case: Case) -> dict[str, object]:
    """One of the files with some places changed to anything, or with its bytes damaged."""
    role = draw(st.sampled_from(sorted(case.files)))
    name, original = case.files[role]
    content = copy.deepcopy(original)
    if not name.endswith((".json", ".jsonl")):
        cut = draw(st.integers(0, len(content)))
        return {role: content[:cut] + draw(st.text(max_size=5)) + content[cut + 1 :]}
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(content))))
        value = draw(JSON)
        if place:
            at(*place, value=value)(content)
        else:
            content = value
    damaged = to_bytes(name, content)
    if draw(st.integers(0, 3)) == 0:
        cut = draw(st.integers(0, len(damaged)))
        damaged = damaged[:cut] + draw(st.binary(max_size=3)) + damaged[cut + 1 :]
    return {role: damaged}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.reader}-{case.split}")
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_nothing_in_a_file_gives_a_traceback(
    case: Case, data: st.DataObject, tmp_path: Path
) -> None:
    with contextlib.suppress(UserError):
        case.run_with(data.draw(spoiled(case)), tmp_path)
