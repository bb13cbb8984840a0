"""Large raw files read range by range: the bytes of one reader, whatever the files hold."""

import json
import tempfile
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from range_help import Outcome, both, unit_of

from instructify._util.errors import UserError
from instructify.build import range_shards, records
from instructify.build.engine_options import EngineOptions, Part
from instructify.build.part_workers import PartDone
from instructify.build.paths import BuildPaths
from instructify.build.progress import Progress
from instructify.build.range_stage import with_ranges
from instructify.build.ranges import RangeReceipt, RangeUnit, range_rows, run_range
from instructify.build.site import open_site
from instructify.readers import A_LIST, Ranges

WORDS = st.text(st.characters(codec="utf-8"), max_size=9) | st.sampled_from(
    ["}, {", '"}], "', '}, {"image": "', "is it red?", "yes", '{"question_id": 3}']
)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (records, range_shards):
        monkeypatch.setattr(module, "SHARD_ROWS", 7)


def vqa_files(folder: Path, rows: list[tuple[str, str, str]]) -> dict[str, Path]:
    """Write questions and annotations, one of each a row of question, answer and kind."""
    questions = [
        {"image_id": at // 3, "question": text, "question_id": 1000 * (at // 3) + at % 3}
        for at, (text, _, _) in enumerate(rows)
    ]
    annotations = [
        {
            "answer_type": kind,
            "multiple_choice_answer": answer,
            "answers": [{"answer": answer, "answer_id": number} for number in range(3)],
            "image_id": at // 3,
            "question_id": 1000 * (at // 3) + at % 3,
        }
        for at, (_, answer, kind) in enumerate(rows)
    ]
    paths = {role: folder / f"{role}.json" for role in ("questions", "annotations")}
    paths["questions"].write_text(json.dumps({"info": {}, "questions": questions}))
    paths["annotations"].write_text(json.dumps({"annotations": annotations, "info": {}}))
    return paths


def dialogs(number: int, turns: int = 4) -> list[dict[str, Any]]:
    """Make dialogues of LLaVA."""
    return [
        {
            "id": "1",
            "image": f"{at:012}.jpg",
            "conversations": [
                {"from": ("human", "gpt")[turn % 2], "value": f"said {at} {turn}"}
                for turn in range(turns)
            ],
        }
        for at in range(number)
    ]


def questions(number: int) -> dict[str, dict[str, Any]]:
    """Make questions of GQA."""
    return {
        f"{at:05}": {
            "semantic": [{"operation": "select", "argument": "}, {"}],
            "question": f"What is {at}?",
            "imageId": f"{at // 2}",
            "answer": "a thing" if at % 3 else "yes",
            "types": {"structural": ("query", "verify", "choose")[at // 9 % 3]},
        }
        for at in range(number)
    }


@given(
    rows=st.lists(
        st.tuples(
            st.just("what is it?") | WORDS,
            st.just("yes") | WORDS,
            st.sampled_from(["other", "number", "yes/no"]),
        ),
        min_size=1,
        max_size=40,
    ),
    range_bytes=st.integers(120, 4000),
)
@settings(max_examples=12, deadline=None)
def test_any_joined_files(rows: list[tuple[str, str, str]], range_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        files = vqa_files(Path(name), rows)
        one, many = both("vqav2", "train", files, Path(name), range_bytes)
    assert (many.refused, many.files) == (one.refused, one.files)


@given(
    number=st.integers(1, 40),
    range_bytes=st.integers(150, 4000),
    indent=st.sampled_from([None, 1]),
    damage=st.lists(
        st.tuples(
            st.integers(0, 9999), st.sampled_from([b"", b"}", b"]", b'"', b"\xff", b",", b" "])
        ),
        max_size=2,
    ),
    cut=st.integers(0, 200) | st.just(0),
    kind=st.sampled_from(["llava_detail", "gqa"]),
)
@settings(max_examples=25, deadline=None)
def test_any_damage(
    number: int,
    range_bytes: int,
    indent: int | None,
    damage: list[tuple[int, bytes]],
    cut: int,
    kind: str,
) -> None:
    items = dialogs(number) if kind == "llava_detail" else questions(number)
    data = json.dumps(items, indent=indent).encode()
    for at, instead in damage:
        place = at % len(data)
        data = data[:place] + instead + data[place + 1 :]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "raw.json")
        path.write_bytes(data[: len(data) - cut])
        role = "data" if kind == "llava_detail" else "questions"
        one, many = both(kind, "train", {role: path}, Path(name), range_bytes)
    assert (many.refused, many.files) == (one.refused, one.files)


def visdial(number: int, tables_first: bool) -> bytes:
    """Make dialogues that name questions and answers by number, some of which are not good."""
    questions = [f"is {at} a dog" if at % 9 else " " for at in range(40)]
    answers = ["no", "yes", "}, {", '{"image_id": 3}', "red"]
    dialogs = [
        {
            "image_id": at,
            "caption": f"a thing {at}",
            "dialog": [
                {
                    "question": (5 * at + turn + 1) % (42 if at % 11 == 5 else 40),
                    "answer": turn,
                    "answer_options": [turn, 4 - turn],
                    "gt_index": 0,
                }
                for turn in range(3)
            ],
        }
        for at in range(number)
    ]
    tables = {"questions": questions, "answers": answers}
    lists = {"dialogs": dialogs}
    data = {**tables, **lists} if tables_first else {**lists, **tables}
    return json.dumps({"version": "1.0", "data": data, "split": "train"}).encode()


@pytest.mark.parametrize("tables_first", [True, False])
def test_dialogues_share_their_tables(tmp_path: Path, tables_first: bool) -> None:
    (tmp_path / "data.json").write_bytes(visdial(60, tables_first))
    files = {"data": tmp_path / "data.json"}
    one, many = both("visdial", "train", files, tmp_path, 1500)
    assert many.by_ranges
    assert many.files == one.files
    assert b"no question has this number" in one.files["rejects.jsonl"]


@given(
    place=st.integers(0, 99_999),
    instead=st.sampled_from([b"", b"}", b"]", b'"', b"\xff", b",", b"7", b"{"]),
    cut=st.integers(0, 900) | st.just(0),
    tables_first=st.booleans(),
    range_bytes=st.integers(400, 4000),
)
@settings(max_examples=8, deadline=None)
def test_damaged_dialogues_and_tables(
    place: int, instead: bytes, cut: int, tables_first: bool, range_bytes: int
) -> None:
    data = visdial(40, tables_first)
    place %= len(data)
    data = (data[:place] + instead + data[place + 1 :])[: len(data) - cut]
    with tempfile.TemporaryDirectory() as name:
        Path(name, "data.json").write_bytes(data)
        files = {"data": Path(name, "data.json")}
        one, many = both("visdial", "train", files, Path(name), range_bytes)
    assert (many.refused, many.files) == (one.refused, one.files)


def test_rows_of_textcaps_are_split_in_training_alone(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image_id": f"x{at // 5}", "caption_str": f"a sign {at}", "caption_id": at}
        for at in range(100)
    ]
    rows[33]["caption_str"] = " "
    (tmp_path / "data.json").write_text(json.dumps({"dataset_type": "train", "data": rows}))
    for split, is_split in (("train", True), ("val", False)):
        files = {"captions": tmp_path / "data.json"}
        one, many = both("textcaps", split, files, tmp_path / split, 1500)
        assert (one.by_ranges, many.by_ranges) == (False, is_split)
        assert many.files == one.files
        assert b"empty-text" in one.files["rejects.jsonl"]


def test_good_files_are_read_range_by_range(tmp_path: Path) -> None:
    rows = [(f"what is {at}?", "red" if at % 5 else "no", "other") for at in range(100)]
    (tmp_path / "data.json").write_text(json.dumps(dialogs(60)))
    (tmp_path / "gqa.json").write_text(json.dumps(questions(90), indent=2))
    cases = {
        "vqav2": ("train", vqa_files(tmp_path, rows)),
        "vqav2_qg": ("train", vqa_files(tmp_path, rows)),
        "llava_detail": ("train", {"data": tmp_path / "data.json"}),
        "gqa": ("train", {"questions": tmp_path / "gqa.json"}),
    }
    for name, (split, files) in cases.items():
        one, many = both(name, split, files, tmp_path / name, 2000)
        assert (one.by_ranges, many.by_ranges) == (False, True), name
        assert many.files == one.files, name
        assert len(one.files) > 5, "several shards"


def test_items_that_a_reader_rejects_keep_their_positions(tmp_path: Path) -> None:
    items = dialogs(60)
    for at in (3, 17, 31, 59):
        items[at]["conversations"][at % 4]["value"] = "  "
    items[40]["image"] = "../40.jpg"
    (tmp_path / "data.json").write_text(json.dumps(items))
    one, many = both("llava_detail", "train", {"data": tmp_path / "data.json"}, tmp_path, 1500)
    assert many.by_ranges
    assert many.files == one.files
    places = [json.loads(line)["position"] for line in many.files["rejects.jsonl"].splitlines()]
    assert places == [3, 17, 31, 40, 59]


@pytest.mark.parametrize("far", [True, False])
def test_an_id_that_is_there_twice(tmp_path: Path, far: bool) -> None:
    rows = list(questions(60).items())
    rows.insert(50 if far else 4, (rows[3][0], {**rows[3][1], "question": "Again?"}))
    text = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in rows)
    (tmp_path / "gqa.json").write_text("{" + text + "}")
    one, many = both("gqa", "train", {"questions": tmp_path / "gqa.json"}, tmp_path, 1500)
    assert many.files == one.files


@pytest.mark.parametrize(
    "change", ["swap", "no-annotation", "no-question", "empty-question", "wrong-type"]
)
def test_joins_that_do_not_match(tmp_path: Path, change: str) -> None:
    rows = [(f"what is {at}?", "red", "other") for at in range(80)]
    files = vqa_files(tmp_path, rows)
    asked = json.loads(files["questions"].read_text())
    noted = json.loads(files["annotations"].read_text())
    if change == "swap":
        noted["annotations"][10:12] = noted["annotations"][11:9:-1]
    elif change == "no-annotation":
        del noted["annotations"][33]
    elif change == "no-question":
        del asked["questions"][33]
    elif change == "empty-question":
        asked["questions"][33]["question"] = " "
    else:
        noted["annotations"][33]["answers"] = "red"
    files["questions"].write_text(json.dumps(asked))
    files["annotations"].write_text(json.dumps(noted))
    one, many = both("vqav2", "train", files, tmp_path, 1500)
    assert many.files == one.files
    assert one.files


def test_several_files_in_a_row(tmp_path: Path) -> None:
    files = {}
    for part in range(10):
        items = {f"{part}{key}": value for key, value in questions(20 + part).items()}
        files[f"part_{part}"] = tmp_path / f"part{part}.json"
        files[f"part_{part}"].write_text(json.dumps(items))
    one, many = both("gqa", "train", files, tmp_path, 2500)
    assert many.by_ranges
    assert many.files == one.files


def test_a_false_border_is_read_across(tmp_path: Path) -> None:
    inner = {"question": "x", "imageId": "1", "answer": "y", "semantic": [], "types": {}}
    items = questions(30)
    items["00010"]["extra"] = {f"n{at}": inner for at in range(15)}  # looks like items
    (tmp_path / "gqa.json").write_text(json.dumps(items))
    one, many = both("gqa", "train", {"questions": tmp_path / "gqa.json"}, tmp_path, 1500)
    assert many.by_ranges
    assert many.files == one.files


def test_a_limit_and_small_files_are_left_to_one_reader(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(dialogs(60)))
    files = {"data": tmp_path / "data.json"}
    _, limited = both("llava_detail", "train", files, tmp_path / "a", 1500, limit=3)
    _, small = both("llava_detail", "train", files, tmp_path / "b", 1 << 20)
    assert not limited.by_ranges
    assert not small.by_ranges


def pairs(number: int, first: int) -> list[dict[str, str]]:
    """Make pairs of CapFilt, whose urls come again."""
    return [
        {"url": f"http://{(at * at + first) % 29}.org/x.jpg", "caption": f"a thing {at}"}
        for at in range(number)
    ]


@pytest.mark.parametrize(
    "choices", [{}, {"per_url": "one"}, {"sample": 31}, {"sources": "laion", "captions": "web"}]
)
def test_captions_are_numbered_over_all_lists(
    tmp_path: Path, choices: dict[str, str | int]
) -> None:
    files = {}
    for at, role in enumerate(("ccs_web", "ccs_synthetic", "laion_web", "ccs_synthetic_large")):
        items = pairs(40 + at, at)
        items[7]["caption"] = " "
        items[23]["url"] = "ftp://x"
        files[role] = tmp_path / f"{role}.json"
        files[role].write_text(json.dumps(items))
    one, many = both("web_capfilt", "train", files, tmp_path, 700, options=choices)
    assert many.by_ranges
    assert many.files == one.files
    assert one.files


@pytest.mark.parametrize("kind", ["llava_detail", "visdial"])
def test_parts_read_the_ranges_of_one_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    data = json.dumps(dialogs(60)).encode() if kind == "llava_detail" else visdial(40, False)
    (tmp_path / "data.json").write_bytes(data)
    files = {"data": tmp_path / "data.json"}
    one, _ = both(kind, "train", files, tmp_path / "one", 1500)
    paths = BuildPaths(tmp_path / "build")
    made: list[str] = []

    @wraps(run_range)
    def noted(unit: RangeUnit) -> RangeReceipt:
        made.append(unit.name)
        return run_range(unit)

    monkeypatch.setattr("instructify.build.range_stage.run_range", noted)
    for number in (2, 1):
        engine = EngineOptions(part=Part(number=number, total=2, stage="records"))
        with open_site(engine, paths) as pool, suppress(PartDone):
            unit = unit_of(kind, "train", files, paths.staging)
            ranged = with_ranges([unit], engine, pool, Progress(shown=False), 1500)
            pool.map(records.run_records, ranged, stage="records")
    unit = unit_of(kind, "train", files, paths.staging)
    assert Outcome(unit).files == one.files
    assert len(made) == len(set(made)) > 3, "no part reads what another has read"


def test_a_killed_range_leaves_nothing_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(dialogs(60)))
    unit = unit_of("llava_detail", "train", {"data": tmp_path / "data.json"}, tmp_path / "staging")
    cut = {"data": (0, (tmp_path / "data.json").stat().st_size)}
    ranges = Ranges(places={"data": A_LIST})
    receipt = run_range(
        RangeUnit(records=unit, ranges=ranges, cut=cut, first={"data": 0}, durable=True)
    )
    assert receipt.folder is not None
    rows = receipt.folder / "rows.arrows"
    rows.write_bytes(rows.read_bytes()[:-4000])
    with pytest.raises(UserError, match="damaged or gone"):
        range_rows(receipt.folder, receipt.rows)
