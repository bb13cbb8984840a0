"""Slices of the real releases through the command line: counts, pictures and provenance.

What comes out is held against what a few lines of Python find in the raw files (`real_cases`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from real_cases import CASES, ROOT, Case, find_item, raw_root, sha256
from typer.testing import CliRunner

from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.cli import app

pytestmark = pytest.mark.skipif(
    ROOT is None, reason="INSTRUCTIFY_REAL_DATA is not set: no real slices to convert"
)

PAGE = Path(__file__).parents[2] / "docs" / "real-data.md"
FIRST_OF_EACH = tuple({case.dataset: case for case in reversed(CASES) if case.records}.values())


class Converted(NamedTuple):
    """A build and what `convert --json` said of it."""

    case: Case
    build: Build
    told: Mapping[str, Any]

    def samples(self) -> list[dict[str, Any]]:
        return list(self.build.samples(self.case.dataset, self.case.split))


def convert(case: Case, out: Path, pictures: str) -> Converted:
    words = ["convert", case.dataset, "--split", case.split, "--raw", str(raw_root())]
    words += ["--out", str(out), "--pictures", pictures, "--max-rejects", "100"]
    words += ["--allow-empty", "--json"]  # of some splits no picture is at hand
    for option in case.options:
        words += ["--set", f"{case.dataset}.{option}"]
    result = CliRunner().invoke(app, words)
    assert result.exception is None, result.exception
    (told,) = json.loads(result.stdout)["datasets"]
    return Converted(case, Build.open(out), told)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def converted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Converted:
    return convert(request.param, tmp_path_factory.mktemp("real") / "build", "none")


def test_as_many_records_as_the_raw_files_hold(converted: Converted) -> None:
    case, build, told = converted
    assert told["records"] == case.records == case.counted()
    assert told["rejects"] == ({"no-annotation": case.no_annotation} if case.no_annotation else {})
    assert len(build.records(case.dataset, case.split)) == case.records
    assert len(build.samples(case.dataset, case.split)) == told["samples"] >= case.records


def test_the_page_states_what_came(converted: Converted) -> None:
    page, told = stated(converted.case), converted.told
    assert (page.records, page.no_pictures) == (told["records"], told["samples"])


class Stated(NamedTuple):
    """A row of docs/real-data.md, from its column `records` on."""

    records: int
    no_pictures: int
    with_pictures: int
    rejects: dict[str, int]


def stated(case: Case) -> Stated:
    """Look up what the page says of a conversion."""
    start = f"| {case.dataset} | {case.split} | {', '.join(case.options) or '-'} |"
    (row,) = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(start)]
    *numbers, rejects = [cell.strip() for cell in row.removeprefix(start).strip(" |").split("|")]
    records, no_pictures, with_pictures = (int(one.replace(",", "")) for one in numbers)
    reasons = [one.split() for one in rejects.split(", ")] if rejects != "-" else []
    return Stated(
        records, no_pictures, with_pictures, {name: int(number) for number, name in reasons}
    )


def test_ten_samples_point_to_their_raw_items(converted: Converted) -> None:
    samples = converted.samples()
    for sample in samples[:: max(1, len(samples) // 10)]:
        item = find_item(sample)
        assert sample["record_id"].split("/", 2)[2] == item.raw_id
        texts = [sample["instruction"], sample["response"] or "", *(sample["references"] or ())]
        assert _words(item.text).lower() in _words(" | ".join(texts)).lower()  # capfirst
        assert sample["source_sha256"] == sha256(sample["source"])


def _words(text: str) -> str:
    return " ".join(text.split())


def test_choices_made_agree_with_the_texts(converted: Converted) -> None:
    for sample in converted.samples():
        response, candidates = sample["response"], sample["candidates"]
        if sample["choice_index"] is not None and candidates is not None:
            assert candidates[sample["choice_index"]] == response
        if sample["answer_choice"] is not None:
            target = sample["references"][sample["answer_choice"]]
            assert response == target
        if sample["form"] == "multiple_choice":
            assert all(choice in sample["instruction"] for choice in candidates)


def test_texts_are_well_set(converted: Converted) -> None:
    for sample in converted.samples():
        for text in (sample["instruction"], sample["response"] or "-"):
            assert text == text.strip() != ""
        assert "<image>" not in sample["instruction"]


@pytest.fixture(scope="module", params=FIRST_OF_EACH, ids=lambda case: case.name)
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Converted, Converted]:
    folder = tmp_path_factory.mktemp("pictures")
    return (
        convert(request.param, folder / "store", "store"),
        convert(request.param, folder / "reference", "reference"),
    )


def test_pictures_are_those_that_lie_in_the_raw_root(stored: tuple[Converted, Converted]) -> None:
    store, reference = stored
    assert store.told == reference.told
    page = stated(store.case)
    assert (page.with_pictures, page.rejects) == (store.told["samples"], store.told["rejects"])
    build = store.build
    ledger = build.paths.root / "rejects" / f"{store.case.dataset}.jsonl"
    lost = [json.loads(line) for line in ledger.open()] if ledger.exists() else []
    missing = [one for one in lost if one["reason"] == "picture-missing"]
    kept = {sample["record_id"] for sample in store.samples()}
    assert len(kept) + len(missing) == store.case.records
    if store.case.dataset != "web_capfilt":
        assert {one["detail"].partition(":")[0] for one in missing} & _keys_of_files() == set()
    pictures = build.pictures()
    for key in {key for sample in store.samples() for key in sample["pictures"]}:
        assert pictures is not None
        assert len(pictures.bytes(key)) == pictures.facts(key).size_bytes > 0


def _keys_of_files() -> set[str]:
    """Keys under which the pictures below the raw root could be named, by stem and by path."""
    paths = [path for path in raw_root().rglob("*") if path.suffix in (".jpg", ".png", ".mp4")]
    keys = {f"{path.parts[-5]}/{'/'.join(path.parts[-4:])}" for path in paths}
    for path in paths:
        stem = path.stem.rpartition("_")[2] if path.stem.startswith("COCO_") else path.stem
        keys |= {f"{family}/{stem}" for family in ("coco", "openimages", "vg", "gqa", "flickr")}
        keys |= {f"msvd/{path.stem}", f"vizwiz/{path.name}"}
    return keys


def test_every_release_without_a_slice_is_known() -> None:
    catalog = load_catalog()
    releases = {dataset.release for dataset in catalog.datasets.values()}
    covered = {catalog.dataset(case.dataset).release for case in CASES}
    assert releases - covered == {"textcaps", "hateful_memes", "ivqa"}
