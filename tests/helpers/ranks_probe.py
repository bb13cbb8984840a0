"""Run by torchrun: the same few steps in several processes, in every way of sharing them.

Writes one JSON object from rank 0: for each way the losses, what wrapped the model, and how many
processes met. A fourth argument, `per-rank`, asks for the ways of logical batches alone.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from instructify._util.exit import exit_now
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify_train.distributed import Ranks, gather, join, leave
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import facts_of, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer

PER_RANK = ("mixture.batches=per_rank", "mixture.reference_ranks=4")
WAYS: dict[str, tuple[str, ...]] = {
    "ddp": ("run.parallel=ddp", "run.device_batch=4"),
    "fsdp": ("run.parallel=fsdp", "run.device_batch=4"),
    "ddp, 4 passes": ("run.parallel=ddp", "run.device_batch=1"),
    "fsdp, blind": ("run.parallel=fsdp", "model.instruction_aware=false"),
    "fsdp, t5": ("run.parallel=fsdp", "model.name=tiny-t5"),
    "ddp, per rank": ("run.parallel=ddp", "run.device_batch=1", *PER_RANK),
    "fsdp, per rank": ("run.parallel=fsdp", "data.bucket=false", *PER_RANK),
    "fsdp, whole": (
        "run.parallel=fsdp",
        "model.train=[vision, norm, qformer, projection, language]",
    ),
}
# Logical batches of one member: every way of sharing them gives one result.
PER_RANK_WAYS: dict[str, tuple[str, ...]] = {
    "ddp": ("run.parallel=ddp", "run.device_batch=2", *PER_RANK),
    "fsdp": ("run.parallel=fsdp", "run.device_batch=1", "data.bucket=false", *PER_RANK),
}


def one_way(
    build: Build, recipe: str, settings: tuple[str, ...], out: Path, ranks: Ranks
) -> dict[str, Any]:
    """Train a few steps; the weights are told by their sums."""
    config = load_recipe(recipe, settings)
    setup = set_up(build, config, load_catalog(), ranks)
    trainer = Trainer(setup, out, start=None, shows=False)
    result = trainer.run(StopRequest())
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines() if ranks.is_first else []
    losses = [json.loads(line)["last_loss"] for line in lines if "last_loss" in line]
    return {
        "losses": losses,
        "wrapped": gather(type(trainer.model).__name__),
        "world": gather(ranks.world),
        "step": result.step,
        "accumulation": facts_of(setup).get("accumulation"),
    }


def main() -> None:
    torch.set_num_threads(1)
    build, recipe, out = Build.open(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3])
    ranks = join(torch.device("cpu"))
    found = {}
    ways = PER_RANK_WAYS if sys.argv[4:] == ["per-rank"] else WAYS
    for number, (name, settings) in enumerate(ways.items()):
        run = out / str(number)
        run.mkdir(parents=True, exist_ok=True)
        found[name] = one_way(build, recipe, settings, run, ranks)
    if ranks.is_first:
        (out / "found.json").write_text(json.dumps(found), encoding="utf-8")
    leave()
    exit_now(0)  # as the command does


if __name__ == "__main__":
    main()
