"""One writer at a time, and signals end a writer soon, quietly and without orphans."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from build_help import Commands, is_sentence, start, tree

from instructify._util.errors import UserError
from instructify.build.lock import write_lock
from instructify.twins.make import make_twin


def test_a_second_writer_is_told_who_has_the_build(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    out = tmp_path / "build"
    with write_lock(out / ".lock"):
        refused = command("convert", "vqav2", "--raw", raw_root, "--out", out)
        assert refused.code == 2
        assert is_sentence(refused)
        assert f"process {os.getpid()} on {socket.gethostname()}" in refused.stderr
    assert command("convert", "vqav2", "--raw", raw_root, "--out", out).code == 0


def test_of_many_writers_at_once_one_wins(raw_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    line = ("convert", "vqav2", "--raw", raw_root, "--out", out, "--pictures", "none")
    running = [start(*line, "--draws", str(number)) for number in (1, 2, 3)]
    ends = [(process.communicate(timeout=60), process.returncode) for process in running]
    codes = [code for _, code in ends]
    assert 0 in codes
    for (_, stderr), code in ends:
        assert code in (0, 2)
        assert code == 0 or "is being written by process" in stderr
    verify = start("verify", out)
    assert verify.wait(60) == 0


def test_readers_need_no_lock(whole_build: Path, command: Commands) -> None:
    with write_lock(whole_build / ".lock"):
        assert command("verify", whole_build).code == 0
        assert command("inspect", whole_build, "vqav2").code == 0


def test_retemplating_is_writing(whole_build: Path, command: Commands) -> None:
    with write_lock(whole_build / ".lock"):
        assert command("retemplate", whole_build).code == 2


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"pid": os.getppid(), "host": socket.gethostname()}))
    with write_lock(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_the_lock_of_another_host_is_not(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    with (
        pytest.raises(UserError, match=r"process 7 on elsewhere.*delete .*\.lock"),
        write_lock(path),
    ):
        pass
    assert path.read_text(), "the record is the other host's"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x"}'])
def test_a_lock_file_with_anything_in_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".lock"
    path.write_text(text)
    with write_lock(path):
        pass


def test_whoever_leaves_alive_leaves_no_record(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with pytest.raises(UserError, match="of mine"), write_lock(path):
        raise UserError("a mistake of mine")
    assert path.read_text() == ""


@pytest.mark.parametrize(
    ("number", "code", "jobs"),
    [
        (signal.SIGTERM, 143, 1),
        (signal.SIGINT, 130, 1),
        (signal.SIGTERM, 143, 2),
        (signal.SIGINT, 130, 2),
    ],
)
def test_a_signal_ends_it_all(
    raw_root: Path, command: Commands, tmp_path: Path, number: signal.Signals, code: int, jobs: int
) -> None:
    out = tmp_path / "build"
    many = ("coco_caption", "vqav2", "visdial", "msvd_qa", "hateful_memes")
    line = ("convert", *many, "--raw", raw_root, "--out", out, "--jobs", jobs)
    running = start(*line)
    while not (out / ".staging").exists() or len(group_of(running.pid)) < (1, 3)[jobs - 1]:
        assert running.poll() is None
        time.sleep(0.005)
    began = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(running.pid, number)  # as a terminal does
    else:
        running.send_signal(number)
    _, stderr = running.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert running.returncode == code, stderr
    assert len(stderr.splitlines()) <= 3, stderr
    said = {130: "stopped", 143: "terminated"}[code]
    ends = f"instructify: {said}; the same command goes on where it stopped"
    assert stderr.splitlines()[-1] == ends
    assert "Traceback" not in stderr
    assert group_of(running.pid) == []
    assert not (out / "manifest.json").exists()
    assert command(*line).code == 0
    assert not [name for name in tree(out) if name.startswith(".")]


def test_workers_end_with_a_killed_parent(raw_root: Path, tmp_path: Path) -> None:
    running = start(
        *("convert", "coco_caption", "vqav2", "visdial", "--raw", raw_root),
        *("--out", tmp_path / "build", "--jobs", "2"),
    )
    while len(group_of(running.pid)) < 3:
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.wait()
    deadline = time.monotonic() + 10
    while group_of(running.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group_of(running.pid) == []


def test_a_killed_worker_is_said(command: Commands, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "build"
    make_twin(["vqav2"], raw, scale=100, pictures=False)  # work enough to be met at it
    line = ("convert", "vqav2", "vqav2_qg", "--raw", raw, "--out", out, "--pictures", "none")
    running = start(*line, "--jobs", "2")
    while not (workers := worker_processes(running.pid)):
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(workers[0], signal.SIGKILL)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 2, stderr
    assert "a worker process was killed" in stderr
    assert len(stderr.splitlines()) == 1
    assert group_of(running.pid) == []
    assert command(*line).code == 0


def group_of(leader: int) -> list[int]:
    """Processes of a group that still run."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, group, state in rows if int(group) == leader and state[0] != "Z"]


def worker_processes(parent: int) -> list[int]:
    """Workers that a conversion has started."""
    return [pid for pid in group_of(parent) if pid != parent]
