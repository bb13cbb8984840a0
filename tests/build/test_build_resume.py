"""A conversion may be killed at any instant: the next one ends at the same bytes.

Every call that changes the disk is a point of death, as are random moments of real processes.
"""

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from build_help import Answer, Commands, difference, start, tree

SMALL = ("coco_caption", "hateful_memes", "--limit", "12", "--draws", "2")


def test_kill_at_any_call_of_a_first_conversion(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    first_conversion(raw_root, command, tmp_path, step=94)


@pytest.mark.heavy
def test_kill_at_every_call_of_a_first_conversion(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    first_conversion(raw_root, command, tmp_path, step=1)


def test_kill_at_any_call_while_replacing(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    replacement(raw_root, command, tmp_path, step=94)


@pytest.mark.heavy
def test_kill_at_every_call_while_replacing(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    replacement(raw_root, command, tmp_path, step=1)


def test_kill_at_any_moment(raw_root: Path, command: Commands, tmp_path: Path) -> None:
    real_kills(raw_root, command, tmp_path, times=2, jobs=1)


def test_kill_at_any_moment_with_two_jobs(
    raw_root: Path, command: Commands, tmp_path: Path
) -> None:
    real_kills(raw_root, command, tmp_path, times=1, jobs=2)


@pytest.mark.heavy
@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_at_many_moments(raw_root: Path, command: Commands, tmp_path: Path, jobs: int) -> None:
    real_kills(raw_root, command, tmp_path, times=25, jobs=jobs)


def first_conversion(raw: Path, command: Commands, folder: Path, step: int) -> None:
    """Kill at every `step`-th call; nothing may be readable, and the rerun must be whole."""
    line = ["convert", *SMALL, "--raw", raw, "--out"]
    done = command(*line, folder / "once", fault=("kill", "any", 0))
    wanted = tree(folder / "once")
    assert done.calls > 40
    for at in range(1 + step // 2, done.calls + 1, step):
        out = folder / f"killed-{at}"
        assert command(*line, out, fault=("kill", "any", at)).code == 9
        seen = command("verify", out)
        assert seen.code == 0 or "has no manifest.json" in seen.stderr, f"call {at}: {seen}"
        again = command(*line, out)
        assert again.code == 0, f"call {at}: {again.stderr}"
        assert difference(tree(out), wanted) == [], f"killed at call {at} of {done.calls}"
        shutil.rmtree(out)


def replacement(raw: Path, command: Commands, folder: Path, step: int) -> None:
    """Kill while other options replace a dataset: the old build or the new one, never a mix."""
    old = ["convert", *SMALL, "--raw", raw, "--out"]
    new = [*old[:-1], "--seed", "5", "--out"]
    before = folder / "before"
    assert command(*old, before).code == 0
    after = folder / "after"
    shutil.copytree(before, after)
    calls = command(*new, after, fault=("kill", "any", 0)).calls
    assert calls > 30
    kept = 0
    for at in range(1 + step // 2, calls + 1, step):
        out = folder / f"killed-{at}"
        shutil.copytree(before, out)
        assert command(*new, out, fault=("kill", "any", at)).code == 9
        seen = command("verify", out)
        assert seen.code == 0, f"call {at}: {seen.stdout}{seen.stderr}"
        standing = whole_part(tree(out))
        decided = (out / ".staging" / "commit.json").exists()  # then files of both lie there
        if standing == whole_part(tree(before)):
            kept += 1
        elif not decided:
            assert difference(standing, whole_part(tree(after))) == [], f"call {at}"
        assert command(*new, out).code == 0
        assert difference(tree(out), tree(after)) == [], f"call {at} of {calls}"
        shutil.rmtree(out)
    assert kept


def real_kills(raw: Path, command: Commands, folder: Path, times: int, jobs: int) -> None:
    """Send kill -9 to the processes of one conversion again and again, then let it finish."""
    line = ["convert", "coco_caption", "vqav2", "visdial", "--raw", raw, "--draws", "3", "--out"]
    took = time.monotonic()
    assert finished(start(*line, folder / "once")).code == 0
    took = time.monotonic() - took
    moments = random.Random(jobs)
    for attempt in range(times):
        out = folder / f"killed-{attempt}"
        running = start(*line, out, "--jobs", jobs)
        time.sleep(moments.uniform(0.5, 1) * took if jobs == 1 else moments.uniform(0.6, 2) * took)
        running.kill()
        finished(running)
        seen = command("verify", out)
        assert seen.code == 0 or "has no manifest.json" in seen.stderr
        assert command(*line, out).code == 0
        assert difference(tree(out), tree(folder / "once")) == []


def finished(process: "subprocess.Popen[str]") -> Answer:
    out, err = process.communicate(timeout=60)
    return Answer(process.returncode, out, err, 0)


def whole_part(files: dict[str, str]) -> dict[str, str]:
    """What a build is made of, without the staged work of a run that was killed."""
    return {name: sha for name, sha in files.items() if not name.startswith(".staging/")}
