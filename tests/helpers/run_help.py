"""Small training runs for tests, in this process or in their own."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instructify._util.errors import UserError
from instructify.commands.eval import EvalRequest, run_eval
from instructify.commands.train import TrainOptions, run_train
from instructify.templating import TemplateFolders
from instructify_train.checkpoint import folder_of, steps_of
from instructify_train.run.journal import read_log

HELPERS = Path(__file__).parent
ROOT = HELPERS.parents[1]
RECIPE = """
format: 1
mixture:
  alpha: 0.5
  members:
    coco_caption: {forms: [caption]}
    vqav2: {forms: [open]}
    aokvqa: {forms: {open: 1.0, multiple_choice: 0.5}}
model: {name: tiny-llama}
data: {batch: 8, window: 2, workers: 0}
optimizer: {lr: 1.0e-3, warmup_from: 0.0, warmup_steps: 2, clip: 1.0}
run:
  steps: 6
  device_batch: 3
  device: cpu
  validate_every: 3
  validation_samples: 4
  save_every: 2
  keep: 10
  log_every: 1
  tensorboard: false
"""
_TIMES = ("samples_per_s", "data_wait", "memory_gb")


class Done(NamedTuple):
    """What a run said."""

    code: int
    stdout: str
    stderr: str

    @property
    def facts(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.stdout)
        return value


def recipe_file(folder: Path, text: str = RECIPE) -> Path:
    """Write a recipe into a folder."""
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def train(
    build: Path,
    out: Path,
    *settings: str,
    recipe: Path | None = None,
    resume: bool = False,
    accept: bool = False,
    from_scratch: bool = False,
    steps: int | None = None,
    catalog_file: Path | None = None,
) -> Done:
    """Train in this process, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    out.parent.mkdir(parents=True, exist_ok=True)
    chosen = recipe if recipe is not None else recipe_file(out.parent)
    stdout, stderr = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            options = TrainOptions(
                build=build,
                out=out,
                recipe=str(chosen),
                settings=settings,
                steps=steps,
                resume=resume,
                accept_changes=accept,
                from_scratch=from_scratch,
                catalog_file=catalog_file,
            )
            code = run_train(options, as_json=True)
    finally:
        torch.set_num_threads(threads)
    return Done(code, stdout.getvalue(), stderr.getvalue())


def evaluate(
    model: Path,
    build: Path,
    out: Path,
    *names: str,
    settings: Sequence[str] = (),
    suite: str | None = None,
    limit: int | None = None,
    batch: int = 16,
    precision: str = "fp32",
    resume: bool = False,
    templates: TemplateFolders | None = None,
    catalog_file: Path | None = None,
) -> Done:
    """Evaluate in this process, on one thread."""
    request = EvalRequest(
        model=str(model), build=build, names=names, suite=suite, out=out, checkpoint="best",
        settings=settings, limit=limit, batch=batch, device="cpu", precision=precision,
        resume=resume, templates=templates or TemplateFolders.of(), catalog_file=catalog_file,
    )  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    stdout, stderr = io.StringIO(), io.StringIO()
    code = 0
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            run_eval(request, as_json=False)
    except UserError as error:
        code = 2
        stderr.write(f"instructify: {error}\n")
    finally:
        torch.set_num_threads(threads)
    return Done(code, stdout.getvalue(), stderr.getvalue())


def launched(
    count: int, *line: object, options: Sequence[str] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run a script in several processes, as a user does."""
    argv = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    argv += ["--standalone", *options, *map(str, line)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), str(ROOT / "train"), str(HELPERS), os.environ.get("PYTHONPATH", "")]
    )
    return subprocess.run(
        argv, capture_output=True, text=True, env=environment, timeout=400, check=False
    )


def content(run: Path) -> dict[str, bytes]:
    """Read the bits of the last checkpoint: what is trained, and the optimizer."""
    folder = folder_of(run, steps_of(run)[-1])
    return {
        name: (folder / name).read_bytes()
        for name in ("model.safetensors", "optimizer.safetensors")
    }


def log(run: Path) -> list[dict[str, Any]]:
    """Read a log without what depends on the clock."""
    return [{k: v for k, v in line.items() if k not in _TIMES} for line in read_log(run)]


def losses(run: Path) -> list[float]:
    """Read the mean loss of each step."""
    return [line["last_loss"] for line in log(run) if "last_loss" in line]
