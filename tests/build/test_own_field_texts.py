"""Fields of own data from a column to a text, into every export and back, and what lacks them."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from convert_help import convert_own, records, request_of
from export_help import export
from shape_makers import dump_csv, photos

from instructify.build import Build, RejectsError, SplitState
from instructify.catalog import load_catalog
from instructify.lint import lint
from instructify.templating import TemplateFolders

COLUMNS = "columns: {picture: img, question: q, answer: a}"
ENTRY = f"{{task: image_qa, data: {{file: train.csv, {COLUMNS}, fields: [boxes, country]}}}}"
BARE = f"{{task: image_qa, data: {{file: train.csv, {COLUMNS}}}}}"
MINE = """
format: 1
dataset: places
fields: [boxes, country]
templates:
  - id: where
    version: 1
    forms: [open]
    instruction: "{% if country %}In {{ country }}. {% endif %}Boxes {{ boxes }}. {{ question }}"
"""
ROWS = [
    {"img": "0.jpg", "q": "What?", "a": "cat", "country": "Peru", "boxes": "[[1, 2, 3, 4]]"},
    {"img": "1.jpg", "q": "Who?", "a": "dog", "country": "", "boxes": "none"},
    {"img": "2.jpg", "q": "Why?", "a": "fun", "country": "{{ answer }}", "boxes": "x"},
]
BACK = "fields: {country: fields.country, boxes: fields.boxes}"
INSIDE = f"columns: {{picture: image, question: instruction, answer: response}}, {BACK}"
EXPORTS = {
    "llava": f"file: train.json, kind: conversations, {BACK}",
    "chat": f"file: places-train.jsonl, kind: conversations, {BACK}",
    "webdataset": "file: places/train-*.tar, columns: {picture: __pictures__, question: "
    f"instruction, answer: response}}, {BACK}",
    "parquet": f"file: places/train-*.parquet, {INSIDE}",
    "hub": f"file: data/places/train-*.parquet, {INSIDE}",
}


class Made(NamedTuple):
    folder: Path
    build: Build
    state: SplitState


def made(folder: Path, entry: str, templates: str = MINE, **options: Any) -> Made:
    """Convert with templates for this dataset alone."""
    photos(folder / "raw/places")
    dump_csv(folder / "raw/places/train.csv", [{**row} for row in ROWS])
    catalog = folder / "mine.yaml"
    catalog.write_text(f"format: 1\ndatasets:\n  places: {entry}\n", "utf-8")
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates/places.yaml").write_text(templates, "utf-8")
    folders = TemplateFolders.of(None, [folder / "templates"])
    options = {"templates": folders.load(), "templates_folder": folders.label, **options}
    request = request_of(catalog, folder / "raw", folder / "build", "places")
    (state,) = convert_own(request.__class__(**{**_values(request), **options}))
    return Made(folder, Build.open(folder / "build"), state)


def _values(request: Any) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("places"), ENTRY)


def pairs(row: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in row["fields"] or ()}


def test_a_column_reaches_the_text_as_a_value(places: Made) -> None:
    rows = list(places.build.samples("places", "train"))
    assert [row["instruction"] for row in rows] == [
        "In Peru. Boxes [[1, 2, 3, 4]]. What?",
        "Boxes none. Who?",
        "In {{ answer }}. Boxes x. Why?",
    ]
    expected = [
        {name: str(row[name]) for name in ("boxes", "country") if row[name]} for row in ROWS
    ]
    assert [pairs(row) for row in rows] == expected
    assert [pairs(row) for row in records(places.build, "places", "train")] == expected
    assert places.state.notes == []


@pytest.mark.parametrize("shape", EXPORTS)
def test_an_export_carries_the_fields_and_is_read_back(
    places: Made, tmp_path: Path, shape: str
) -> None:
    raw = tmp_path / "raw/again"
    export(places.folder / "build", raw, shape=shape, redistribute=("places",))
    catalog = tmp_path / "mine.yaml"
    entry = f"{{task: llava_instruct, data: {{{EXPORTS[shape]}}}}}"
    catalog.write_text(f"format: 1\ndatasets:\n  again: {entry}\n", "utf-8")
    convert_own(request_of(catalog, raw.parent, tmp_path / "build", "again"))
    before = list(places.build.samples("places", "train"))
    after = list(Build.open(tmp_path / "build").samples("again", "train"))
    for one, other in zip(before, after, strict=True):
        assert (one["instruction"], one["response"]) == (other["instruction"], other["response"])
        assert pairs(one) == pairs(other)


def test_without_fields_an_export_of_text_says_nothing_of_them(tmp_path: Path) -> None:
    bare = made(
        tmp_path,
        BARE,
        MINE.replace("fields: [boxes, country]\n", "").replace(
            MINE[MINE.index('"{%') :].strip(), '"{{ question }}"'
        ),
    )
    export(bare.folder / "build", tmp_path / "out", shape="llava", redistribute=("places",))
    rows = json.loads((tmp_path / "out/train.json").read_text("utf-8"))
    assert all("fields" not in row for row in rows)


def test_a_text_that_lacks_its_field_is_a_counted_reject_and_the_entry_is_told(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        RejectsError, match=r"a null is printed; null fields: \['boxes', 'country'\]"
    ):
        made(tmp_path, BARE)
    some = made(tmp_path, BARE, max_rejects=100.0, allow_empty=True)
    assert some.state.rejects == {"render-failed": 3}
    assert some.state.notes == [
        "the template places/where@1 reads boxes, country, which the entry of places does not name "
        "under 'fields'"
    ]


def test_a_field_without_effect_is_said(tmp_path: Path) -> None:
    entry = ENTRY.replace(
        "[boxes, country]", '{boxes: boxes, country: country, no: q.z, ab: "{a}"}'
    )
    (raw := tmp_path / "raw/places").mkdir(parents=True)
    raw.joinpath("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    notes = made(tmp_path, entry.replace(".csv", ".jsonl")).state.notes
    assert notes == [
        "no record has the field 'no'; look at the column that 'fields' names for it",
        "no template of places reads the field 'ab'; it is kept in records and exports alone",
        "no template of places reads the field 'no'; it is kept in records and exports alone",
    ]


def test_lint_knows_the_fields_and_that_a_record_may_lack_one(places: Made, tmp_path: Path) -> None:
    catalog = load_catalog(extra=places.folder / "mine.yaml")

    def findings(text: str) -> list[str]:
        folder = tmp_path / "t"
        folder.mkdir(exist_ok=True)
        (folder / "places.yaml").write_text(text, "utf-8")
        found = lint(folder, catalog, None).findings
        return [one.what for one in found if one.severity == "error"]

    assert findings(MINE) == [
        "the instruction prints 'boxes', which a record of image_qa open may lack"
    ]
    assert findings(MINE.replace("    forms:", "    requires: [boxes]\n    forms:")) == []
    unknown = findings(MINE.replace("[boxes, country]", "[boxes]"))
    assert all(one.startswith("unknown field 'country' (columns of your own") for one in unknown)
    assert unknown
