"""Parts of a conversion: any number, in any order, killed or run twice, give the same bytes."""

import os
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from build_help import DATASETS, Commands, difference, is_sentence, tree

from instructify._util.errors import UserError
from instructify.build import part_workers, source_hashes
from instructify.build.engine_options import STAGES, EngineOptions, Part, Stage, engine_options
from instructify.build.part_notes import PartNotes
from instructify.build.part_workers import PartDone, open_part
from instructify.build.paths import BuildPaths
from instructify.build.raw import hash_source
from instructify.build.site import clear_staging, open_site
from instructify.build.unit_folder import private_folder, publish_folder
from instructify.build.workers import LocalWorkers, Workers
from instructify.readers import RawFile

SMALL = ("convert", "coco_caption", "hateful_memes", "--limit", "6", "--draws", "1")


def in_parts(
    command: Commands, line: Sequence[object], out: Path, *, total: int, seed: int, stages: int = 4
) -> None:
    """Convert by parts in a random order; in two stages one part is killed, and run again."""
    chance = random.Random(seed)
    deaths = chance.sample(STAGES[:stages], 2)
    for stage in STAGES[:stages]:
        order = chance.sample(range(1, total + 1), total)
        killed = chance.choice(order)
        for number in order:
            part = (*line, "--out", out, "--stage", stage, "--part", f"{number}/{total}")
            if number == killed and stage in deaths:
                assert command(*part, fault=("kill", "any", chance.randint(5, 40))).code in (0, 9)
            answer = command(*part)
            assert answer.code == 0, answer.stderr
            assert f"part {number}/{total} of {stage}" in answer.stdout
        assert not (out / "manifest.json").exists()
    answer = command(*line, "--out", out)
    assert answer.code == 0, answer.stderr


def test_parts_make_the_build_of_one_process(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = (*SMALL, "--raw", raw_root)
    assert command(*line, "--out", tmp_path / "whole").code == 0
    in_parts(command, line, tmp_path / "parts", total=2, seed=1)
    assert difference(tree(tmp_path / "whole"), tree(tmp_path / "parts")) == []


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(3))
def test_seven_parts_make_the_build_of_one_process(
    raw_root: Path, whole_build: Path, command: Commands, tmp_path: Path, seed: int
) -> None:
    in_parts(command, ("convert", *DATASETS, "--raw", raw_root), tmp_path / "b", total=7, seed=seed)
    assert difference(tree(whole_build), tree(tmp_path / "b")) == []


def test_a_part_names_the_units_that_lack_a_receipt(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = (*SMALL, "--raw", raw_root, "--out", tmp_path / "b", "--pictures", "none")
    assert command(*line, "--stage", "records", "--part", "1/2").code == 0
    refused = command(*line, "--stage", "samples", "--part", "1/2")
    assert refused.code == 2
    assert is_sentence(refused)
    assert "coco_caption/val" in refused.stderr
    assert "coco_caption/train" not in refused.stderr
    skipped = command(*line, "--stage", "locate", "--part", "1/2")
    assert skipped.code == 2, "records are not all there, whatever comes later"


def test_retemplate_in_parts(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    line = (*SMALL, "--raw", raw_root, "--pictures", "none", "--out")
    for name in ("one", "two"):
        assert command(*line, tmp_path / name).code == 0
    again = ("--prompts", "plain", "--seed", "3")
    assert command("retemplate", tmp_path / "one", *again).code == 0
    before = tree(tmp_path / "two")
    for number in (2, 1):
        part = command("retemplate", tmp_path / "two", *again, "--part", f"{number}/2")
        assert part.code == 0, part.stderr
    assert {n: h for n, h in tree(tmp_path / "two").items() if ".staging" not in n} == before
    assert command("retemplate", tmp_path / "two", *again).code == 0
    assert difference(tree(tmp_path / "one"), tree(tmp_path / "two")) == []


class Square(NamedTuple):
    """A unit of work for tests."""

    name: str
    number: int


class Result(NamedTuple):
    value: int
    file: Path


DONE: list[str] = []


def square(unit: Square) -> Result:
    if unit.number < 0:
        raise UserError("a number below 0 is not allowed; take another.")
    DONE.append(unit.name)
    return Result(unit.number**2, ROOTS[-1] / "x")


ROOTS: list[Path] = []
UNITS = [Square(f"unit-{number}", number) for number in range(7)]


@pytest.fixture(name="paths")
def _paths(tmp_path: Path) -> BuildPaths:
    ROOTS.append(tmp_path / "build")
    DONE.clear()
    return BuildPaths(tmp_path / "build")


def work(
    paths: BuildPaths, number: int, total: int, stage: Stage, units: Sequence[Square] = UNITS
) -> str:
    """Work as a part whose command has the stages records and samples."""
    options = EngineOptions(part=Part(number=number, total=total, stage=stage))
    with open_site(options, paths) as workers, pytest.raises(PartDone) as done:
        stages(workers, paths, units)
    return str(done.value)


def stages(workers: Workers, paths: BuildPaths, units: Sequence[Square]) -> None:
    receipts = workers.map(square, units, stage="records")
    assert [one.value for one in receipts] == [unit.number**2 for unit in units]
    assert {one.file for one in receipts} == {paths.root / "x"}
    workers.map(square, [], stage="samples")


@pytest.mark.parametrize("total", [1, 2, 7, 11])
def test_parts_cover_every_unit_once(paths: BuildPaths, total: int) -> None:
    for number in range(total, 0, -1):
        work(paths, number, total, "records")
    assert sorted(DONE) == sorted(unit.name for unit in UNITS)
    assert "0 units done" in work(paths, 1, total, "samples")
    assert len(DONE) == len(UNITS)


def test_parts_of_another_number_take_over_what_is_done(paths: BuildPaths) -> None:
    work(paths, 1, 2, "records")
    for number in (1, 2, 3):
        work(paths, number, 3, "records")
    assert sorted(DONE) == sorted(unit.name for unit in UNITS)


def test_a_note_that_a_kill_cut_off_counts_as_not_written(paths: BuildPaths) -> None:
    work(paths, 1, 1, "records")
    notes = next(paths.parts.glob("*.jsonl"))
    notes.write_bytes(notes.read_bytes()[:-9])
    assert "1 unit done, of 7" in work(paths, 1, 1, "records")


def test_a_changed_unit_is_done_anew(paths: BuildPaths) -> None:
    work(paths, 1, 1, "records")
    other = [*UNITS[:-1], Square("unit-6", 60)]
    assert "1 unit done, of 7" in work(paths, 1, 1, "records", other)


@pytest.mark.parametrize("path", ["./../../x", "/etc/x", "../x", "./a/../../x", ".//etc/x"])
def test_a_note_leads_nowhere_out_of_the_build(paths: BuildPaths, path: str) -> None:
    work(paths, 1, 1, "records")
    notes = next(paths.parts.glob("*.jsonl"))
    notes.write_bytes(notes.read_bytes().replace(b'"./x"', f'"{path}"'.encode()))
    with PartNotes(paths.root, paths.parts, "other") as read:
        assert [read.find(square, unit) for unit in UNITS] == [None] * len(UNITS)


def test_a_failed_unit_is_named(paths: BuildPaths) -> None:
    bad = [*UNITS[:3], Square("the bad unit", -1)]
    for workers in (LocalWorkers(None), None):
        with pytest.raises(UserError, match=r"^the bad unit: a number below 0"):
            run(workers, paths, bad)
    assert sum(unit.name in DONE for unit in UNITS[:3]) == 3
    assert "4 units done, of 7" in work(paths, 1, 1, "records", UNITS)


def run(workers: Workers | None, paths: BuildPaths, units: Sequence[Square]) -> None:
    if workers is not None:
        workers.map(square, units)
        return
    part = Part(number=1, total=1, stage="records")
    with open_part(part, paths, LocalWorkers(None)) as opened:
        opened.map(square, units, stage="records")


def test_a_commit_leaves_alone_what_a_late_part_holds(
    paths: BuildPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    late = Part(number=1, total=2, stage="samples")
    with open_part(late, paths, LocalWorkers(None)):
        clear_staging(paths)
        assert paths.staging.is_dir()
        assert f"process {os.getpid()}" in capsys.readouterr().err
    clear_staging(paths)
    assert not paths.staging.exists()


@pytest.mark.parametrize(
    ("committed", "said"), [(False, "is damaged"), (True, "was committed while this part worked")]
)
def test_a_part_that_a_commit_overtook_is_not_sent_to_verify(
    paths: BuildPaths, committed: bool, said: str
) -> None:
    def meanwhile(number: int) -> int:
        if committed:
            paths.manifest.write_text("{}")
        raise UserError("records.arrow is damaged or incomplete.")

    with pytest.raises(UserError, match=said):
        as_part(paths, meanwhile)


def as_part(paths: BuildPaths, function: Callable[[int], int]) -> None:
    part = Part(number=1, total=1, stage="samples")
    with open_part(part, paths, LocalWorkers(None)) as workers:
        workers.map(function, [1], stage="samples")


def test_a_killed_part_holds_nothing(paths: BuildPaths) -> None:
    child = os.fork()
    if not child:
        with open_part(Part(number=1, total=2, stage="samples"), paths, LocalWorkers(None)):
            os._exit(9)
    os.waitpid(child, 0)
    assert list(paths.parts.glob("*.lock"))
    clear_staging(paths)
    assert not paths.staging.exists()


def test_parts_take_no_lock(paths: BuildPaths) -> None:
    with open_site(EngineOptions(), paths):
        work(paths, 1, 1, "records")
    assert len(DONE) == len(UNITS)


def test_a_part_does_not_carry_out_a_commit(paths: BuildPaths) -> None:
    paths.staging.mkdir(parents=True)
    paths.commit.write_text("{}")
    with (
        pytest.raises(UserError, match="no commit of ours"),
        open_part(Part(number=1, total=1, stage="records"), paths, LocalWorkers(None)),
    ):
        pass


def through(paths: BuildPaths, number: int, total: int) -> str:
    """Work as a part of a stage of two steps, the second of which needs all of the first."""
    options = EngineOptions(part=Part(number=number, total=total, stage="index"))
    with open_site(options, paths) as workers, pytest.raises(PartDone) as done:
        steps(workers)
    return str(done.value)


def steps(workers: Workers) -> None:
    first = workers.map(square, UNITS, stage="index", through=True)
    second = [Square(f"second-{one.value}", one.value) for one in first]
    workers.map(square, second, stage="index")


def test_parts_help_each_other_through_a_stage(paths: BuildPaths) -> None:
    for number in (3, 1, 2):
        through(paths, number, 3)
    assert sorted(name for name in DONE if name.startswith("unit")) == [u.name for u in UNITS]
    assert sorted(name for name in DONE if name.startswith("second")) == sorted(
        f"second-{unit.number**2}" for unit in UNITS
    )


def test_a_part_sees_what_others_note_meanwhile(
    paths: BuildPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_workers, "_FEW", 1)
    began: list[str] = []

    def meanwhile(unit: Square) -> Result:
        if not began:  # the other part begins and ends while this one is at its first unit
            began.append(unit.name)
            through(paths, 2, 2)
        return square(unit)

    meanwhile.__module__, meanwhile.__qualname__ = square.__module__, square.__qualname__
    part = Part(number=1, total=2, stage="index")
    with open_part(part, paths, LocalWorkers(None)) as workers:
        workers.map(meanwhile, UNITS, stage="index", through=True)
    assert len([name for name in DONE if name.startswith("unit")]) == len(UNITS) + 4


def find(folder: Path) -> str | None:
    path = folder / "receipt.json"
    return path.read_text() if path.exists() and path.read_text() != "damaged" else None


def test_the_first_receipt_wins(tmp_path: Path) -> None:
    final = tmp_path / "unit"
    for text, wanted in (("first", "first"), ("second", "first")):
        with private_folder(tmp_path) as folder:
            (folder / "receipt.json").write_text(text)
            assert publish_folder(folder, final, text, lambda: find(final)) == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["unit"]


@pytest.mark.parametrize("left", ["damaged", "no receipt", "empty"])
def test_a_damaged_unit_is_replaced(tmp_path: Path, left: str) -> None:
    final = tmp_path / "unit"
    final.mkdir()
    if left != "empty":
        (final / ("receipt.json" if left == "damaged" else "shard")).write_text("damaged")
    with private_folder(tmp_path) as folder:
        (folder / "receipt.json").write_text("whole")
        assert publish_folder(folder, final, "whole", lambda: find(final)) == "whole"
    assert [path.name for path in tmp_path.rglob("*")] == ["unit", "receipt.json"]


def test_many_writers_of_one_unit(tmp_path: Path) -> None:
    final = tmp_path / "unit"
    barrier = threading.Barrier(8)
    won: list[str] = []

    def write(text: str) -> None:
        with private_folder(tmp_path) as folder:
            (folder / "receipt.json").write_text(text)
            barrier.wait()
            won.append(publish_folder(folder, final, text, lambda: find(final)))

    threads = [threading.Thread(target=write, args=(f"by {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [find(final)] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["unit"]


@pytest.fixture(name="hashed")
def _hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of raw files, each time that one is hashed; every file is worth a note."""
    names: list[str] = []
    before = hash_source

    def counted(role: str, file: RawFile) -> object:
        names.append(file.name)
        return before(role, file)

    monkeypatch.setattr(source_hashes, "hash_source", counted)
    monkeypatch.setattr(source_hashes, "_WORTH_BYTES", 0)
    monkeypatch.setattr(source_hashes, "_SETTLED_NS", 0)
    return names


def test_a_raw_file_is_hashed_once_for_all(tmp_path: Path, hashed: list[str]) -> None:
    file = RawFile("a.json", tmp_path / "a.json")
    file.path.write_text("[1]")
    first = source_hashes.noted_hash("questions", file, tmp_path / "notes")
    again = source_hashes.noted_hash("answers", file, tmp_path / "notes")
    assert (first.sha256, first.size_bytes) == (again.sha256, again.size_bytes)
    assert (first.role, again.role) == ("questions", "answers")
    assert hashed == ["a.json"]


@pytest.mark.parametrize("kind", ["size", "time kept", "replaced, time kept", "damaged note"])
def test_a_changed_raw_file_is_hashed_again(tmp_path: Path, hashed: list[str], kind: str) -> None:
    file = RawFile("a.json", tmp_path / "a.json")
    file.path.write_text("[1]")
    first = source_hashes.noted_hash("", file, tmp_path / "notes")
    stat = file.path.stat()
    if kind == "damaged note":
        for note in (tmp_path / "notes").iterdir():
            note.write_bytes(note.read_bytes()[:-7])
    elif kind == "size":
        file.path.write_text("[12]")
    elif kind == "time kept":
        file.path.write_text("[2]")
        os.utime(file.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    else:
        (tmp_path / "b.json").write_text("[2]")
        os.utime(tmp_path / "b.json", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        os.replace(tmp_path / "b.json", file.path)
    again = source_hashes.noted_hash("", file, tmp_path / "notes")
    assert hashed == ["a.json", "a.json"]
    assert (again == first) == (kind == "damaged note")


def test_a_file_that_changed_just_now_is_not_noted(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_hashes, "_SETTLED_NS", 2_000_000_000)
    file = RawFile("a.json", tmp_path / "a.json")
    file.path.write_text("[1]")
    for _ in range(2):
        source_hashes.noted_hash("", file, tmp_path / "notes")
    assert hashed == ["a.json", "a.json"]


def test_touched_raw_files_are_not_read_again(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    line = ("convert", "hateful_memes", "--raw", raw_root, "--out", tmp_path / "b")
    assert command(*line, "--stage", "records").code == 0
    before = {path: path.stat().st_ino for path in tmp_path.rglob("records-*.arrow")}
    for path in (raw_root / "hateful_memes").glob("*.jsonl"):
        os.utime(path)
    for notes in (tmp_path / "b" / ".staging" / "parts").glob("*.jsonl"):
        notes.unlink()
    assert command(*line, "--stage", "records").code == 0
    assert before == {path: path.stat().st_ino for path in tmp_path.rglob("records-*.arrow")}
    assert before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"part": "1/2"}, "give --stage too: records"),
        ({"part": "0/2", "stage": "records"}, "expected i/n"),
        ({"part": "3/2", "stage": "records"}, "expected i/n"),
        ({"part": "1", "stage": "records"}, "expected i/n"),
        ({"part": "1/0", "stage": "records"}, "expected i/n"),
        ({"part": "-1/2", "stage": "records"}, "expected i/n"),
        ({"part": "1/2", "stage": "record"}, "did you mean 'records'"),
        ({"engine": "dask"}, "allowed are local, ray and ray:ADDRESS"),
        ({"engine": "local:8"}, "allowed are local, ray and ray:ADDRESS"),
        ({"engine": "ray:host:1", "jobs": 4}, "--jobs 4 has no effect"),
    ],
)
def test_what_an_engine_refuses(given: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        engine_options(**{"jobs": None, **given})  # type: ignore[arg-type]


def test_the_end_of_a_part_is_no_error_of_a_unit() -> None:
    assert not issubclass(part_workers.PartDone, UserError)
