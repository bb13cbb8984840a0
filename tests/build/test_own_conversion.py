"""What a conversion of own data promises: all places of pictures, true advice, round trips."""

import dataclasses
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from build_help import stamps, tree
from convert_help import convert_own, records, request_of
from export_help import export
from shape_makers import MAKERS, dump, dump_csv, photos, picture

from instructify._util.errors import UserError
from instructify.build import Build, EngineOptions, RejectsError, open_workers
from instructify.build.progress import Progress
from instructify.catalog import load_catalog
from instructify.checking import CheckRequest, examine
from instructify.commands.convert import with_all_own
from instructify.pictures import PictureStore

INSIDE = "{picture: image, question: question, answer: answer}"
HUB = f"{{task: image_qa, data: {{file: data/*.parquet, columns: {INSIDE}}}}}"
QUESTIONS = "{picture: img, question: q, answer: a}"


def own(folder: Path, **entries: str) -> Path:
    """Write a catalog of some entries."""
    path = folder / "mine.yaml"
    lines = [f"  {name}: {entry}" for name, entry in entries.items()]
    path.write_text("\n".join(["format: 1", "datasets:", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog, raw shards of Parquet with pictures inside, and their build."""
    folder = tmp_path_factory.mktemp("hub")
    MAKERS["hub_parquet"](folder / "raw" / "colours")
    catalog = own(folder, colours=HUB)
    convert_own(request_of(catalog, folder / "raw", folder / "build", "colours"))
    return folder


def test_a_second_conversion_of_embedded_pictures_changes_nothing(hub: Path) -> None:
    before, times = tree(hub / "build"), stamps(hub / "build")
    convert_own(request_of(hub / "mine.yaml", hub / "raw", hub / "build", "colours"))
    assert tree(hub / "build") == before
    assert stamps(hub / "build").keys() == times.keys()


def test_records_of_shards_say_their_file_and_its_hash(hub: Path) -> None:
    build = Build.open(hub / "build")
    rows = records(build, "colours", "train")
    assert [(row["source"][-13:], row["position"]) for row in rows] == [
        ("00002.parquet", 0),
        ("00002.parquet", 1),
    ] * 2
    assert rows[0]["record_id"] == "colours/train/data/train-00000-of-00002.parquet/0"
    assert all(sample["source_sha256"] for sample in build.samples("colours", "train"))


def test_several_processes_give_the_same_bytes(hub: Path, tmp_path: Path) -> None:
    convert_own(
        request_of(
            hub / "mine.yaml", hub / "raw", tmp_path / "b", "colours", engine=EngineOptions(jobs=2)
        )
    )
    assert tree(tmp_path / "b") == tree(hub / "build")


def test_pictures_that_stand_in_the_data_cannot_be_referred_to(hub: Path, tmp_path: Path) -> None:
    request = request_of(
        hub / "mine.yaml", hub / "raw", tmp_path / "b", "colours", pictures="reference"
    )
    with pytest.raises(UserError, match="convert with --pictures store"):
        convert_own(request)


def test_a_damaged_picture_in_the_data_is_a_reject_and_check_says_the_same(tmp_path: Path) -> None:
    data = [picture(0), picture(1)[:300], b"no picture"]
    rows = [{"image": {"bytes": one, "path": None}, "q": "Who?", "a": "me"} for one in data]
    (tmp_path / "raw" / "mine").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "raw" / "mine" / "t.parquet")
    columns = "{picture: image, question: q, answer: a}"
    catalog = own(
        tmp_path, mine=f"{{task: image_qa, data: {{file: t.parquet, columns: {columns}}}}}"
    )
    request = request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine", max_rejects=100)
    (state,) = convert_own(request)
    assert dict(state.rejects) == {"picture-truncated": 1, "not-a-picture": 1}
    again = tree(tmp_path / "b")
    convert_own(request)
    assert tree(tmp_path / "b") == again
    loaded = load_catalog(extra=catalog)
    asked = CheckRequest(catalog=loaded, datasets=[loaded.dataset("mine")], roots=request.roots)
    with open_workers(EngineOptions()) as pool:
        report = examine(asked, pool, Progress.for_terminal())
    faults = {group.cause: group.count for group in report.of("fault")}
    assert faults == {"picture-truncated": 1, "not-a-picture": 1}


def test_an_absolute_path_needs_a_root_above_it(tmp_path: Path) -> None:
    photos(tmp_path / "disk" / "a")
    rows: list[dict[str, object]] = [
        {"img": str(tmp_path / f"disk/a/{at}.jpg"), "q": "Who?", "a": "me"} for at in range(4)
    ]
    dump_csv(tmp_path / "raw" / "mine" / "t.csv", rows)
    catalog = own(tmp_path, mine=f"{{task: image_qa, data: {{file: t.csv, columns: {QUESTIONS}}}}}")
    with pytest.raises(RejectsError, match=r"give a folder above it with --images") as error:
        convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine"))
    assert "--max-rejects" not in str(error.value)
    images = (tmp_path / "disk",)
    (state,) = convert_own(
        request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine", images=images)
    )
    assert (state.samples, state.rejects.total()) == (4, 0)
    (tmp_path / "disk" / "a" / "0.jpg").unlink()
    (tmp_path / "disk" / "a" / "0.jpg").symlink_to(tmp_path / "mine.yaml")
    request = request_of(
        catalog, tmp_path / "raw", tmp_path / "c", "mine", images=images, max_rejects=50
    )
    (state,) = convert_own(request)
    assert dict(state.rejects) == {"path-outside-root": 1}


def test_wrong_rows_are_shown_and_no_larger_threshold_is_advised(tmp_path: Path) -> None:
    photos(tmp_path / "raw" / "mine")
    rows = [{"img": "0.jpg", "q": "Who?", "o": ["a", "b"], "r": at + 1} for at in range(2)]
    dump(tmp_path / "raw" / "mine" / "t.json", rows)
    columns = "{picture: img, question: q, choices: o, choice_index: r}"
    data = f"{{file: t.json, columns: {columns}}}"
    entry = f"{{task: knowledge_qa, form: multiple_choice, data: {data}}}"
    catalog = own(tmp_path, mine=entry)
    with pytest.raises(RejectsError, match=r"the first: mine/t\.json, item 1, r: 2 points past"):
        convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine"))
    mended = own(tmp_path, mine=entry.replace("{file", "{choice_base: 1, file"))
    (state,) = convert_own(request_of(mended, tmp_path / "raw", tmp_path / "b", "mine"))
    assert state.samples == 2


@pytest.mark.parametrize("rows", [[], [{"img": "../0.jpg", "q": "Who?", "a": "me"}]])
def test_a_conversion_of_which_nothing_comes_fails_unless_it_may(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    dump(tmp_path / "raw" / "mine" / "t.json", rows)
    catalog = own(
        tmp_path, mine=f"{{task: image_qa, data: {{file: t.json, columns: {QUESTIONS}}}}}"
    )
    request = request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine", max_rejects=100)
    with pytest.raises(RejectsError, match=r"no sample came of mine/t\.json \(.* bytes\)"):
        convert_own(request)
    assert not (tmp_path / "b" / "manifest.json").exists()
    allowed = request_of(
        catalog, tmp_path / "raw", tmp_path / "b", "mine", max_rejects=100, allow_empty=True
    )
    (state,) = convert_own(allowed)
    assert state.samples == 0


def test_all_own_are_those_of_the_own_file(tmp_path: Path) -> None:
    entry = f"{{task: image_qa, data: {{file: t.csv, columns: {QUESTIONS}}}}}"
    catalog = own(tmp_path, one=entry, two=entry)
    loaded = load_catalog(extra=catalog)
    assert with_all_own(loaded, ["vsr"], catalog, True) == ["vsr", "one", "two"]
    with pytest.raises(UserError, match="--all-own needs --catalog FILE"):
        with_all_own(loaded, [], None, True)


def test_own_tasks_licences_and_candidates(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "format: 1\ntasks:\n  birding: {title: Birding, forms: [open]}\ndatasets:\n  birds:\n"
        "    task: birding\n    licence: CC BY 4.0\n    home: https://example.org\n"
        "    citation: Me, 2026\n    candidates: {fixed: [wren, robin]}\n"
        f"    data: {{file: t.csv, columns: {QUESTIONS}}}\n"
    )
    loaded = load_catalog(extra=path)
    birds = loaded.dataset("birds")
    release = loaded.release_of(birds)
    assert (release.licence, release.home) == ("CC BY 4.0", "https://example.org")
    assert release.citation == "Me, 2026"
    assert birds.candidates is not None
    assert birds.candidates.values == ("wren", "robin")
    path.write_text(path.read_text().replace("  birding: {title", "  image_qa: {title"))
    with pytest.raises(UserError, match="already a task of the catalog"):
        load_catalog(extra=path)


def test_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    MAKERS["image_folder_classes"](tmp_path / "raw" / "mine" / "photos")
    catalog = own(tmp_path, mine="{task: image_classification, data: {folder: photos}}")
    with pytest.raises(UserError, match=r"folders: \{test: photos/test, train: photos/train\}"):
        convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine"))
    shutil.rmtree(tmp_path / "raw" / "mine" / "photos" / "train")
    photos(tmp_path / "raw" / "mine" / "photos" / "train", ["1.jpg"])
    (state,) = convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "c", "mine"))
    assert state.samples == 5  # a class may be called test, where pictures lie in it


EXPORTS = {
    "llava": "{task: llava_instruct, data: {file: train.json, kind: conversations}}",
    "chat": "{task: llava_instruct, data: {file: colours-train.jsonl, kind: conversations}}",
    "webdataset": "{task: llava_instruct, data: {file: colours/train-*.tar, columns: "
    "{picture: __pictures__, question: instruction, answer: response}}}",
    "parquet": "{task: llava_instruct, data: {file: colours/train-*.parquet, columns: "
    "{picture: image, question: instruction, answer: response}}}",
    "hub": "{task: llava_instruct, data: {file: data/colours/train-*.parquet, columns: "
    "{picture: image, question: instruction, answer: response}}}",
}


@pytest.mark.parametrize("shape", EXPORTS)
def test_our_own_exports_are_read_back_to_the_same_samples(
    hub: Path, tmp_path: Path, shape: str
) -> None:
    export(hub / "build", tmp_path / "raw" / "again", shape=shape, redistribute=("colours",))
    catalog = own(tmp_path, again=EXPORTS[shape])
    convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "build", "again"))
    first, second = Build.open(hub / "build"), Build.open(tmp_path / "build")

    def seen(build: Build, name: str) -> list[tuple[object, ...]]:
        store = PictureStore.open(build.paths.root)
        return [
            (row["instruction"], row["response"], *(store.bytes(key) for key in row["pictures"]))
            for row in build.samples(name, "train")
        ]

    assert len(seen(first, "colours")) == 4
    assert seen(second, "again") == seen(first, "colours")


def test_hub_addresses_say_how_to_fetch(tmp_path: Path) -> None:
    entry = HUB.replace("data/*.parquet", '"hf://datasets/me/colours/data/*.parquet"')
    catalog = own(tmp_path, colours=entry)
    (tmp_path / "raw").mkdir()
    with pytest.raises(UserError) as error:
        convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "b", "colours"))
    folder = tmp_path / "raw" / "colours"
    line = f"hf download me/colours --repo-type dataset --local-dir {folder}"
    assert line in str(error.value)
    assert json.dumps("data/*.parquet")[1:-1] in str(error.value)


def test_a_glob_that_fits_nothing_is_named_alone(tmp_path: Path) -> None:
    raw = tmp_path / "raw/mine"
    photos(raw)
    for name in ("t-0.csv", "t-1.csv"):
        dump_csv(raw / name, [{"img": "0.jpg", "q": "Q?", "a": "a"}])
    for files, lacking in (
        ("x-*.csv", "x-*.csv"),
        ("[t-*.csv, x-*.csv]", "x-*.csv"),
        ("[t-0.csv, x.csv, y-?.csv]", "x.csv, and y-?.csv"),
    ):
        entry = f"{{task: image_qa, data: {{file: {files}, columns: {QUESTIONS}}}}}"
        catalog = own(tmp_path, mine=entry)
        with pytest.raises(UserError) as error:
            convert_own(request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine"))
        assert f"mine train: {lacking} expected in {raw}. How" in str(error.value)


def test_class_folders_may_have_a_table_beside_them(tmp_path: Path) -> None:
    raw = tmp_path / "raw/mine/train"
    photos(raw / "cat", ["0.jpg", "1.jpg"])
    photos(raw / "dog", ["2.jpg"])
    dump_csv(raw / "metadata.csv", [{"file_name": "cat/0.jpg", "text": "a cat"}])
    catalog = own(tmp_path, mine="{task: image_classification, data: {folder: train}}")
    request = request_of(catalog, tmp_path / "raw", tmp_path / "b", "mine")
    with pytest.raises(RejectsError, match="a table beside class folders; map its"):
        convert_own(request)
    (state,) = convert_own(dataclasses.replace(request, max_rejects=30.0))
    assert (state.records, state.rejects) == (3, {"bad-value": 1})
    columns = "{picture: file_name, answer: text}"
    entry = f"{{task: image_captioning, data: {{folder: train, columns: {columns}}}}}"
    (state,) = convert_own(
        request_of(own(tmp_path, mine=entry), tmp_path / "raw", tmp_path / "c", "mine")
    )
    assert (state.records, state.rejects) == (1, {})
