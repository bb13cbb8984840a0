"""Goldens on the twins: what every reader reads, and how every template renders it.

A reader whose records change must raise its version, a template whose text changes too, since
builds of the past are told apart by them. After a wanted change: UPDATE_GOLDEN=1.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from twin_help import read_split

from instructify._util.resources import find
from instructify.catalog.load import load_catalog
from instructify.readers import READERS
from instructify.templating.conditions import misfit
from instructify.templating.load import load_templates
from instructify.templating.model import Template, fitting
from instructify.templating.rendering import render_row
from instructify.twins.make import WRITERS, make_twin

GOLDEN = Path(__file__).parent / "golden"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"

Records = Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """The records of every dataset whose release has a twin, read from twins of scale 0.3."""
    root = tmp_path_factory.mktemp("golden")
    make_twin(list(WRITERS), root, scale=0.3, seed=7, pictures=False)
    found = {}
    for dataset in load_catalog().datasets.values():
        if dataset.release not in WRITERS:
            continue
        rows = []
        for split in dataset.default_splits:
            rows += read_split(root, dataset.name, split).records
        found[dataset.name] = rows
    return found


def test_records_change_only_with_the_version_of_their_reader(records: Records) -> None:
    now = {}
    for name, rows in records.items():
        reader = READERS[load_catalog().dataset(name).reader]
        digest = hashlib.sha256()
        for row in rows:
            told = {key: value for key, value in row.items() if key != "fields" or value}
            digest.update(json.dumps(told, sort_keys=True).encode())
        now[name] = {"reader": reader.key, "records": len(rows), "sha256": digest.hexdigest()}
    assert all(entry["records"] for entry in now.values())
    before = _golden("records.json", now)
    for name, entry in now.items():
        assert name in before, f"{name} is new: UPDATE_GOLDEN=1"
        if entry != before[name]:
            raised = entry["reader"] != before[name]["reader"]
            hint = "UPDATE_GOLDEN=1" if raised else "raise the reader's version first"
            pytest.fail(f"{name} reads other records than before; {hint}")


def test_every_template_renders_its_twin_as_before(records: Records) -> None:
    now = {}
    for template, row, constants in _cases(records):
        rendered = render_row(template, row, constants)
        now[f"{template.key} {row['record_id']}"] = list(rendered)
    before = _golden("twin_renderings.json", now)
    assert now.keys() == before.keys(), "templates or twins changed: UPDATE_GOLDEN=1"
    for key, texts in now.items():
        assert texts == before[key], f"{key} renders differently; raise its version"


def _cases(records: Records) -> Iterator[tuple[Template, dict[str, Any], dict[str, str]]]:
    """Every template of every mode with one record of each dataset that it fits."""
    catalog = load_catalog()
    templates = load_templates(find("templates"))
    for name, rows in records.items():
        dataset = catalog.dataset(name)
        own = [t for t in templates.templates if dataset.task in (t.task, *t.tasks)]
        first = {row["form"]: row for row in reversed(rows) if row["answer"] is not None}
        first |= {row["form"]: row for row in reversed(rows) if row["form"] not in first}
        for form, row in sorted(first.items()):
            constants = {
                "dataset": name,
                "split": dataset.default_splits[0],
                "task": dataset.task,
                "form": form,
                "task_name": catalog.tasks[dataset.task].title,
                "dataset_name": dataset.title if dataset.role == "held-in" else "",
            }
            for template in fitting(own, form):
                if misfit(template, row) is None:
                    yield template, row, constants


def _golden(name: str, now: dict[str, Any]) -> dict[str, Any]:
    path = GOLDEN / name
    if UPDATE:
        path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    golden: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return golden
