"""Run the trainer's tests under the versions that pyproject.toml declares, one after the other.

Run: python tests/range/run.py [NAME ...] (`make test-range`). Each environment is made in a folder
of its own, tested and removed before the next one, so that one at a time needs room. torch is the
version of constraints.txt; TORCH chooses another, of which the wheels with CUDA take gigabytes.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/train/model",
    "tests/train/decode",
    "tests/train/tiny/test_presets.py",
    "tests/train/data/test_train_loader.py",
    "tests/train/run/test_train_settings.py",
    "tests/train/run/test_train_run.py",
)
# Pinned for the newest transformers; an older one wants its own.
_LOOSE = ("transformers", "tokenizers", "huggingface_hub", "huggingface-hub", "torch")


class Environment(NamedTuple):
    """An interpreter and a version of transformers."""

    python: str
    transformers: str


ENVIRONMENTS = {
    "lowest": Environment("python3.11", "transformers==5.17.0"),
    "newest": Environment("python3.12", "transformers>=5.17,<6"),
}


def constraints(folder: Path) -> Path:
    """Write the constraints without what varies here."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    kept = [line for line in lines if line.split("==")[0].strip() not in _LOOSE]
    path = folder / "constraints.txt"
    path.write_text("\n".join(kept) + "\n", "utf-8")
    return path


def tested(environment: Environment) -> int:
    """Make an environment, run the tests in it, and remove it; returns pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="instructify-range-") as name:
        folder = Path(name)
        python = folder / "env" / "bin" / "python"
        subprocess.run([environment.python, "-m", "venv", folder / "env"], check=True)
        pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        torch = os.environ.get("TORCH", "torch==2.13.0")
        wanted = [torch, environment.transformers, f"{ROOT}[train,lora,test]"]
        subprocess.run([*pip, "-c", str(constraints(folder)), *wanted], check=True)
        shown = "import sys, torch, transformers as t; print(sys.version.split()[0], "
        subprocess.run([python, "-c", shown + "torch.__version__, t.__version__)"], check=True)
        path = os.pathsep.join((str(ROOT), str(ROOT / "train")))
        return subprocess.run(
            [python, "-m", "pytest", "-m", "not heavy", "-p", "no:cacheprovider", *TESTS],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        ).returncode


def runs(python: str) -> bool:
    """Tell whether an interpreter is there; a shim of pyenv may be there and start nothing."""
    try:
        return (
            subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
        )
    except FileNotFoundError:
        return False


def main() -> int:
    """Test the environments that are named, or all; 1 if a test failed in any."""
    names = sys.argv[1:] or list(ENVIRONMENTS)
    codes = {}
    for name in names:
        python = ENVIRONMENTS[name].python
        if not runs(python):
            print(f"{name}: {python} does not run here; put one on PATH", flush=True)
            codes[name] = 1
            continue
        began = time.monotonic()
        codes[name] = tested(ENVIRONMENTS[name])
        print(f"{name}: exit code {codes[name]}, {time.monotonic() - began:.0f} s", flush=True)
    return int(any(codes.values()))


if __name__ == "__main__":
    raise SystemExit(main())
