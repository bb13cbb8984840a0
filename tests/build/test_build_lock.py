"""One writer at a time, and signals end a writer soon, quietly and without orphans."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from build_help import Commands, is_sentence, start, tree

from instructify._util.errors import UserError
from instructify.build import lock, lock_owner
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


def test_a_folder_into_which_nothing_was_written_is_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyError), write_lock(tmp_path / "a" / "b" / ".lock"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with write_lock(tmp_path / "mine" / ".lock"):
        pass
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    with write_lock(tmp_path / "a" / "b" / ".lock"):
        (tmp_path / "a" / "other").write_text("x")
    assert {one.name for one in tmp_path.rglob("*")} == {"mine", "a", "other"}
    with write_lock(tmp_path / "a" / "b" / ".lock"):
        (tmp_path / "a" / "b" / "result").write_text("x")
    assert (tmp_path / "a" / "b" / ".lock").exists()


def test_a_lock_that_was_removed_while_it_was_waited_for_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the file of the last writer would hold the lock of no file."""
    path = tmp_path / "out" / ".lock"
    taken, times = lock._take, []

    def take(descriptor: int, where: Path, take_over: bool | None) -> None:
        taken(descriptor, where, take_over)
        times.append(descriptor)
        if len(times) == 1:  # the last writer leaves between our opening and our locking
            where.unlink()
            where.parent.rmdir()

    monkeypatch.setattr(lock, "_take", take)
    with write_lock(path):
        assert len(times) == 2
        assert json.loads(path.read_text())["pid"] == os.getpid()
        with pytest.raises(UserError, match=f"process {os.getpid()}"), write_lock(path):
            pass
    assert not path.parent.exists()


def left_by(path: Path, **record: object) -> Path:
    """Write the record of a process of another host that did not finish."""
    path.write_text(json.dumps({"pid": 7, "host": "elsewhere", **record}))
    return path


def mounted(monkeypatch: pytest.MonkeyPatch, folder: Path, kind: str, options: str = "rw") -> None:
    """Let a folder be a mounted file system of some kind."""
    table = folder / "mounts"
    point = str(folder.resolve()).replace(" ", "\\040")
    table.write_text(
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"22 21 0:44 / {point} rw,noatime shared:2 - {kind} server:/export {options}\n"
    )
    monkeypatch.setattr(lock_owner, "_MOUNTS", table)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("fuse.sshfs", "rw"),
        ("nfs", "rw,nolock"),
        ("nfs4", "rw,local_lock=all"),
        ("lustre", "rw,localflock"),
        ("beegfs", "rw"),
    ],
)
def test_the_record_of_another_host_stands_where_locks_are_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str
) -> None:
    mounted(monkeypatch, tmp_path, kind, options)
    path = left_by(tmp_path / ".lock")
    with (
        pytest.raises(UserError, match=r"process 7 on elsewhere.*delete .*\.lock"),
        write_lock(path),
    ):
        pass
    assert path.read_text(), "the record is the other host's"
    with pytest.raises(UserError, match="add --take-over"), write_lock(path, take_over=False):
        pass
    with write_lock(path, take_over=True):
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ext4", "rw"), ("overlay", "rw"), ("nfs4", "rw,local_lock=none"), ("lustre", "rw,flock")],
)
def test_the_record_of_another_host_falls_where_the_kernel_gives_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, options: str
) -> None:
    """A container that is started again has another host name and the same disk."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    mounted(monkeypatch, folder, kind, options)
    path = left_by(folder / ".lock")
    with write_lock(path, take_over=False):
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("job", "restarts", "takes"), [("5", "1", True), ("5", "0", False), ("6", "1", False)]
)
def test_a_job_that_slurm_started_again_takes_its_own_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, restarts: str, takes: bool
) -> None:
    mounted(monkeypatch, tmp_path, "beegfs")
    path = left_by(tmp_path / ".lock", job="5", restarts=0)
    monkeypatch.setenv("SLURM_JOB_ID", job)
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    if not takes:
        with pytest.raises(UserError, match="process 7"), write_lock(path, take_over=False):
            pass
        return
    with write_lock(path, take_over=False):
        assert json.loads(path.read_text())["restarts"] == int(restarts)


def test_a_fork_does_not_hold_the_lock_of_its_killed_parent(tmp_path: Path) -> None:
    """Otherwise the next writer is refused until the last worker of a killed one is gone."""
    path, here = tmp_path / ".lock", tmp_path / "pid"
    code = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from instructify.build.lock import write_lock\n"
        f"with write_lock(Path({str(path)!r})):\n"
        "    child = os.fork()\n"
        f"    if child: Path({str(here)!r}).write_text(str(child))\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not (here.exists() and here.read_text()):
        assert parent.poll() is None
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    try:
        with write_lock(path):
            pass
    finally:
        os.kill(int(here.read_text()), signal.SIGKILL)


def test_the_mode_of_a_lock_follows_the_umask(tmp_path: Path) -> None:
    """Another member of the group goes on with a run, where the umask lets him write."""
    before = os.umask(0o002)
    try:
        with write_lock(tmp_path / ".lock"):
            (tmp_path / "recipe.yaml").touch()
    finally:
        os.umask(before)
    assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x"}'])
def test_a_lock_file_with_anything_in_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".lock"
    path.write_text(text)
    with write_lock(path):
        pass


def test_whoever_leaves_alive_leaves_no_record(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    (tmp_path / "result").touch()  # a folder with nothing in it keeps no lock either
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
    make_twin(["vqav2"], raw, scale=20, pictures=False)  # work enough to be met at it
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
