"""A write that fails ends in one sentence and exit code 2; run again, the build is whole.

Failures are injected at the n-th call that changes the disk, and come from a real small disk.
"""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_help import COMMAND, Commands, difference, is_sentence, tree

from instructify._util.errors import UserError
from instructify._util.shards import hash_file, write_bytes

LINE = ("convert", "coco_caption", "hateful_memes", "--limit", "12", "--draws", "2")


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call", ["write", "replace", "fsync"])
def test_a_failing_call(
    raw_root: Path, command: Commands, tmp_path: Path, error: str, call: str
) -> None:
    failing_calls(raw_root, command, tmp_path, error, call, most=2)


@pytest.mark.heavy
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call", ["write", "replace", "fsync", "mkdir"])
def test_every_failing_call(
    raw_root: Path, command: Commands, tmp_path: Path, error: str, call: str
) -> None:
    failing_calls(raw_root, command, tmp_path, error, call, most=1000)


def failing_calls(
    raw: Path, command: Commands, folder: Path, error: str, call: str, most: int
) -> None:
    """Let calls fail one run after another, `most` of them spread over all."""
    line = [*LINE, "--raw", raw, "--out"]
    done = command(*line, folder / "once", fault=(error, call, 0))
    wanted = tree(folder / "once")
    assert done.calls > 0
    for at in range(1, done.calls + 1, max(1, done.calls // most)):
        out = folder / f"failed-{at}"
        failed = command(*line, out, fault=(error, call, at))
        stderr = [one for one in failed.stderr.splitlines() if not one.startswith("storing ")]
        told = f"{call} {at} of {done.calls}: {failed.stderr}"
        if call == "mkdir" and failed.code == 0:
            continue  # the folder was there already
        assert failed.code == 2, told
        assert len(stderr) == 1, told
        assert stderr[0].startswith("instructify: "), told
        assert str(out) in stderr[0], told
        assert os.strerror(getattr(errno, error)) in stderr[0], told
        assert not list(out.rglob("*.tmp")), told
        assert command(*line, out).code == 0, told
        assert difference(tree(out), wanted) == [], told


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(raw_root: Path, command: Commands, small_disk: Path, tmp_path: Path) -> None:
    line = ("convert", "vqav2", "coco_caption", "--raw", raw_root, "--pictures", "none")
    out = small_disk / "build"
    failed = command(*line, "--out", out)
    assert failed.code == 2
    assert is_sentence(failed)
    assert "No space left on device" in failed.stderr
    assert str(out) in failed.stderr
    assert not (out / "manifest.json").exists()
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    assert command(*line, "--out", out).code == 0
    assert command(*line, "--out", tmp_path / "once").code == 0
    assert difference(tree(out), tree(tmp_path / "once")) == []


def test_a_store_that_does_not_fit_is_refused_before_it_is_written(
    raw_root: Path, command: Commands, small_disk: Path
) -> None:
    refused = command("convert", "coco_caption", "--raw", raw_root, "--out", small_disk / "build")
    assert refused.code == 2
    assert is_sentence(refused)
    assert "--pictures reference" in refused.stderr


def test_a_disk_that_takes_only_a_part_of_a_write(tmp_path: Path) -> None:
    """The kernel may write a part and say so; the rest is not to be forgotten."""
    path = tmp_path / "file"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match="can't be written"):
            write_bytes(path, bytes(1500))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    assert write_bytes(path, bytes(1500)).sha256 == hash_file(path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_that_may_not_grow(raw_root: Path, tmp_path: Path, jobs: int) -> None:
    out = tmp_path / "build"
    line = ["convert", "vqav2", "coco_caption", "--raw", str(raw_root), "--jobs", str(jobs)]
    failed = subprocess.run(
        ["bash", "-c", 'ulimit -f 20; exec "$@"', "bash", *COMMAND, *line, "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 2, failed.stderr
    assert failed.stderr.splitlines()[-1].startswith(f"instructify: {out}")
    assert "Traceback" not in failed.stderr
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize("place", ["a-file", "a-file/below", "with other files"])
def test_places_that_can_not_be_built_in(
    raw_root: Path, command: Commands, tmp_path: Path, place: str
) -> None:
    (tmp_path / "a-file").write_text("precious")
    (tmp_path / "with other files").mkdir()
    (tmp_path / "with other files" / "thesis.tex").write_text("precious")
    refused = command("convert", "vqav2", "--raw", raw_root, "--out", tmp_path / place)
    assert refused.code == 2
    assert is_sentence(refused)
    assert "--out" in refused.stderr or "choose" in refused.stderr


def test_a_build_over_the_raw_data_is_refused(raw_root: Path, command: Commands) -> None:
    refused = command("convert", "vqav2", "--raw", raw_root, "--out", raw_root)
    assert refused.code == 2
    assert "holds the raw data" in refused.stderr


def test_long_and_odd_names(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    out = tmp_path / ("\u00fc " * 60).strip()
    assert command("convert", "msvd_qa", "--raw", raw_root, "--out", out, "--limit", 2).code == 0
    assert command("verify", out).code == 0
    too_long = command("convert", "msvd_qa", "--raw", raw_root, "--out", tmp_path / ("x" * 300))
    assert too_long.code == 2
    assert is_sentence(too_long)
