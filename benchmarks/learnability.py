"""What tiny models learn of the VQAv2 twin, beside the same models blind, frozen, or deaf.

Run: python benchmarks/learnability.py --out FOLDER [--families llama t5] [--ways seeing blind ...]
[--seeds 0 1 2] [--steps N] [--frozen-steps N]. Ways: `seeing` trains all parts; `blind` the same
with gray for every picture; `aware` trains norm, Q-Former and projection on frozen towers; `deaf`
the same with the instruction kept from the Q-Former. Each seed has towers of its own. The questions
are of the val split, whose pictures no one trained on. What is done already in the folder is not
done again; at the end all of it is tabled, and lies there as results.json and curve.svg.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import torch

from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify.commands.convert import ConvertOptions, run_convert
from instructify.metrics.bootstrap import mean_interval
from instructify.pages import Series, make_chart
from instructify.twins.layout import NUM_VAL, TwinRequest
from instructify.twins.make import make_twin
from instructify.twins.writers_vqa import question_kinds
from instructify_train.checkpoint import steps_of
from instructify_train.distributed import Ranks
from instructify_train.evaluate.answering import answerer_of
from instructify_train.evaluate.questions import Asked, ask
from instructify_train.evaluate.trained import load_trained
from instructify_train.recipe import load_recipe
from instructify_train.run.journal import read_log
from instructify_train.run.launcher import StartOptions, launch
from instructify_train.run_folder import is_run
from instructify_train.tiny.towers import TowersRequest, teach_towers

FROZEN = ("model.train=[norm, qformer, projection]", "optimizer.lr=1e-3")
WAYS: Mapping[str, tuple[str, ...]] = {
    "seeing": (),
    "blind": ("data.blind=true",),
    "aware": FROZEN,
    "deaf": (*FROZEN, "model.instruction_aware=false"),
}
LOOKS = 6  # at a run on its way, for the curve
NUM_LOOKED = 400
COLOURS = ("#0b6e99", "#c1440e", "#3d8b37", "#7b3fa0", "#b58900", "#444", "#d33682", "#2aa198")


class Options(NamedTuple):
    """What is to be done; see the head of this file."""

    out: Path
    families: list[str]
    ways: list[str]
    seeds: list[int]
    scale: float
    steps: int
    frozen_steps: int
    vision_steps: int
    language_steps: int
    grounding_steps: int
    num: int
    settings: list[str]


def make_build(options: Options) -> Build:
    """Make and convert the twin of VQAv2, once."""
    out = options.out / "build"
    if not out.exists():
        make_twin(["vqav2"], options.out / "raw", scale=options.scale)
        run_convert(
            ConvertOptions(names=["vqav2"], raw=options.out / "raw", out=out), as_json=False
        )
    return Build.open(out)


def taught(options: Options, family: str, seed: int) -> Path:
    """Teach towers, once."""
    out = options.out / f"towers-{family}-{seed}"
    if not out.exists():
        request = TowersRequest(
            preset=f"tiny-{family}",
            seed=seed,
            vision_steps=options.vision_steps,
            language_steps=options.language_steps,
            grounding_steps=options.grounding_steps,
        )
        report = teach_towers(request, out, lambda *_: None)
        print(json.dumps(report.as_json()), flush=True)
    return out


def trained(options: Options, build: Build, family: str, seed: int, way: str) -> Path:
    """Train in one way, once, or go on with what was cut off."""
    run = options.out / f"{family}-{seed}-{way}"
    if (run / "done.json").exists():
        return run
    steps = options.steps if way in ("seeing", "blind") else options.frozen_steps
    settings = [
        f"model.name={taught(options, family, seed)}",
        f"run.seed={seed}",
        f"mixture.seed={seed}",
        f"run.steps={steps}",
        f"run.save_every={-(-steps // LOOKS)}",
        "run.keep=100",
        "run.tensorboard=false",
        *WAYS[way],
        *options.settings,
    ]
    start = time.monotonic(), time.process_time()
    result, _ = launch(
        build, load_recipe("tiny-vqa", settings), load_catalog(), run, Ranks(),
        StartOptions(resume=is_run(run)),
    )  # fmt: skip
    if result.stopped_by is not None:
        raise SystemExit(128 + result.stopped_by)
    took = {
        "wall_s": round(time.monotonic() - start[0], 1),
        "cpu_s": round(time.process_time() - start[1], 1),
        "threads": torch.get_num_threads(),
    }
    (run / "done.json").write_text(json.dumps(took))
    return run


def examined(options: Options, build: Build, run: Path, kinds: Mapping[int, str]) -> None:
    """Ask the model at its checkpoints, once; the last one is asked all questions."""
    found = run / "answers.json"
    if found.exists():
        return
    steps = steps_of(run)
    curve = []
    for step in steps[:-1]:
        asked = _ask(build, run, str(step), NUM_LOOKED)
        curve.append((step, float(np.mean([one.is_right for one in asked]))))
    asked = _ask(build, run, "last", options.num)
    curve.append((steps[-1], float(np.mean([one.is_right for one in asked]))))
    rows = [(kinds[_question_id(one)], one.is_right) for one in asked]
    found.write_text(json.dumps({"curve": curve, "rows": rows}))
    print(f"{run.name}: {100 * curve[-1][1]:.1f} %", flush=True)


def _ask(build: Build, run: Path, which: str, num: int) -> list[Asked]:
    answerer = answerer_of(load_trained(str(run), which), torch.device("cpu"))
    return ask(answerer, build, "vqav2", "val", num)


def _question_id(one: Asked) -> int:
    return int(one.sample_id.split("/")[-1].split("#")[0])


def table(options: Options) -> dict[str, Any]:
    """Sum up all runs that are there, overall and by kind of question."""
    results: dict[str, Any] = {}
    for path in sorted(options.out.glob("*/answers.json")):
        rows = json.loads(path.read_text())["rows"]
        scores = np.array([float(right) for _, right in rows])
        of_kind: defaultdict[str, list[bool]] = defaultdict(list)
        for kind, right in rows:
            of_kind[kind].append(right)
        log = [one for one in read_log(path.parent) if "samples_per_s" in one]
        results[path.parent.name] = {
            "right": float(scores.mean()),
            "interval": list(mean_interval(scores)),
            "num": len(rows),
            "kinds": {kind: float(np.mean(of_kind[kind])) for kind in sorted(of_kind)},
            "num_of_kind": {kind: len(of_kind[kind]) for kind in sorted(of_kind)},
            "curve": json.loads(path.read_text())["curve"],
            "samples_per_s": float(np.median([one["samples_per_s"] for one in log])),
            **json.loads((path.parent / "done.json").read_text()),
        }
    return results


def show(results: Mapping[str, Any]) -> None:
    """Print a column for each run, a row for each kind."""
    names = list(results)
    kinds = sorted({kind for one in results.values() for kind in one["kinds"]})
    width = max(map(len, [*names, "samples/s"]), default=0) + 2
    print(" " * 12 + "".join(f"{name:>{width}}" for name in names))
    for kind in kinds:
        print(f"{kind:<12}" + "".join(_cell(results[n]["kinds"].get(kind), width) for n in names))
    print(f"{'all':<12}" + "".join(_cell(results[n]["right"], width) for n in names))
    for at, name in enumerate(("low", "high")):
        print(f"{name:<12}" + "".join(_cell(results[n]["interval"][at], width) for n in names))
    for name in ("samples_per_s", "wall_s"):
        print(f"{name[:11]:<12}" + "".join(f"{results[n][name]:>{width}.0f}" for n in names))


def _cell(share: float | None, width: int) -> str:
    return f"{'-' if share is None else format(100 * share, '.1f'):>{width}}"


def draw(results: Mapping[str, Any]) -> str:
    """Draw the share of right answers, in percent, over steps, a line for each run."""
    curves = {
        f"{name} {100 * one['right']:.0f} %": [(step, 100 * share) for step, share in one["curve"]]
        for name, one in results.items()
    }
    chart = make_chart(
        "",
        [Series(name, points) for name, points in curves.items()],
        y_name="right answers in per cent",
        about="over steps of 64 samples",
    )
    source = (Path(__file__).parent / "curves.svg").read_text("utf-8")
    template = jinja2.Environment(autoescape=True).from_string(source)
    return template.render(
        chart=chart, names=list(curves), colours=COLOURS, label="share of right answers"
    )


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--families", nargs="+", default=["llama", "t5"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--scale", type=float, default=200.0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--frozen-steps", type=int, default=1000)
    parser.add_argument("--vision-steps", type=int, default=TowersRequest().vision_steps)
    parser.add_argument("--language-steps", type=int, default=TowersRequest().language_steps)
    parser.add_argument("--grounding-steps", type=int, default=TowersRequest().grounding_steps)
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    return Options(**vars(parser.parse_args(arguments)))


def main() -> None:
    """Do what is not done yet, then table everything."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    options = parse(sys.argv[1:])
    options.out.mkdir(parents=True, exist_ok=True)
    build = make_build(options)
    request = TwinRequest(out=options.out / "raw", release="vqav2", scale=options.scale)
    kinds = question_kinds(request, "val2014", request.num(NUM_VAL))
    for seed in options.seeds:
        for family in options.families:
            for way in options.ways:
                run = trained(options, build, family, seed, way)
                examined(options, build, run, kinds)
    results = table(options)
    (options.out / "results.json").write_text(json.dumps(results, indent=1))
    (options.out / "curve.svg").write_text(draw(results))
    show(results)


if __name__ == "__main__":
    main()
