"""The GPU report goes through every line on a CPU, and goes on where it stopped."""

import json
from pathlib import Path

import pytest
from forked import fork_script

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_report.py"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dry run."""
    out = tmp_path_factory.mktemp("report")
    dry_run(out)
    return out


def dry_run(out: Path) -> str:
    """Run it with tiny models; returns what it prints."""
    done = fork_script(SCRIPT, "--dry", "--out", out)
    stdout, stderr = done.communicate()
    assert done.returncode == 0, stderr[-3000:]
    return stdout


def test_every_part_is_done(report: Path) -> None:
    found = json.loads((report / "report.json").read_text())
    assert found["failed"] == {}
    parts = found["parts"]
    kinds = {name.partition("/")[2] for name in parts}
    assert kinds == {"", "train", "decode", "sweep", "compile", "trainer"}
    for preset in ("tiny-t5", "tiny-llama"):
        small = parts["correct"][preset]
        assert small["loss on the device"] == pytest.approx(small["loss on the CPU"], rel=1e-6)
        assert small["cosine of gradients"] == pytest.approx(1, abs=1e-4)
        assert small["resume, largest difference"] == 0
    for name in ("vicuna-7b/train", "flan-t5-xl/train"):
        train = parts[name]
        assert train["samples_per_s"] > 0
        assert train["tflop_a_sample"] > 0
        assert 0 < sum(train["split"].values()) <= 1.01
        assert {"tower", "qformer", "language", "optimizer"} <= set(train["split"])
    text = (report / "report.md").read_text()
    assert "no figure means anything" in text
    assert all(name in text for name in parts)


@pytest.mark.heavy
def test_what_is_done_is_not_done_again(report: Path) -> None:
    path = report / "report.json"
    before = json.loads(path.read_text())
    before["parts"].pop("vicuna-7b/decode")
    path.write_text(json.dumps(before))
    started = [line for line in dry_run(report).splitlines() if line.endswith(" s")]
    assert [line.partition(":")[0] for line in started] == ["vicuna-7b/decode"]
    after = json.loads(path.read_text())["parts"]
    assert after.pop("vicuna-7b/decode")["greedy"] > 0
    assert after == before["parts"]
