"""Everything that a GPU has to show, in one command: python benchmarks/gpu_report.py [--out DIR].

Parts run in the order of their worth. Each is written to DIR/report.json (and as a table to
DIR/report.md) as soon as it is done, and is not done again, so a command that was cut off goes on.
A part that `--minutes` has no room for is not begun. Nothing is downloaded: weights are random,
configurations the published ones, data made on the spot. `--dry` goes through every line with tiny
models on a CPU. `--parts NAME,...` chooses.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from gpu_checks import correct_part
from gpu_data import Made, made_before, make_data
from gpu_decoding import decode_part
from gpu_models import load_sized
from gpu_peer import peer_part
from gpu_table import report_text
from gpu_training import compile_part, free, sweep_part, train_part

from instructify_train.tiny.presets import Loaded, build_preset


class Part(NamedTuple):
    """A part of the report: the model that it needs, and how many seconds it may take."""

    model: str | None
    seconds: float
    run: Callable[..., dict[str, Any]]


PARTS: Mapping[str, Part] = {
    "correct": Part(None, 40, correct_part),
    "vicuna-7b/train": Part("vicuna-7b", 60, partial(train_part, "vicuna-7b")),
    "vicuna-7b/decode": Part("vicuna-7b", 30, partial(decode_part, "vicuna-7b")),
    "flan-t5-xl/train": Part("flan-t5-xl", 60, partial(train_part, "flan-t5-xl")),
    "flan-t5-xl/sweep": Part("flan-t5-xl", 60, partial(sweep_part, "flan-t5-xl")),
    "vicuna-7b/sweep": Part("vicuna-7b", 60, partial(sweep_part, "vicuna-7b")),
    "vicuna-7b/compile": Part("vicuna-7b", 90, partial(compile_part, "vicuna-7b")),
    "vicuna-7b/trainer": Part("vicuna-7b", 60, partial(peer_part, "vicuna-7b")),
    "flan-t5-xl/compile": Part("flan-t5-xl", 90, partial(compile_part, "flan-t5-xl")),
    "flan-t5-xl/trainer": Part("flan-t5-xl", 60, partial(peer_part, "flan-t5-xl")),
}
DATA = {True: ((64, 48), 60), False: ((640, 480), 4096)}  # size and number of pictures


def machine(*, dry: bool) -> dict[str, Any]:
    """Say where this runs."""
    import transformers

    return {
        "device": platform.processor() or "CPU" if dry else torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "dry": dry,
    }


def save(out: Path, report: Mapping[str, Any]) -> None:
    """Write the report, whole or not at all."""
    staged = out / ".report.json"
    staged.write_text(json.dumps(report, indent=1) + "\n")
    staged.replace(out / "report.json")
    (out / "report.md").write_text(report_text(report))


def saved(out: Path) -> dict[str, Any]:
    """Read what an earlier command wrote."""
    path = out / "report.json"
    return json.loads(path.read_text()) if path.is_file() else {"parts": {}, "failed": {}}


def data_of(folder: Path, *, dry: bool) -> Made:
    """Make the data, or find what an earlier command made."""
    size, count = DATA[dry]
    if (folder / "build").is_dir():
        return made_before(folder)
    return make_data(folder, build_preset("tiny-llama").processor.tokenizer, size=size, count=count)


def run_parts(out: Path, names: list[str], *, dry: bool, until: float, folder: Path) -> None:
    """Run parts one after the other; those of one model share it."""
    report = {**saved(out), "machine": machine(dry=dry)}
    made = data_of(folder, dry=dry)
    loaded: tuple[str, Loaded] | None = None
    for name in names:
        part = PARTS[name]
        if time.time() + part.seconds > until:
            print(f"{name}: no time left", flush=True)
            continue
        begin = time.time()
        try:
            if part.model is None:
                found = part.run(made, dry=dry)
            else:
                if loaded is None or loaded[0] != part.model:
                    loaded = None
                    free()
                    loaded = (part.model, load_sized(part.model, dry=dry))
                found = part.run(made, loaded[1], dry=dry)
        except Exception:  # told in the report; what comes behind is worth as much
            report["failed"][name] = traceback.format_exc()
            print(report["failed"][name], file=sys.stderr, flush=True)
        else:
            report["failed"].pop(name, None)
            report["parts"][name] = {"seconds": round(time.time() - begin, 1), **found}
        free()
        save(out, report)
        print(f"{name}: {time.time() - begin:.0f} s", flush=True)


def stages(names: list[str]) -> list[list[str]]:
    """Put parts that follow each other and share a model into one process."""
    found: list[list[str]] = []
    for name in names:
        if found and PARTS[found[-1][-1]].model == PARTS[name].model:
            found[-1].append(name)
        else:
            found.append([name])
    return found


def main() -> int:
    """Run what is not there yet; returns 1 where a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu-report"))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.dry and not torch.cuda.is_available():
        raise SystemExit("gpu_report.py needs a CUDA GPU, and there is none here; try --dry")
    given.out.mkdir(parents=True, exist_ok=True)
    until = time.time() + 60 * given.minutes
    names = [name for name in given.parts.split(",") if name not in saved(given.out)["parts"]]
    folder = given.out / "data"
    if given.dry:
        torch.set_num_threads(1)
    if given.dry or given.in_this_process:
        run_parts(given.out, names, dry=given.dry, until=until, folder=folder)
    else:
        data_of(folder, dry=False)
        for stage in stages(names):  # an error of CUDA spoils a process for good
            left = (until - time.time()) / 60
            line = ["--out", str(given.out), "--minutes", str(left), "--parts", ",".join(stage)]
            subprocess.run([sys.executable, __file__, *line, "--in-this-process"], check=False)
    print((given.out / "report.md").read_text())
    return 1 if saved(given.out)["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
