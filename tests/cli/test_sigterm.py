"""SIGTERM ends every command within a second, in the middle of its work, with one line."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from build_help import DATASETS, start

HEAVY = pytest.mark.heavy
LINES = {
    "check": "check {names} --raw {raw} --deep",
    "convert": "convert {names} --raw {raw} --out {out}",
    "export": "export {build} --to webdataset --out {out}",
    "parquet": "export {build} --to parquet --out {out}",
    "inspect": "inspect {build} --html {out}",
    "overlap": "overlap {build}",
    "diff": "diff {build} {build}",
    "lint": "lint {build}",
    "retemplate": "retemplate {build} --draws 3",
    "plan": "plan {build} --recipe tiny-vqa",
    "train": "train {build} --recipe tiny-vqa --out {out} --steps 1000",
    "eval": "eval tiny-llama {build} hateful_memes --out {out}",
    "generate": "generate tiny-llama --image {picture} --prompt x",
    "merge": "merge {run} --out {out}",
    "score": "score hateful_memes --predictions {predictions} --build {build} --allow-missing",
}


@pytest.fixture(name="build")
def _build(whole_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_build, tmp_path / "build"))


def _seconds_to_end(line: list[str], delay: float) -> float | None:
    """Start a command, send SIGTERM after a delay; None where it was done before."""
    process = start(*line)
    try:
        process.wait(delay)
        process.communicate()
        return None
    except subprocess.TimeoutExpired:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=20)
    took = time.monotonic() - began
    assert process.returncode in (0, 143, -signal.SIGTERM), stderr
    assert "Traceback" not in stderr
    return took


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "check" else HEAVY) for name in LINES]
)
def test_sigterm_ends_a_command_within_a_second(
    name: str, raw_root: Path, build: Path, tmp_path: Path
) -> None:
    names = " ".join(DATASETS)
    picture = next((raw_root / "coco").rglob("*.jpg"))
    predictions = tmp_path / "predictions.json"
    predictions.write_text("[]")
    run = tmp_path / "run"
    if name == "merge":
        line = f"train {build} --recipe tiny-vqa --out {run} --steps 1 --set data.batch=4"
        assert start(*line.split()).wait(300) == 0
    took: list[float] = []
    for at, delay in enumerate((2.0, 1.5, 1.2, 0.8, 0.4)):
        out = tmp_path / str(at)
        line = LINES[name].format(
            names=names,
            raw=raw_root,
            build=build,
            out=out,
            picture=picture,
            predictions=predictions,
            run=run,
        )
        seconds = _seconds_to_end(line.split(), delay)
        if seconds is None:
            continue
        if seconds < 1:
            return
        took.append(seconds)  # once, on a busy machine
    assert took, f"{name} was done before it could be stopped"
    pytest.fail(f"{name} took {took} seconds to end")
