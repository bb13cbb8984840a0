"""Run in several processes: the same few steps in every way of sharing them.

Writes one JSON object from rank 0: for each way the losses, what wrapped the model, and how many
processes met. The fourth argument chooses a group of ways: `shared` those of sharing the model,
`per-rank` those of logical batches, `passes` those of passes by positions, in some of which the
memory of the last process runs out, `nodes` those of several nodes, `quick` some of each.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from instructify._util.exit import exit_now
from instructify.build.opened import Build
from instructify.catalog.load import load_catalog
from instructify_train.distributed import Ranks, gather, join, leave
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import facts_of, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer

BUDGET = ("run.device_batch=null", "run.device_tokens=75", "run.pass_cost=0")
FULL = ("run.device_batch=null", "run.device_tokens=75", "run.pass_cost=1000")  # two or three each
ONE_PASS = ("run.device_batch=null", "run.device_tokens=100000", "run.pass_cost=100000")
PER_RANK = ("mixture.batches=per_rank", "mixture.reference_ranks=4")
SHORT = ("run.validate_every=0", "run.steps=2")
Ways = dict[str, tuple[str, ...]]
WAYS: Ways = {
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
PER_RANK_WAYS: Ways = {
    "ddp": ("run.parallel=ddp", "run.device_batch=2", *PER_RANK),
    "fsdp": ("run.parallel=fsdp", "run.device_batch=1", "data.bucket=false", *PER_RANK),
    "ddp, by positions": ("run.parallel=ddp", *BUDGET, *PER_RANK),
}
FSDP = "run.parallel=fsdp"
# Three processes have unlike samples and unlike numbers of them, and all come to one loss.
PASS_WAYS: Ways = {
    "fsdp": (FSDP, *BUDGET),
    "ddp": ("run.parallel=ddp", *BUDGET),
    "fsdp, in a layer": (FSDP, *ONE_PASS),
    "fsdp, before the model": (FSDP, *ONE_PASS),
    "fsdp, in a later pass": (FSDP, *FULL, "data.batch=16"),
    "fsdp, t5, behind the layers": (FSDP, "model.name=tiny-t5", *ONE_PASS),
    "ddp, in a layer": ("run.parallel=ddp", *ONE_PASS),
}
# As if every two processes were a node of their own.
NODE_WAYS: Ways = {
    "fsdp": (FSDP, *BUDGET),
    "fsdp, in a layer": (FSDP, *ONE_PASS),
}


def _named(group: str, ways: Ways, *names: str) -> Ways:
    return {f"{group}: {name}": ways[name] for name in names or ways}


GROUPS: dict[str, Ways] = {
    "shared": _named("shared", WAYS),
    "per-rank": _named("per-rank", PER_RANK_WAYS),
    "passes": _named("passes", PASS_WAYS),
    "nodes": _named("nodes", NODE_WAYS),
}
# Both kinds of sharing, of batches and of shortage, in one start of two processes; the other groups
# have them all.
GROUPS["quick"] = {
    **_named("shared", WAYS, "ddp, 4 passes"),
    **_named("per-rank", PER_RANK_WAYS, "fsdp"),
    **_named("passes", PASS_WAYS, "fsdp, in a later pass"),
}


def short(way: str) -> tuple[str, ...]:
    """Give the settings of a way that does without validation and a third step."""
    whole = way.startswith("shared") and ("ddp" in way or way.endswith("fsdp"))
    return () if whole else SHORT


def starve(trainer: Trainer, way: str) -> None:
    """Let memory run out in this process, once or twice, at the place that the way names."""
    inner = trainer.setup.prepared.inner.model
    few = trainer.setup.ranks.world > 2 or "later pass" in way  # passes of two samples
    left = [1 if few else 2]

    def run_out(after: int = 0) -> Any:
        calls[0] += 1
        if left[0] and calls[0] > after:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    calls = [0]
    if "before the model" in way:
        take = trainer.features.take
        trainer.features.take = lambda one: (run_out(), take(one))[1]  # type: ignore
    elif "behind the layers" in way:
        head = inner.language_model.get_output_embeddings()
        head.register_forward_pre_hook(lambda *_: run_out())
    elif "layer" in way or "later pass" in way:
        last = inner.language_model.get_decoder().layers[-1]
        forward = last.forward
        after = 1 if "later pass" in way else 0
        last.forward = lambda *a, **k: (run_out(after), forward(*a, **k))[1]


def mesh_of(trainer: Trainer) -> list[int]:
    """Say over how many processes a trained tensor is copied and divided."""
    tensor = next(iter(trainer.parameters.values()))
    return list(tensor.device_mesh.shape) if isinstance(tensor, DTensor) else []


def one_way(
    build: Build, recipe: str, way: str, settings: tuple[str, ...], out: Path, ranks: Ranks
) -> dict[str, Any]:
    """Train a few steps; the weights are told by their sums."""
    config = load_recipe(recipe, (*short(way), *settings))
    setup = set_up(build, config, load_catalog(), ranks)
    trainer = Trainer(setup, out, start=None, shows=False)
    if way.startswith(("passes", "nodes")) and ranks.rank == ranks.world - 1:
        starve(trainer, way)
    result = trainer.run(StopRequest())
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines() if ranks.is_first else []
    losses = [json.loads(line)["last_loss"] for line in lines if "last_loss" in line]
    return {
        "losses": losses,
        "wrapped": gather(type(trainer.model).__name__),
        "world": gather(ranks.world),
        "step": result.step,
        "mesh": mesh_of(trainer),
        "accumulation": facts_of(setup).get("accumulation"),
    }


def main() -> None:
    torch.set_num_threads(1)
    build, recipe, out = Build.open(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3])
    if sys.argv[4:5] == ["nodes"]:
        os.environ["LOCAL_WORLD_SIZE"] = "2"
    ranks = join(torch.device("cpu"))
    found = {}
    for number, (name, settings) in enumerate(GROUPS[sys.argv[4]].items()):
        run = out / str(number)
        run.mkdir(parents=True, exist_ok=True)
        found[name] = one_way(build, recipe, name, settings, run, ranks)
    if ranks.is_first:
        (out / "found.json").write_text(json.dumps(found), encoding="utf-8")
    leave()
    exit_now(0)  # as the command does


if __name__ == "__main__":
    main()
