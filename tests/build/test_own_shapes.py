"""Own data in every shape of docs/own-data.md becomes records by the entry that stands there."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
from convert_help import convert_own, records, request_of
from export_help import export
from run_help import RECIPE, losses, recipe_file, train
from shape_entries import catalog_of, entries
from shape_makers import MAKERS, Said

from instructify.build import Build
from instructify.commands.import_data import run_import
from instructify.exporting.options import Shape as Format
from instructify.pictures import PictureStore

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
    convert_own(request_of(own, root / "raw", root / "build", *ENTRIES))
    return Shapes(Build.open(root / "build"), said)


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


TRAINED = ("llava_two_pictures", "csv_questions", "hub_multiple_choice", "several_captions")
FORMATS: tuple[Format, ...] = ("llava", "chat", "webdataset", "parquet", "hub")


def recipe_of(shapes: Shapes, names: Sequence[str], folder: Path) -> Path:
    """Write a recipe of two steps with all forms that these datasets have to train on."""
    members = []
    for name in names:
        entry = shapes.build.dataset(name)
        if "train" in entry.splits:
            forms = ", ".join(entry.splits["train"].forms)
            members.append(f"    {name}: {{forms: [{forms}]}}")
    head, _, rest = RECIPE.partition("  members:\n")
    rest = rest[rest.index("model:") :].replace("steps: 6", "steps: 2")
    text = "\n".join([head + "  members:", *members, rest])
    return recipe_file(folder, text.replace("validate_every: 3", "validate_every: 0"))


def trains_and_exports(shapes: Shapes, names: Sequence[str], folder: Path, kinds: int) -> None:
    done = train(
        shapes.build.paths.root, folder / "run", recipe=recipe_of(shapes, names, folder), steps=2
    )
    assert done.code == 0, done.stderr
    assert len(losses(folder / "run")) == 2
    for number, kind in enumerate(FORMATS[:kinds]):
        receipt = export(
            shapes.build.paths.root,
            folder / str(number),
            shape=kind,
            names=tuple(names),
            redistribute=tuple(names),
        )
        assert receipt is not None
        assert any((folder / str(number)).rglob("*train*"))


def test_own_shapes_are_trained_on_for_two_steps_and_exported(
    shapes: Shapes, tmp_path: Path
) -> None:
    trains_and_exports(shapes, TRAINED, tmp_path, 1)


@pytest.mark.heavy
def test_all_shapes_are_trained_on_for_two_steps_and_exported(
    shapes: Shapes, tmp_path: Path
) -> None:
    trains_and_exports(shapes, tuple(ENTRIES), tmp_path, len(FORMATS))


def _again(kind: Format, name: str, folder: Path) -> str:
    """Write the entry that reads an export of one dataset back, as docs/own-data.md has it."""
    if kind == "llava":
        return "file: train.json, kind: conversations"
    if kind == "chat":
        return f"file: {name}-train.jsonl, kind: conversations"
    if kind == "webdataset":
        columns = "picture: __pictures__, question: instruction, answer: response"
        return f"file: {name}/train-*.tar, columns: {{{columns}}}, text_only: true"
    place = f"data/{name}" if kind == "hub" else name
    names = pq.read_schema(next((folder / place).glob("train-*.parquet"))).names
    picture = "images" if "images" in names else "image"
    columns = f"picture: {picture}, question: instruction, answer: response"
    return f"file: {place}/train-*.parquet, columns: {{{columns}}}, text_only: true"


def _seen(build: Build, names: Sequence[str]) -> list[tuple[object, ...]]:
    """List texts and pictures of what is trained on, in an order of their own."""
    store = PictureStore.open(build.paths.root)
    return sorted(
        (row["instruction"], row["response"], *(digest(store, key) for key in row["pictures"]))
        for name in names
        for row in build.samples(name, "train")
        if row["response"] is not None
    )


def digest(store: PictureStore, key: str) -> str:
    return hashlib.sha256(store.bytes(key)).hexdigest()


@pytest.mark.heavy
@pytest.mark.parametrize("kind", FORMATS)
def test_every_export_of_every_shape_is_read_back_to_the_same_samples(
    shapes: Shapes, tmp_path: Path, kind: Format
) -> None:
    names = [name for name in ENTRIES if "train" in shapes.build.dataset(name).splits]
    raw = tmp_path / "raw"
    export(
        shapes.build.paths.root,
        raw / "out",
        shape=kind,
        names=tuple(names),
        redistribute=tuple(names),
    )
    told = [names[0]] if kind == "llava" else names
    again = {
        f"{name}_again": f"{{task: llava_instruct, raw: out, data: {{{entry}}}}}"
        for name in told
        for entry in (_again(kind, name, raw / "out"),)
    }
    catalog = tmp_path / "mine.yaml"
    catalog.write_text(catalog_of(again), encoding="utf-8")
    convert_own(request_of(catalog, raw, tmp_path / "build", *again))
    wanted = _seen(shapes.build, names)
    assert len(wanted) > 100
    assert _seen(Build.open(tmp_path / "build"), list(again)) == wanted


@pytest.mark.parametrize(
    "kind",
    ["webdataset", *(pytest.param(kind, marks=pytest.mark.heavy) for kind in ("hub", "chat"))],
)
def test_import_takes_the_texts_of_an_export_as_they_are(
    shapes: Shapes, tmp_path: Path, kind: Format
) -> None:
    for name in ("llava_two_pictures", "hub_multiple_choice"):
        out = tmp_path / f"{name}_again"
        export(shapes.build.paths.root, out, shape=kind, names=(name,), redistribute=(name,))
        own = tmp_path / f"{name}.yaml"
        run_import([out], name=None, task=None, out=own)
        convert_own(request_of(own, tmp_path, tmp_path / "build", out.name))
        before, after = shapes.build, Build.open(tmp_path / "build")
        for split in before.dataset(name).splits:
            assert _texts(after, out.name, split) == _texts(before, name, split)


def _texts(build: Build, name: str, split: str) -> list[tuple[object, ...]]:
    """List the texts and the number of pictures of a split."""
    return sorted(
        (row["instruction"], row["response"] or row["references"], len(row["pictures"]))
        for row in build.samples(name, split)
    )
