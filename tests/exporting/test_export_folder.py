"""The folder of an export: whole or not there, over nothing that is not an export of ours."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from build_help import Commands, is_sentence, start
from export_help import expected, hash_file, make_odd_build, receipt, tree

OF_BUILD = ("export.json", "index.uuid")  # these name the build itself
SHAPES = ("llava", "chat", "webdataset", "parquet", "hub")


def line(build: Path, out: Path, *more: object, to: str = "llava") -> tuple[object, ...]:
    return ("export", build, "vqav2", "--to", to, "--out", out, *more)


def leftovers(out: Path) -> list[str]:
    return [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}.")]


def test_a_folder_with_other_files_is_never_written_to(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "notes.txt").write_text("dear to me")
    for more in ((), ("--overwrite",)):
        told = command(*line(odd_build, out, *more))
        assert told.code == 2
        assert is_sentence(told)
        assert "is not an export" in told.stderr
    assert tree(out) == {"notes.txt": hash_file(out / "notes.txt")}


def test_an_empty_folder_is_fine(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    assert command(*line(odd_build, out)).code == 0
    assert (out / "export.json").is_file()
    assert leftovers(out) == []


def test_an_export_is_replaced_only_if_asked_to(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert command(*line(odd_build, out)).code == 0
    before = tree(out)
    stamp = (out / "train.json").stat().st_mtime_ns
    again = command(*line(odd_build, out))  # the same: nothing to do
    assert again.code == 0
    assert again.stdout.rstrip().splitlines()[-2].endswith("unchanged")
    assert (out / "train.json").stat().st_mtime_ns == stamp
    other = command(*line(odd_build, out, "--limit", 3))
    assert other.code == 2
    assert "--overwrite" in other.stderr
    assert tree(out) == before
    assert command(*line(odd_build, out, "--limit", 3, "--overwrite")).code == 0
    assert len(json.loads((out / "train.json").read_text("utf-8"))) == 3
    assert leftovers(out) == []


def test_files_that_were_put_into_an_export_are_safe(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert command(*line(odd_build, out)).code == 0
    (out / "checkpoint").mkdir()
    told = command(*line(odd_build, out, "--overwrite"))
    assert told.code == 2
    assert "checkpoint" in told.stderr
    assert (out / "checkpoint").is_dir()


def test_places_that_are_refused(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(odd_build, tmp_path / "copy"))
    file = tmp_path / "file"
    file.write_text("")
    for out, said in (
        (odd_build / "export", "are inside each other"),
        (odd_build.parent, "are inside each other"),
        (copy, "is a build"),
        (file, "is not a folder"),
    ):
        told = command(*line(odd_build, out, "--overwrite"))
        assert told.code == 2
        assert is_sentence(told)
        assert said in told.stderr


def test_an_unknown_format_is_refused(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for text, said in (('{"format": 99}', "format 99"), ("{]", "not the receipt of an export")):
        (out / "export.json").write_text(text)
        told = command(*line(odd_build, out, "--overwrite"))
        assert told.code == 2
        assert is_sentence(told)
        assert said in told.stderr


@pytest.mark.parametrize("to", ["webdataset"])
def test_killed_at_some_moments(
    odd_build: Path, command: Commands, tmp_path: Path, to: str
) -> None:
    killed_at_calls(odd_build, command, tmp_path, to, most=3)


@pytest.mark.heavy
@pytest.mark.parametrize("to", SHAPES)
def test_killed_at_every_call(odd_build: Path, command: Commands, tmp_path: Path, to: str) -> None:
    killed_at_calls(odd_build, command, tmp_path, to, most=40)


def killed_at_calls(odd_build: Path, command: Commands, tmp_path: Path, to: str, most: int) -> None:
    """What stands at the name is nothing, or an export whole; run again, it is there."""
    once = command(*line(odd_build, tmp_path / "once", to=to), fault=("kill", "any", 0))
    assert once.code == 0
    wanted = tree(tmp_path / "once")
    step = max(1, once.calls // most)
    for number, at in enumerate(range(once.calls, 0, -step)):
        out = tmp_path / f"killed-{number}"
        killed = command(*line(odd_build, out, to=to), fault=("kill", "any", at))
        assert killed.code == 9
        assert not out.exists() or tree(out) == wanted
        assert command(*line(odd_build, out, to=to)).code == 0
        assert tree(out) == wanted
        assert leftovers(out) == []


def test_killed_while_it_replaces(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    """The old export or the new one, whole; or, between two renames, the old one aside."""
    old, new = ("--limit", 2, "--overwrite"), ("--limit", 4, "--overwrite")
    trees = []
    for number, more in enumerate((old, new)):
        out = tmp_path / f"whole-{number}"
        assert command(*line(odd_build, out, *more)).code == 0
        trees.append(tree(out))
    out = tmp_path / "out"
    assert command(*line(odd_build, out, *old)).code == 0
    calls = command(*line(odd_build, out, *new), fault=("kill", "any", 0)).calls
    for at in range(max(1, calls - 3), calls + 1):
        assert command(*line(odd_build, out, *old)).code == 0
        assert command(*line(odd_build, out, *new), fault=("kill", "any", at)).code == 9
        assert not out.exists() or tree(out) in trees
        told = command(*line(odd_build, out, "--limit", 9))  # refused, but it puts things right
        assert told.code == 2
        assert tree(out) in trees


@pytest.mark.parametrize("to", ["webdataset", "hub"])
def test_a_full_disk_is_one_sentence(odd_build: Path, tmp_path: Path, to: str) -> None:
    """A limit on the size of files stands for the disk; SQLite and Parquet meet it too."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)); "
        "from instructify.cli import main; main()"
    )
    words = [str(word) for word in line(odd_build, tmp_path / "out", to=to)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert str(tmp_path / "out") in done.stderr
    assert not (tmp_path / "out").exists()
    assert leftovers(tmp_path / "out") == []


def test_two_at_once(odd_build: Path, command: Commands, tmp_path: Path) -> None:
    """One exports, the other is told who does; and what is there in the end is whole."""
    out = tmp_path / "out"
    running = [start(*line(odd_build, out, to="webdataset")) for _ in range(2)]
    done = [(*process.communicate(), process.returncode) for process in running]
    codes = sorted(code for _, _, code in done)
    assert codes[0] == 0
    for _, stderr, code in done:
        assert code == 0 or "being written by process" in stderr or "--overwrite" in stderr, stderr
    assert command(*line(odd_build, tmp_path / "alone", to="webdataset")).code == 0
    assert tree(out) == tree(tmp_path / "alone")


@pytest.mark.heavy
def test_ctrl_c_leaves_nothing(odd_build: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import time, instructify.exporting.run as run\n"
        "whole = run._export_split\n"
        "def slow(*given): time.sleep(30); return whole(*given)\n"
        "run._export_split = slow\n"
        "from instructify.cli import main; main()"
    )
    words = [str(word) for word in line(odd_build, out)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if leftovers(out):
            break
        time.sleep(0.05)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "instructify: stopped\n")
    assert leftovers(out) == []


def test_a_build_by_reference(command: Commands, odd_build: Path, tmp_path: Path) -> None:
    """Pictures come from the folders, and must still be what they were."""
    raw = Path(shutil.copytree(odd_build.parent / "raw", tmp_path / "raw"))
    build = make_odd_build(command, tmp_path, pictures="reference")
    for to in ("llava", "webdataset"):
        trees = []
        for one in (odd_build, build):
            out = tmp_path / to / one.parent.name
            assert command("export", one, "--to", to, "--out", out).code == 0
            held = tree(out)
            trees.append({name: held[name] for name in held if not name.endswith(OF_BUILD)})
        assert trees[0] == trees[1]
        assert len(trees[0]) > 10
    used = expected(odd_build)["vqav2", "train"][0].row["pictures"][0].partition("/")[2]

    (raw / "coco").rename(tmp_path / "elsewhere")
    told = command(*line(build, tmp_path / "gone"))
    assert told.code == 2
    assert "is gone or changed" in told.stderr
    assert "give --raw DIR" in told.stderr
    (tmp_path / "new").mkdir()
    (tmp_path / "elsewhere").rename(tmp_path / "new" / "coco")
    assert command(*line(build, tmp_path / "moved", "--raw", tmp_path / "new")).code == 0

    victim = next((tmp_path / "new" / "coco").rglob(f"*_{used}.jpg"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1  # the same size, another content
    victim.write_bytes(data)
    told = command(*line(build, tmp_path / "changed", "--raw", tmp_path / "new"))
    assert told.code == 2
    assert victim.name in told.stderr


def test_a_build_without_pictures(command: Commands, odd_build: Path, tmp_path: Path) -> None:
    shutil.copytree(odd_build.parent / "raw", tmp_path / "raw")
    build = make_odd_build(command, tmp_path, pictures="none")
    for to in SHAPES:
        told = command(*line(build, tmp_path / to, to=to))
        assert told.code == 2
        assert is_sentence(told)
        assert "--no-pictures" in told.stderr
    done = command(*line(build, tmp_path / "out", "--no-pictures", to="webdataset"))
    assert done.code == 0, done.stderr
    assert receipt(tmp_path / "out")["pictures"]["mode"] == "none"


def test_a_damaged_build_is_told(command: Commands, odd_build: Path, tmp_path: Path) -> None:
    build = Path(shutil.copytree(odd_build, tmp_path / "build"))
    shard = next((build / "pictures").glob("0*.arrow"))
    data = shard.read_bytes()
    for spoiled in (data[: len(data) // 2], b""):
        shard.write_bytes(spoiled)
        told = command(*line(build, tmp_path / "out"))
        assert told.code == 2
        assert is_sentence(told)
        assert shard.name in told.stderr
    shard.write_bytes(data)
    samples = build / "samples" / "vqav2"
    shutil.copyfile(samples / "val-00000.arrow", samples / "train-00000.arrow")
    told = command(*line(build, tmp_path / "out"))
    assert told.code == 2
    assert "instructify verify" in told.stderr
    assert not (tmp_path / "out").exists()


def test_what_was_asked_for_is_in_the_receipt(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = command(*line(odd_build, out, "--limit", 3, "--json", "--held-in"))
    told = done.json()
    assert told["state"] == "written"
    held = receipt(out)
    assert {name: told[name] for name in held} == held
    assert held["format"] == 1
    assert held["options"]["limit"] == 3
    assert held["options"]["roles"] == ["held-in"]
    assert held["build_sha256"] == hash_file(odd_build / "manifest.json")
    assert set(held["files"]) == {"train.json", "val.json"}
    text = (out / "export.json").read_text("utf-8")
    assert str(tmp_path) not in text
    assert str(odd_build) not in text


def test_no_line_is_wider_than_a_terminal(
    odd_build: Path, command: Commands, tmp_path: Path
) -> None:
    told = command("export", odd_build, "--to", "chat", "--out", tmp_path / "o")
    own = [one for one in told.stdout.splitlines() if str(tmp_path) not in one]
    assert len(own) == sum(len(rows) > 0 for rows in expected(odd_build).values()) + 7
    assert [one for one in own if len(one) > 80] == []
