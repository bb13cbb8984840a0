"""Parquet and the Hub folder as the `datasets` library reads them, and what may be shared."""

from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import datasets
import pyarrow.parquet as pq
import pytest
import yaml
from build_help import Commands, is_sentence
from export_help import expected, export, receipt, sha256, tree
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from instructify._util.errors import UserError
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.exporting.licences import accepts, parts, withheld
from instructify.exporting.push import check_repository, push_folder
from instructify.schema import SAMPLE_SCHEMA

SHAREABLE = ("coco_caption", "iconqa", "scienceqa", "vizwiz", "vqav2")
GROUP_BYTES = 10_000
SHARD_BYTES = 20_000


@pytest.fixture(scope="module")
def tables(odd_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, in small row groups and files."""
    out = tmp_path_factory.mktemp("tables") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("instructify.exporting.row_groups.GROUP_BYTES", GROUP_BYTES)
        export(odd_build, out, shape="parquet", shard_mb=1, shard_unit=SHARD_BYTES)
    return out


@pytest.fixture(scope="module")
def hub(odd_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "out"
    export(odd_build, out, shape="hub", names=SHAREABLE)
    return out


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value


def raw_bytes(row: dict[str, Any]) -> tuple[str, ...]:
    """Hash the picture bytes of a row, whatever its column is called."""
    for column in ("image", "video"):
        if column in row:
            return () if row[column] is None else (sha256(row[column]["bytes"]),)
    return tuple(sha256(one["bytes"]) for one in row["images"])


def undecoded(rows: Any) -> Any:
    """The rows with pictures as bytes; asserts that they are typed as pictures."""
    if "images" in rows.column_names:
        assert rows.features["images"] == datasets.List(datasets.Image())
        return rows.cast_column("images", datasets.List(datasets.Image(decode=False)))
    if "video" in rows.column_names:
        assert rows.features["video"] == datasets.Video()
        return rows.cast_column("video", datasets.Video(decode=False))
    assert rows.features["image"] == datasets.Image()
    return rows.cast_column("image", datasets.Image(decode=False))


def test_datasets_reads_every_sample(odd_build: Path, tables: Path, tmp_path: Path) -> None:
    told = receipt(tables)["datasets"]
    for (name, split), wanted in expected(odd_build).items():
        files = [str(tables / path) for path in told[name][split]["files"]]
        rows = undecoded(
            datasets.load_dataset(
                "parquet", data_files=files, split="train", cache_dir=str(tmp_path)
            )
        )
        assert rows.num_rows == len(wanted)
        for row, one in zip(rows, wanted, strict=True):
            assert {field: plain(row[field]) for field in SAMPLE_SCHEMA.names} == one.row
            assert raw_bytes(row) == one.pictures


def test_an_image_column_decodes(odd_build: Path, tables: Path, tmp_path: Path) -> None:
    pattern = str(tables / "vqav2" / "train-*.parquet")
    rows = datasets.load_dataset(
        "parquet", data_files={"train": pattern}, split="train", cache_dir=str(tmp_path)
    )
    build = Build.open(odd_build)
    pictures = build.pictures()
    assert pictures is not None
    for number in (0, len(rows) - 1):
        stored = pictures.image(rows[number]["pictures"][0])
        assert rows[number]["image"].convert("RGB").tobytes() == stored.tobytes()


def test_streaming(tables: Path, odd_build: Path) -> None:
    pattern = str(tables / "iconqa" / "*.parquet")
    rows = datasets.load_dataset("parquet", data_files=pattern, split="train", streaming=True)
    counts = [len(row["images"]) for row in rows]
    assert counts == [len(one.pictures) for one in expected(odd_build)["iconqa", "test"]]


def test_row_groups_and_files_are_bounded(tables: Path) -> None:
    files = sorted((tables / "coco_caption").glob("train-*.parquet"))
    assert len(files) > 1
    for path in files:
        file = pq.ParquetFile(path)
        for number in range(file.num_row_groups):
            group = file.read_row_group(number, ["image"])
            own = sum(len(one["image"]["bytes"]) for one in group.to_pylist())
            assert 0 < own <= GROUP_BYTES
        assert path.stat().st_size < SHARD_BYTES + 6 * GROUP_BYTES  # texts, and a footer


def test_a_repeated_picture_is_written_once_a_row_group(odd_build: Path, tmp_path: Path) -> None:
    export(odd_build, tmp_path / "out", shape="parquet", names=("vqav2",), splits=("train",))
    path = tmp_path / "out" / "vqav2" / "train-00000.parquet"
    sizes = {
        one["path"]: len(one["bytes"])
        for one in pq.read_table(path, columns=["image"])["image"].to_pylist()
    }
    meta = pq.ParquetFile(path).metadata
    assert meta.num_row_groups == 1
    columns = [meta.row_group(0).column(at) for at in range(meta.num_columns)]
    [stored] = [one for one in columns if one.path_in_schema == "image.bytes"]
    assert meta.num_rows > 3 * len(sizes)
    assert stored.total_compressed_size < sum(sizes.values()) * 1.02 + 10_000


def test_text_alone_has_no_picture_column(odd_build: Path, tmp_path: Path) -> None:
    export(odd_build, tmp_path / "out", shape="parquet", names=("vqav2",), pictures=False)
    schema = pq.read_schema(tmp_path / "out" / "vqav2" / "train-00000.parquet")
    assert schema.names == SAMPLE_SCHEMA.names


def test_the_hub_folder_loads_by_name(odd_build: Path, hub: Path, tmp_path: Path) -> None:
    for name in SHAREABLE:
        found = datasets.load_dataset(str(hub), name, cache_dir=str(tmp_path))
        for split, rows in found.items():
            wanted = expected(odd_build)[name, split]
            assert list(rows["sample_id"]) == [one.row["sample_id"] for one in wanted]
            assert [raw_bytes(row) for row in undecoded(rows)] == [one.pictures for one in wanted]
    assert datasets.load_dataset(str(hub), cache_dir=str(tmp_path))  # one of them is the default


def test_two_exports_of_one_name_stay_apart(odd_build: Path, tmp_path: Path) -> None:
    """The library caches by the card's text; another limit must not give the earlier rows."""
    for limit in (3, 5):
        out = tmp_path / str(limit) / "hub"
        export(odd_build, out, shape="hub", names=("vqav2",), limit=limit)
        rows = datasets.load_dataset(str(out), "vqav2", cache_dir=str(tmp_path / "cache"))
        assert len(rows["train"]) == limit


def test_the_card_names_every_licence(hub: Path) -> None:
    text = (hub / "README.md").read_text("utf-8")
    header = yaml.safe_load(text.split("---")[1])
    assert [one["config_name"] for one in header["configs"]] == sorted(SHAREABLE)
    assert header["license"] == "other"
    catalog = load_catalog()
    for name in SHAREABLE:
        release = catalog.release_of(catalog.dataset(name))
        [line] = [one for one in text.splitlines() if one.startswith(f"| {name} | [")]
        assert release.licence in line
        assert release.home in line


def test_the_same_build_gives_the_same_bytes(
    odd_build: Path, hub: Path, command: Commands, tmp_path: Path
) -> None:
    for place in ("a", "b"):
        line = ("export", odd_build, *SHAREABLE, "--to", "hub", "--out", tmp_path / place / "hub")
        assert command(*line).code == 0
    assert tree(tmp_path / "a" / "hub") == tree(tmp_path / "b" / "hub")
    assert tree(tmp_path / "a" / "hub") == tree(hub)


WITHHELD = {
    *("flickr30k", "hateful_memes", "ivqa", "msrvtt_qa", "msvd_qa", "ocr_vqa", "web_capfilt"),
}


def test_every_licence_of_the_catalog_was_judged() -> None:
    """A new or changed licence text has to be looked at: this list changes with it."""
    releases = load_catalog().releases
    assert {name for name, one in releases.items() if withheld(one.licence)} == WITHHELD
    assert withheld("") is not None
    assert withheld("CC BY 4.0") is None


def test_licences_in_parts() -> None:
    text = "CC BY 4.0, and OpenAI's terms since GPT-4 wrote the answers; photographs as COCO"
    assert len(parts(text)) == 3
    assert accepts(["CC BY 4.0", "OpenAI's terms", "COCO"], text)
    assert not accepts(["CC BY 4.0"], text)
    assert accepts(["cc by"], "CC BY 2.0")
    assert not accepts(["CC BY"], "CC BY-NC-SA 4.0")
    assert not accepts(["CC BY 4"], "CC BY 4.0")
    assert not accepts(["MIT"], "no limit stated")
    assert not accepts(["Apache-2.0"], "")


def test_only_licences(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    line = ("export", odd_build, "--to", "llava", "--no-pictures", "--out", tmp_path / "out")
    done = command(*line, "--only-licences", "CC BY 4.0", "--only-licences", "COCO")
    assert done.code == 0, done.stderr
    told = receipt(tmp_path / "out")
    assert set(told["datasets"]) == {"vqav2", "vizwiz"}
    assert set(told["unlicensed"]) == {"coco_caption", "iconqa", "msvd_qa", "scienceqa"}
    assert "for its licence" in done.stdout
    words = " ".join(done.stdout.split())
    assert "every photograph has its own Flickr licence" in words
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if "for its" in line)
    wrong = command(*line, "--only-licences", "CC BY 5.0", "--overwrite")
    assert wrong.code == 2
    assert "CC BY-NC-SA 4.0" in wrong.stderr


def test_what_may_not_be_shared_is_not_prepared_for_sharing(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("export", odd_build, "--to", "hub", "--out", tmp_path / "out")
    told = command(*line)
    assert told.code == 2
    assert is_sentence(told)
    assert "--redistribute msvd_qa" in told.stderr
    assert not (tmp_path / "out").exists()
    assert command(*line, "--redistribute", "msvd_qa").code == 0
    assert "may share: msvd_qa" in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert command(*line, "--redistribute", "msvd").code == 2


def fake_api() -> Any:
    """An object with the signatures of the real one: a wrong argument fails."""
    api = create_autospec(HfApi, instance=True)
    api.create_repo.return_value.repo_id = "me/mine"
    return api


def test_push(hub: Path) -> None:
    api = fake_api()
    assert push_folder(hub, "mine", public=False, api=api).endswith("/datasets/me/mine")
    made = api.create_repo.call_args
    assert made.args == ("mine",)
    assert made.kwargs == {"repo_type": "dataset", "private": True, "exist_ok": True}
    sent = api.upload_folder.call_args.kwargs
    assert sent["repo_id"] == "me/mine"
    assert sent["folder_path"] == hub
    assert sent["repo_type"] == "dataset"
    assert "data/**" in sent["delete_patterns"]  # what a former export had and this one lacks
    push_folder(hub, "mine", public=True, api=api)
    assert api.create_repo.call_args.kwargs["private"] is False


class RefusedError(HfHubHTTPError):
    """What the Hub says to a token without the right, made without a response."""

    def __init__(self) -> None:
        Exception.__init__(self, "403 Forbidden\nYou don't have the rights")


@pytest.mark.parametrize(
    "error",
    [
        RefusedError(),
        LocalTokenNotFoundError("no token"),
        ConnectionError("unreachable"),
    ],
)
def test_a_push_that_fails_is_one_sentence(hub: Path, error: Exception) -> None:
    api = fake_api()
    api.upload_folder.side_effect = error
    with pytest.raises(UserError) as told:
        push_folder(hub, "me/mine", public=False, api=api)
    assert "\n" not in str(told.value)
    assert "the same command" in str(told.value)


def test_names_that_the_hub_refuses() -> None:
    check_repository("me/mine")
    for name in ("a/b/c", "me/..", "-x"):
        with pytest.raises(UserError, match="--push"):
            check_repository(name)
