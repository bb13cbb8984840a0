"""Fields of own data in prompts of protocols and in the conditions of templates."""

import dataclasses
from pathlib import Path

import pytest
from convert_help import convert_own, request_of
from shape_makers import photos

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog, load_catalog
from instructify.lint import lint
from instructify.protocols import Protocol, named_protocol, protocol_folders, read_questions
from instructify.templating import TemplateFolders, load_templates

ENTRY = """
format: 1
datasets:
  places:
    task: image_qa
    data:
      file: t.csv
      split: val
      columns: {picture: img, question: q, answer: a}
      fields: [country]
"""
PROTOCOL = """
format: 1
dataset: places
%sprotocols:
  - id: default
    version: 1
    split: val
    form: open
    instruction: "%s"
    decode: {method: generate, beams: 2}
    score: official
    sources: {split: ours, instruction: ours, decode: ours, score: ours}
"""
TEMPLATES = """
format: 1
dataset: places
fields: [country]
templates:
  - {id: short, version: 1, forms: [open], instruction: "S {{ question }}",
     at_most_words: {country: 1}, unless_begins: {country: [al]}}
  - {id: long, version: 1, forms: [open], begins: {country: [sri, al]},
     instruction: "L {{ question }}"}
"""
IN = "{% if country %}In {{ country }}: {% endif %}{{ question }}"


def table(folder: Path) -> Path:
    photos(folder / "raw/places")
    rows = ["0.jpg,Q0?,a,Peru", "1.jpg,Q1?,a,Sri Lanka", "2.jpg,Q2?,a,", "3.jpg,Q3?,a,Al-Andalus"]
    text = "\n".join(["img,q,a,country", *rows, ""])
    (folder / "raw/places/t.csv").write_text(text, encoding="utf-8")
    (folder / "mine.yaml").write_text(ENTRY, encoding="utf-8")
    return folder / "mine.yaml"


def protocol_of(folder: Path, catalog: Catalog, prompt: str, top: str = "") -> Protocol:
    path = folder / "own/protocols/places.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROTOCOL % (top, prompt), encoding="utf-8")
    added = protocol_folders(TemplateFolders.of(added=[folder / "own"]))
    return named_protocol(catalog, "places", folder=added)


def test_a_prompt_reads_the_fields_of_the_entry_or_of_its_file(tmp_path: Path) -> None:
    own = table(tmp_path)
    catalog = load_catalog(extra=own)
    convert_own(request_of(own, tmp_path / "raw", tmp_path / "build", "places"))
    build = Build.open(tmp_path / "build")
    for top in ("", "fields: [country]\n"):
        protocol = protocol_of(tmp_path, catalog, IN, top)
        asked = read_questions(build, protocol, catalog, TemplateFolders.of())
        assert [row.instruction for row in asked.rows] == [
            "In Peru: Q0?",
            "In Sri Lanka: Q1?",
            "Q2?",
            "In Al-Andalus: Q3?",
        ]
    plain = named_protocol(catalog, "places")
    assert "own_fields" not in plain.value()


def test_a_field_that_nobody_names_is_refused(tmp_path: Path) -> None:
    catalog = load_catalog(extra=table(tmp_path))
    with pytest.raises(UserError, match="unknown field 'continent'"):
        protocol_of(tmp_path, catalog, "{{ continent }} {{ question }}")
    with pytest.raises(UserError, match="'question' has a meaning in templates already"):
        protocol_of(tmp_path, catalog, "{{ question }}", "fields: [question]\n")


def test_conditions_look_at_fields_in_rows_as_in_columns(tmp_path: Path) -> None:
    own = table(tmp_path)
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "places.yaml").write_text(TEMPLATES, encoding="utf-8")
    request = request_of(own, tmp_path / "raw", tmp_path / "build", "places")
    templates = load_templates(folder, "instruction")
    convert_own(dataclasses.replace(request, templates=templates))
    rows = Build.open(tmp_path / "build").samples("places", "val")
    assert [row["instruction"] for row in rows] == ["S Q0?", "L Q1?", "S Q2?", "L Q3?"]


def test_a_condition_on_a_list_or_an_unnamed_field_is_refused(tmp_path: Path) -> None:
    for name in ("choices", "continent"):
        text = TEMPLATES.replace("at_most_words: {country", f"at_most_words: {{{name}")
        (tmp_path / "places.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=f"unknown key '{name}' in"):
            load_templates(tmp_path, "instruction")


def test_lint_reads_the_fields_of_a_file_of_protocols(tmp_path: Path) -> None:
    catalog = load_catalog(extra=table(tmp_path))
    (tmp_path / "own").mkdir()
    (tmp_path / "own/places.yaml").write_text(TEMPLATES, encoding="utf-8")
    for top, wrong in (("fields: [country]\n", False), ("", True)):
        protocol_of(tmp_path, catalog, IN, top)
        report = lint(tmp_path / "own", catalog, None)
        assert any("country" in finding.what for finding in report.findings) == wrong
