"""Own data in every shape of docs/own-data.md becomes records by the entry that stands there."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from shape_entries import catalog_of, entries
from shape_makers import MAKERS, Said

from instructify._util.resources import find
from instructify._util.shards import read_arrow
from instructify.build import Build, ConvertRequest, Progress, RawRoots, convert
from instructify.catalog import load_catalog
from instructify.pictures import PictureStore
from instructify.templating import load_templates

ENTRIES = entries()


class Shapes(NamedTuple):
    build: Build
    said: Mapping[str, list[Said]]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """Convert all shapes in one run."""
    root = tmp_path_factory.mktemp("shapes")
    said = {name: MAKERS[name](root / "raw" / name) for name in ENTRIES}
    own = root / "mine.yaml"
    own.write_text(catalog_of(ENTRIES), encoding="utf-8")
    catalog = load_catalog(extra=own)
    request = ConvertRequest(
        catalog=catalog,
        catalog_sha256="0" * 64,
        datasets=tuple(catalog.dataset(name) for name in ENTRIES),
        roots=RawRoots(raw=root / "raw"),
        out=root / "build",
        templates=load_templates(find("templates"), "instruction"),
        templates_folder="built-in",
        draws=1,
    )
    convert(request, Progress.for_terminal())
    return Shapes(Build.open(root / "build"), said)


def records(build: Build, name: str, split: str) -> list[dict[str, Any]]:
    shards = build.dataset(name).splits[split].record_shards
    return [row for shard in shards for row in read_arrow(build.path(shard)).to_pylist()]


def test_the_page_has_thirty_shapes_and_each_is_made_by_a_test() -> None:
    assert len(ENTRIES) >= 30
    assert set(ENTRIES) == set(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_a_shape_becomes_the_records_that_it_says(shapes: Shapes, name: str) -> None:
    splits = shapes.build.dataset(name).splits
    first = "train" if "train" in splits else next(iter(splits))
    rows = records(shapes.build, name, first)
    if name == "split_share":
        rows = sorted(
            (row for split in splits for row in records(shapes.build, name, split)),
            key=lambda row: row["position"],
        )
    said = shapes.said[name]
    assert [(row["question"], row["answer"]) for row in rows] == [one[:2] for one in said]
    for row, one in zip(rows, said, strict=True):
        more = one[2] if len(one) > 2 else None
        if more is not None and more.isdigit():
            assert len(row["pictures"]) == int(more)
        elif more is not None:
            assert row["choices"] == more.split("|")
            assert row["choices"][row["choice_index"]] == row["answer"]
    assert all(sum(of.rejects.values()) == 0 for of in splits.values())
    assert all(of.samples for of in splits.values())


def test_every_picture_of_every_shape_is_in_the_build(shapes: Shapes) -> None:
    with_pictures = 0
    store = PictureStore.open(shapes.build.paths.root)
    for name in ENTRIES:
        for split in shapes.build.dataset(name).splits:
            for row in records(shapes.build, name, split):
                with_pictures += len(row["pictures"])
                for key in row["pictures"]:
                    assert store.image(key).size == (24, 20)
    assert with_pictures > 100


def test_what_is_evaluated_on_has_all_captions_as_a_set(shapes: Shapes) -> None:
    (row,) = records(shapes.build, "several_captions", "val")
    assert (row["form"], row["answer"]) == ("caption_set", None)
    assert row["references"] == ["A red field", "All red"]
