"""Files of units beside an export: used only if they are what a unit writes."""

import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from build_help import Commands
from export_help import export, tree

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts
from instructify.build.opened import Build
from instructify.build.unit_folder import publish_folder
from instructify.build.workers import LocalWorkers
from instructify.exporting import energon_rows, index_units, planning, row_groups, webdataset
from instructify.exporting.contents import Contents
from instructify.exporting.energon_rows import ROWS, ROWS_SCHEMA
from instructify.exporting.folder import pieces_beside
from instructify.exporting.index_units import IndexUnit, find_index, plan_indices, run_index
from instructify.exporting.options import ExportOptions, PictureFolders
from instructify.exporting.piece_units import NUMBERS, PieceUnit, Work, find_piece
from instructify.exporting.pieces import run_piece
from instructify.exporting.planning import SplitPlan, plan_pieces
from instructify.exporting.receipt import build_hash
from instructify.exporting.selection import select
from instructify.pictures.key_order import sorted_by_hash
from instructify.pictures.tables import PICTURE_INDEX_SCHEMA, read_indices, write_part

HERE = LocalWorkers(None)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tars, row groups, and the blocks of the index be small."""
    monkeypatch.setattr(webdataset, "MAX_SHARD_SAMPLES", 9)
    monkeypatch.setattr(planning, "MAX_SHARD_SAMPLES", 9)
    monkeypatch.setattr(planning, "FILES_A_PIECE", 2)
    monkeypatch.setattr(row_groups, "GROUP_ROWS", 10)
    monkeypatch.setattr(energon_rows, "HELD_ROWS", 7)


def work_at(build: Path, staging: Path, **options: Any) -> tuple[Work, Build, ExportOptions]:
    opened = Build.open(build)
    asked = ExportOptions(**options)
    work = Work(
        build=build,
        build_sha256=build_hash(opened.manifest),
        options=asked,
        folders=PictureFolders(),
        staging=staging,
    )
    return work, opened, asked


def plans_at(build: Path, staging: Path, **options: Any) -> list[SplitPlan]:
    work, opened, asked = work_at(build, staging, **options)
    return plan_pieces(work, opened, select(opened, asked).chosen, HERE)


@pytest.fixture(scope="module")
def written(odd_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of pieces of an export to tars, all of them written."""
    staging = tmp_path_factory.mktemp("units") / "pieces"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webdataset, "MAX_SHARD_SAMPLES", 9)
        patch.setattr(planning, "MAX_SHARD_SAMPLES", 9)
        patch.setattr(planning, "FILES_A_PIECE", 2)
        for plan in plans_at(odd_build, staging, **TARS):
            assert list(map(run_piece, plan.pieces))
    return staging


TARS: dict[str, Any] = {"shape": "webdataset", "names": ("vizwiz",), "pictures": False}


@pytest.fixture
def plans(odd_build: Path, written: Path, tmp_path: Path) -> list[SplitPlan]:
    """The plan of this export, with the pieces copied to a folder of the test."""
    shutil.copytree(written, tmp_path / "pieces")
    return plans_at(odd_build, tmp_path / "pieces", **TARS)


def index_of(plans: Sequence[SplitPlan]) -> IndexUnit:
    [unit] = plan_indices(plans[0].pieces[0].work, plans)
    return unit


def test_the_part_that_ends_last_fills_the_index(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    """The command without --part only links it."""
    line = ("export", odd_build, "vizwiz", "vqav2", "--to", "webdataset", "--no-pictures", "--out")
    assert command(*line, tmp_path / "whole").code == 0
    out = tmp_path / "out"
    for part in ("2/2", "1/2"):
        assert not list(pieces_beside(out).glob("*/index.sqlite"))
        assert command(*line, out, "--part", part).code == 0
    files = {path.stat().st_ino for path in pieces_beside(out).glob("*/index.sqlite")}
    assert len(files) == 2
    assert command(*line, out).code == 0
    assert {path.stat().st_ino for path in out.glob("*/.nv-meta/index.sqlite")} == files
    assert tree(out) == tree(tmp_path / "whole")


def test_an_index_waits_for_all_pieces_of_its_dataset(plans: list[SplitPlan]) -> None:
    unit = index_of(plans)
    assert [piece.folder for piece in unit.pieces] == [
        piece.folder.name for plan in plans for piece in plan.pieces
    ]
    shutil.rmtree(plans[-1].pieces[-1].folder)
    assert plan_indices(unit.work, plans) == []


def test_an_index_that_is_cut_is_filled_again(plans: list[SplitPlan]) -> None:
    unit = index_of(plans)
    receipt = run_index(unit)
    path = unit.folder / "index.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert find_index(unit) is None
    assert run_index(unit) == receipt
    assert path.read_bytes() == whole


def test_an_index_that_two_parts_fill_at_once(
    plans: list[SplitPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another part publishes the same index just before this one does."""
    unit = index_of(plans)
    first: list[bytes] = []

    def second(place: Path, final: Path, receipt: Any, find: Any) -> Any:
        mine = (place / "index.sqlite").read_bytes()
        if not first:
            first.append(mine)
            run_index(unit)
        assert mine == first[0]
        return publish_folder(place, final, receipt, find)

    monkeypatch.setattr(index_units, "publish_folder", second)
    assert run_index(unit) == find_index(unit)
    assert (unit.folder / "index.sqlite").read_bytes() == first[0]
    assert not [path for path in unit.work.staging.iterdir() if path.name.startswith(".")]


def _with(name: str, values: Callable[[list[Any]], list[Any]]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        field = ROWS_SCHEMA.field(name)
        column = pa.array(values(table[name].to_pylist()), field.type)
        return table.set_column(ROWS_SCHEMA.get_field_index(name), field, column)

    return change


ROW_FAULTS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "fewer rows": lambda table: table.slice(1),
    "tars in another order": _with("tar", lambda tars: tars[::-1]),
    "a tar of another piece": _with("tar", lambda tars: [tar + 1 for tar in tars]),
    "a key twice": _with("key", lambda keys: [keys[1], *keys[1:]]),
    "a part without a size": _with("part_sizes", lambda sizes: [[], *sizes[1:]]),
    "a part without a name": _with("part_names", lambda names: [[None], *names[1:]]),
    "another column": lambda table: table.rename_columns(["x", *table.column_names[1:]]),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_rows_that_no_piece_writes_fill_no_index(plans: list[SplitPlan], fault: str) -> None:
    unit = index_of(plans)
    piece = next(piece for plan in plans for piece in plan.pieces if piece.span.rows > 9)
    path = piece.folder / "vizwiz" / ROWS
    table = ROW_FAULTS[fault](pa.ipc.open_file(path.read_bytes()).read_all())
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UserError, match="damaged"):
        run_index(unit)
    assert not unit.folder.exists()


RECEIPT_FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "other rows": lambda receipt: receipt.update(rows=receipt["rows"] - 1),
    "no file": lambda receipt: receipt.update(names=[]),
    "a file outside": lambda receipt: receipt["names"].__setitem__(0, "../../secret"),
    "a file of another piece": lambda receipt: receipt["names"].reverse(),
    "a size outside": lambda receipt: receipt["sizes"].update({"../secret": 6}),
    "a file without a size": lambda receipt: receipt["sizes"].pop(receipt["names"][0]),
    "no rows of the index": lambda receipt: receipt["sizes"].pop(f"vizwiz/{ROWS}"),
    "no offsets": lambda receipt: receipt["sizes"].pop(f"{receipt['names'][0]}.idx"),
    "negative counts": lambda receipt: receipt.update(slot_words_broken=-1),
    "more pictures than rows": lambda receipt: receipt.update(with_pictures=receipt["rows"] + 1),
    "a field too many": lambda receipt: receipt.update(more=1),
}


@pytest.mark.parametrize("fault", RECEIPT_FAULTS)
def test_a_receipt_that_no_unit_writes_counts_as_none(plans: list[SplitPlan], fault: str) -> None:
    unit = next(piece for plan in plans for piece in plan.pieces if piece.span.rows > 9)
    (unit.work.staging / "secret").write_bytes(b"secret")
    assert find_piece(unit) is not None
    path = unit.folder / "export.json"
    receipt = msgspec.json.decode(path.read_bytes())
    RECEIPT_FAULTS[fault](receipt)
    path.write_bytes(msgspec.json.encode(receipt))
    assert find_piece(unit) is None
    whole = run_piece(unit)
    assert find_piece(unit) == whole


def test_a_candidate_set_that_the_build_lacks_is_refused(
    odd_build: Path, written: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(written, pieces_beside(out))
    plans = plans_at(odd_build, pieces_beside(out), **TARS)
    path = plans[0].pieces[0].folder / "export.json"
    receipt = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**receipt, "sets": ["nobody"]}))
    with pytest.raises(UserError, match="candidate set 'nobody'"):
        export(odd_build, out, workers=HERE, **TARS)
    assert not out.exists()


@pytest.mark.parametrize("name", ["vizwiz/{tar}", "vizwiz/{tar}.idx", f"vizwiz/{ROWS}"])
def test_a_link_in_the_place_of_a_file_counts_as_none(plans: list[SplitPlan], name: str) -> None:
    unit = plans[0].pieces[0]
    receipt = find_piece(unit)
    assert receipt is not None
    path = unit.folder / name.format(tar=Path(receipt.names[0]).name)
    path.rename(unit.work.staging / "elsewhere")
    path.symlink_to(unit.work.staging / "elsewhere")
    assert find_piece(unit) is None


NUMBER_FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "too few": lambda numbers: numbers[:0],
    "negative": lambda numbers: -1 - numbers,
    "fractions": lambda numbers: numbers.astype(np.float64),
    "rows": lambda numbers: numbers[:, None],
    "objects": lambda numbers: numbers.astype(object),
}


@pytest.mark.parametrize("fault", NUMBER_FAULTS)
@pytest.mark.parametrize(
    ("shape", "what"), [("webdataset", "sizes"), ("parquet", "sizes"), ("parquet", "groups")]
)
def test_numbers_that_no_unit_measures_are_refused(
    odd_build: Path, tmp_path: Path, shape: str, what: str, fault: str
) -> None:
    staging = tmp_path / "pieces"
    options: dict[str, Any] = {**TARS, "shape": shape}
    measured: list[PieceUnit] = []

    class Noting(LocalWorkers):
        def map(self, function: Any, units: Any, done: Any = None, **more: Any) -> Any:
            measured.extend(unit for unit in units if unit.what == what)
            return super().map(function, units, done, **more)

    work, opened, asked = work_at(odd_build, staging, **options)
    plan_pieces(work, opened, select(opened, asked).chosen, Noting(None))
    path = measured[0].folder / NUMBERS
    numbers = NUMBER_FAULTS[fault](np.load(path))
    np.save(path, numbers, allow_pickle=True)
    receipt = msgspec.json.decode((path.parent / "export.json").read_bytes())
    receipt["sizes"] = {NUMBERS: path.stat().st_size}
    (path.parent / "export.json").write_bytes(msgspec.json.encode(receipt))
    with pytest.raises(UserError, match="missing or damaged"):
        plans_at(odd_build, staging, **options)


@pytest.fixture
def parted(odd_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the index of the build by one in several parts, one of which is empty."""

    def replace(change: Callable[[pa.Table], pa.Table] = lambda table: table) -> None:
        table = read_indices(Build.open(odd_build).index_parts(), PICTURE_INDEX_SCHEMA)
        table = change(table)
        cuts = [0, 5, 5, 40, table.num_rows]
        names = [
            write_part(tmp_path, "index", number, table.slice(start, stop - start)).name
            for number, (start, stop) in enumerate(itertools.pairwise(cuts))
        ]
        paths = [tmp_path / name for name in names]
        monkeypatch.setattr(Build, "index_parts", lambda build: paths)

    return replace


@pytest.mark.parametrize("shape", ["chat", "parquet"])
def test_an_index_in_several_parts(
    odd_build: Path, tmp_path: Path, parted: Callable[..., None], shape: str
) -> None:
    options: dict[str, Any] = {"shape": shape, "names": ("vizwiz", "iconqa"), "limit": 30}
    export(odd_build, tmp_path / "whole", **options)
    parted()
    export(odd_build, tmp_path / "parted", **options)
    export(odd_build, tmp_path / "pieces", workers=HERE, **options)
    assert tree(tmp_path / "parted") == tree(tmp_path / "whole") == tree(tmp_path / "pieces")


@pytest.mark.parametrize("shift", [0, 1])
def test_two_keys_with_one_hash(
    odd_build: Path, parted: Callable[..., None], monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    """Both pictures are found, also where a part of the index ends between the two."""

    def same(keys: Any) -> Any:
        hashes = hash_texts(keys)
        hashes[np.isin(hashes, shared)] = shared[0]
        return hashes

    table = read_indices(Build.open(odd_build).index_parts(), PICTURE_INDEX_SCHEMA)
    shared = np.asarray(table["key_hash"])[4 + shift : 6 + shift]

    def change(table: pa.Table) -> pa.Table:
        hashes = pa.array(same(table["key"]), pa.uint64())
        return sorted_by_hash(table.set_column(0, PICTURE_INDEX_SCHEMA.field(0), hashes))

    parted(change)
    monkeypatch.setattr("instructify.exporting.contents.hash_texts", same)
    with Contents(Build.open(odd_build), PictureFolders()) as contents:
        rows = contents.rows_of(table["key"].combine_chunks())
        got = [content.sha256 for content in contents.at(rows)]
    assert got == table["sha256"].to_pylist()


def test_a_picture_that_the_index_lacks(odd_build: Path) -> None:
    with Contents(Build.open(odd_build), PictureFolders()) as contents:
        keys = Build.open(odd_build).samples("vqav2", "train")[0]["pictures"]
        assert len(contents.rows_of(pa.array(keys))) == len(keys)
        with pytest.raises(UserError, match="'nobody/1', which its index lacks"):
            contents.rows_of(pa.array([*keys, "nobody/1"]))
