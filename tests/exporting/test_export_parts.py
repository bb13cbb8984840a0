"""Exports in pieces: by processes or parts, killed or run twice, the bytes are the same."""

import itertools
import random
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from build_help import Commands, is_sentence
from export_help import export, tree

from instructify._util.shards import read_arrow, write_arrow
from instructify.build.manifest import file_entry, read_manifest
from instructify.build.paths import shard_name
from instructify.build.unit_folder import publish_folder
from instructify.build.workers import LocalWorkers
from instructify.exporting import energon_rows, pieces, planning, row_groups, webdataset
from instructify.exporting.folder import pieces_beside
from instructify.exporting.options import ExportOptions, PictureFolders
from instructify.exporting.piece_units import PieceUnit, Work, find_piece
from instructify.exporting.rows import RowSpan
from instructify.schema import SAMPLE_SCHEMA

HERE = LocalWorkers(None)
MOST_SAMPLES = 11  # of a tar
ROWS = 13  # of a shard of samples: two draws of a record may lie in two shards
CASES: dict[str, dict[str, Any]] = {
    "all": {},
    "first draws": {"draws": "first", "limit": 29},
    "text": {"pictures": False, "splits": ("test", "val")},
}


@pytest.fixture(scope="module")
def shards(odd_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build with its samples in many shards."""
    build = tmp_path_factory.mktemp("shards") / "build"
    shutil.copytree(odd_build, build)
    manifest = read_manifest(build / "manifest.json")
    assert manifest is not None
    for dataset, entry in manifest.datasets.items():
        for split, of in entry.splits.items():
            [name] = of.sample_shards
            table = read_arrow(build / name, SAMPLE_SCHEMA).combine_chunks()
            del manifest.files[name]
            (build / name).unlink()
            of.sample_shards.clear()
            for number, start in enumerate(range(0, len(table), ROWS)):
                name = shard_name("samples", dataset, split, number)
                some = table.slice(start, ROWS).to_batches()
                facts = write_arrow(build / name, SAMPLE_SCHEMA, some)
                manifest.files[name] = file_entry(facts)
                of.sample_shards.append(name)
    (build / "manifest.json").write_bytes(manifest.to_bytes())
    return build


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files, row groups and units be small, so that there are many of each."""
    monkeypatch.setattr(row_groups, "GROUP_BYTES", 10_000)
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 20)
    monkeypatch.setattr(energon_rows, "HELD_ROWS", 7)
    monkeypatch.setattr(webdataset, "MAX_SHARD_SAMPLES", MOST_SAMPLES)
    monkeypatch.setattr(planning, "MAX_SHARD_SAMPLES", MOST_SAMPLES)
    monkeypatch.setattr(planning, "FILES_A_PIECE", 2)
    monkeypatch.setattr(planning, "GROUPS_A_UNIT", 3)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", ["llava", "chat", "webdataset", "parquet"])
def test_pieces_give_the_bytes_of_one_process(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, case: str
) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # of a thousand small files
    options = {"shape": shape, "shard_mb": 1, "shard_unit": 15_000, **CASES[case]}
    told = export(shards, tmp_path / "whole", **options)
    assert export(shards, tmp_path / "pieces", workers=HERE, **options) == told
    assert tree(tmp_path / "pieces") == tree(tmp_path / "whole")
    assert not pieces_beside(tmp_path / "pieces").exists()
    if shape in ("webdataset", "parquet") and case == "all":
        assert len(told.datasets["vqav2"]["train"].files) > 2 * planning.FILES_A_PIECE


@pytest.mark.parametrize("shape", ["llava", "webdataset", "hub"])
def test_parts_in_any_order(shards: Path, command: Commands, tmp_path: Path, shape: str) -> None:
    """Three parts, of which one is killed and another is run twice, then the whole."""
    names = ("vqav2", "vizwiz", "--redistribute", "vqav2", "--redistribute", "vizwiz")
    line = ("export", shards, *names, "--to", shape, "--shard-mb", 1)
    assert command(*line, "--out", tmp_path / "whole").code == 0
    out = tmp_path / "out"
    chance = random.Random(shape)
    order = chance.sample((1, 2, 3), 3)
    for number in (*order, order[2]):
        part = (*line, "--out", out, "--part", f"{number}/3")
        if number == order[0]:
            assert command(*part, fault=("kill", "any", chance.randint(3, 30))).code in (0, 9)
        answer = command(*part)
        assert answer.code == 0, answer.stderr
        assert f"part {number}/3 of export" in answer.stdout
        assert not out.exists()
    struck = command(*line, "--out", out, fault=("kill", "any", chance.randint(1, 12)))
    assert struck.code in (0, 9)
    assert command(*line, "--out", out).code == 0
    assert tree(out) == tree(tmp_path / "whole")
    assert list(tmp_path.glob(".out.*")) == []
    late = command(*line, "--out", out, "--part", "1/3")
    assert late.code == 0
    assert "unchanged" in late.stdout
    assert list(tmp_path.glob(".out.*")) == []


@pytest.mark.heavy
@pytest.mark.parametrize("shape", ["llava", "webdataset"])
def test_the_last_command_is_killed_at_any_call(
    shards: Path, command: Commands, tmp_path: Path, shape: str
) -> None:
    """Also between the moves of two folders of pictures; the next one ends at the same bytes."""
    line = ("export", shards, "vqav2", "vizwiz", "--to", shape, "--out")
    assert command(*line, tmp_path / "whole").code == 0
    wanted, out = tree(tmp_path / "whole"), tmp_path / "out"
    assert command(*line, out, "--part", "1/1").code == 0
    kept = shutil.copytree(pieces_beside(out), tmp_path / "kept")
    calls = command(*line, out, fault=("kill", "any", 0)).calls
    for at in range(calls, 0, -max(1, calls // 20)):
        shutil.rmtree(out)
        shutil.copytree(kept, pieces_beside(out), dirs_exist_ok=True)
        assert command(*line, out, fault=("kill", "any", at)).code == 9
        assert not out.exists() or tree(out) == wanted
        assert command(*line, out).code == 0
        assert tree(out) == wanted
        assert list(tmp_path.glob(".out.*")) == []


@pytest.mark.heavy
def test_the_part_that_fills_the_index_is_killed_at_any_call(
    shards: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("export", shards, "vizwiz", "vqav2", "--to", "webdataset", "--no-pictures", "--out")
    assert command(*line, tmp_path / "whole").code == 0
    wanted, out = tree(tmp_path / "whole"), tmp_path / "out"
    assert command(*line, out, "--part", "2/2").code == 0
    kept = shutil.copytree(pieces_beside(out), tmp_path / "kept")
    calls = command(*line, out, "--part", "1/2", fault=("kill", "any", 0)).calls
    assert len(list(pieces_beside(out).glob("*/index.sqlite"))) == 2
    for at in range(calls, 0, -max(1, calls // 20)):
        shutil.rmtree(pieces_beside(out))
        shutil.copytree(kept, pieces_beside(out))
        assert command(*line, out, "--part", "1/2", fault=("kill", "any", at)).code == 9
        assert command(*line, out).code == 0
        assert tree(out) == wanted
        assert list(tmp_path.glob(".out.*")) == []
        shutil.rmtree(out)
        pieces_beside(out).mkdir()


@pytest.mark.parametrize("shape", ["chat", "webdataset"])
def test_processes_write_the_same(
    shards: Path, command: Commands, tmp_path: Path, shape: str
) -> None:
    line = ("export", shards, "vqav2", "vizwiz", "--to", shape, "--out")
    assert command(*line, tmp_path / "one").code == 0
    assert command(*line, tmp_path / "two", "--jobs", 2).code == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_piece_that_two_write_at_once(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a unit is published, another process publishes the same unit."""
    raced: set[PieceUnit] = set()

    def second(place: Path, final: Path, receipt: Any, find: Any) -> Any:
        unit = find.__closure__[0].cell_contents
        if unit not in raced:
            raced.add(unit)
            assert pieces.run_piece(unit) == receipt
        return publish_folder(place, final, receipt, find)

    options: dict[str, Any] = {"shape": "webdataset", "names": ("vizwiz",)}
    export(shards, tmp_path / "whole", **options)
    monkeypatch.setattr(pieces, "publish_folder", second)
    export(shards, tmp_path / "raced", workers=HERE, **options)
    assert raced
    assert tree(tmp_path / "raced") == tree(tmp_path / "whole")


def test_a_damaged_piece_is_written_again(shards: Path, tmp_path: Path) -> None:
    """A unit whose file is shorter than its receipt says is not taken for done."""
    options: dict[str, Any] = {"shape": "parquet", "names": ("vqav2",), "pictures": False}
    export(shards, tmp_path / "whole", **options)
    out = tmp_path / "out"
    seen: list[PieceUnit] = []

    class Stopping(LocalWorkers):
        """Ends when all pieces are written, as a kill does."""

        def map(self, function: Any, units: Any, done: Any = None, **more: Any) -> Any:
            receipts = super().map(function, units, done, **more)
            seen.extend(
                unit for unit in units if isinstance(unit, PieceUnit) and unit.what == "rows"
            )
            if seen:
                raise KeyboardInterrupt
            return receipts

    with pytest.raises(KeyboardInterrupt):
        export(shards, out, workers=Stopping(None), **options)
    file = next(seen[0].folder.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    assert find_piece(seen[0]) is None
    export(shards, out, workers=HERE, **options)
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("more", [("--part", "4/3"), ("--part", "x"), ("--part", "0/2")])
def test_parts_that_are_refused(
    shards: Path, command: Commands, tmp_path: Path, more: tuple[str, ...]
) -> None:
    answer = command("export", shards, "--to", "chat", "--out", tmp_path / "out", *more)
    assert answer.code == 2
    assert is_sentence(answer)
    assert "i/n" in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_tars_begin_where_the_writer_begins_them() -> None:
    """Each tar takes as many samples as fit, at least one, and not more than the most."""
    chance = random.Random(1)
    for _ in range(50):
        sizes = [chance.choice((1, 5, 20, 90, 150)) for _ in range(chance.randint(0, 60))]
        starts: list[int] = []
        used = rows = 0
        for row, size in enumerate(sizes):
            if not row or used + size > 100 or rows == MOST_SAMPLES:
                starts, used, rows = [*starts, row], 0, 0
            used, rows = used + size, rows + 1
        assert list(planning.tar_starts(np.array(sizes, np.int64), 100)) == starts


def test_row_groups_take_the_rows_of_a_batch_once() -> None:
    chance = random.Random(2)
    sizes = [chance.choice((0, 10, 4_000, 12_000)) for _ in range(300)]
    cutter = row_groups.GroupCutter()
    groups: list[list[int]] = []
    for start in range(0, len(sizes), 16):
        batch = sizes[start : start + 16]
        for cut in cutter.cut(batch):
            groups += [[]] if cut.is_new else []
            groups[-1] += batch[cut.start : cut.stop]
    assert list(itertools.chain(*groups)) == sizes
    for group in groups:
        assert len(group) == 1 or sum(group) <= row_groups.GROUP_BYTES
        assert len(group) < row_groups.GROUP_ROWS + 16


def test_receipts_of_pieces_are_read_with_care(shards: Path, tmp_path: Path) -> None:
    """A receipt that is no receipt counts as none."""
    unit = PieceUnit(
        work=Work(
            build=shards,
            build_sha256="",
            options=ExportOptions(shape="chat"),
            folders=PictureFolders(),
            staging=tmp_path,
        ),
        what="rows",
        dataset="vqav2",
        split="train",
        span=RowSpan(0, 0, 1),
    )
    unit.folder.mkdir()
    for text in (b"", b"[]", msgspec.json.encode({"rows": 1})):
        (unit.folder / "export.json").write_bytes(text)
        assert find_piece(unit) is None
