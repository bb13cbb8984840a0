"""However a run fails, it ends soon and in words, holds nothing, and goes on with the same bits.

The table of docs/training.md. `failure_probe` lets a run of six steps fail after its third.
"""

import json
import signal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from failure_probe import FAULTS
from forked import fork_script
from run_help import HELPERS, RECIPE, content, launched, recipe_file

# As the quick recipe, but for what costs time and changes nothing here.
TEXT = RECIPE.replace("alpha: 0.5", "alpha: 0.5\n  order: random").replace(
    "validation_samples: 4", "validation_samples: 1"
)
GOES_ON = "--resume goes on"


class Promise(NamedTuple):
    """How the process that is struck ends: its exit code, and what its last line says."""

    code: int
    says: str


PROMISES = {
    "exception": Promise(1, "ZeroDivisionError: a bug of ours"),
    "mistake": Promise(2, "a mistake that was met at a step; mend it; the last checkpoint is of"),
    "oom": Promise(2, "memory ran out (CUDA out of memory"),
    "full": Promise(2, "can't be written: "),
    "sigint": Promise(128 + signal.SIGINT, "stopped after step"),
    "sigterm": Promise(128 + signal.SIGTERM, "stopped after step"),
    "sigterm-one": Promise(128 + signal.SIGTERM, "stopped after step"),
    "kill-main": Promise(-signal.SIGKILL, ""),
    "kill-rank": Promise(-signal.SIGKILL, ""),
    "kill-worker": Promise(2, "a loader process was killed by signal 9"),
}
QUICK = ("kill-rank:2:2",)
REQUEUED = "requeue:2:2"
TABLE = [
    f"{fault}:{world}:{workers}"
    for fault in FAULTS
    for world in (1, 2)
    for workers in (0, 2)
    if (world == 2 or fault not in ("kill-rank", "sigterm-one"))
    and (workers or fault != "kill-worker")
]


def probe(build: Path, out: Path, cells: list[str]) -> dict[str, Any]:
    """Let runs fail in processes of their own."""
    done = fork_script(HELPERS / "failure_probe.py", build, recipe_file(out, TEXT), out, *cells)
    stdout, stderr = done.communicate()
    assert done.returncode == 0, stderr[-3000:]
    rows = [json.loads(line) for line in stdout.splitlines()]
    return {row["cell"]: row for row in rows}


def check(cell: str, ended: dict[str, Any]) -> None:
    """Hold a cell of the table to what it promises."""
    fault, world, _ = cell.split(":")
    promise = PROMISES[fault]
    struck = 0 if FAULTS[fault][1] == "first" else int(world) - 1
    assert ended["codes"][struck] == promise.code
    last = (ended["said"][struck].splitlines() or [""])[-1]
    assert promise.says in last
    if promise.code == 2:
        assert GOES_ON in last
        assert "Traceback" not in ended["said"][struck]
    for rank, (code, said) in enumerate(zip(ended["codes"], ended["said"], strict=True)):
        if fault == "sigterm-one":
            assert code == promise.code
        elif rank != struck and FAULTS[fault][1] != "all":
            assert code == 2, said
            assert "another process of this run ended or can't be reached" in said.splitlines()[-1]
            assert "Traceback" not in said
    assert ended["seconds"] < 10
    assert ended["running"] == []
    assert ended["free"], "the lock is held"
    assert ended["page"], "there is no report.html"
    assert ended["same"], ended["again"]


def test_runs_that_fail_end_and_go_on(whole_build: Path, tmp_path: Path) -> None:
    """Some cells of the table.

    One test: processes that share the suite would each let all of them fail.
    """
    ended = probe(whole_build, tmp_path, list(QUICK))
    for cell in QUICK:
        check(cell, ended[cell])


@pytest.mark.heavy
def test_a_job_that_is_killed_on_three_hosts_ends_on_the_fourth(
    whole_build: Path, tmp_path: Path
) -> None:
    """The file system of its hosts passes no locks on."""
    requeued = probe(whole_build, tmp_path, [REQUEUED])[REQUEUED]
    assert requeued["codes"] == [[-9, -9], [-9, -9], [-9, -9], [0, 0]]
    assert requeued["hosts"] == ["node0", "node1", "node2", None]
    assert requeued["same"]


@pytest.mark.heavy
def test_torchrun_starts_again_after_a_rank_is_killed(whole_build: Path, tmp_path: Path) -> None:
    """The command has --resume, so the first start and each restart are the same line."""
    recipe = recipe_file(tmp_path, TEXT)
    line = ("train", whole_build, "--recipe", recipe, "--resume", "--out")
    plain = launched(2, "-m", "instructify", *line, tmp_path / "plain")
    assert plain.returncode == 0, plain.stderr[-3000:]
    struck = launched(
        2, HELPERS / "killed_rank.py", *line, tmp_path / "struck", options=("--max-restarts=1",)
    )
    assert struck.returncode == 0, struck.stderr[-3000:]
    assert "resumed   after step" in struck.stderr
    assert content(tmp_path / "struck") == content(tmp_path / "plain")


@pytest.fixture(scope="module")
def whole_table(whole_build: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All cells."""
    return probe(whole_build, tmp_path_factory.mktemp("table"), TABLE)


@pytest.mark.heavy
@pytest.mark.parametrize("cell", TABLE)
def test_the_whole_table(whole_table: dict[str, Any], cell: str) -> None:
    check(cell, whole_table[cell])
