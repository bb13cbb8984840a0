"""Whether the device computes what a CPU computes: losses, gradients, resuming, ranking.

Small models: every line of the trainer runs, and the CPU side takes seconds.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from gpu_data import Made
from gpu_models import TINY
from language_models import END, FAMILIES, candidates, language_model, prefixes

from instructify_train import checkpoint
from instructify_train.decode import Ranking, Trie, score_candidates
from instructify_train.distributed import Ranks
from instructify_train.recipe import load_recipe
from instructify_train.run.setup import Setup, set_up
from instructify_train.run.stop import StopRequest
from instructify_train.run.trainer import Trainer
from instructify_train.tiny.presets import build_preset

STEPS = {True: 2, False: 6}  # dry or not


class Device(NamedTuple):
    """What is compared with a CPU in fp32."""

    name: str
    precision: str
    dry: bool


CPU = Device("cpu", "fp32", dry=False)


def small_setup(made: Made, preset: str, device: Device) -> Setup:
    """Set up a small model with the same weights on any device."""
    steps, batch = STEPS[device.dry], 4 if device.dry else 16
    given = (
        f"model.name={preset}", "model.dropout=0", f"run.device={device.name}",
        f"run.precision={device.precision}", f"data.batch={batch}", "mixture.reference_ranks=4",
        "data.window=2", "data.workers=0", f"run.steps={steps}", f"run.save_every={steps // 2}",
        "run.validate_every=0", "run.tensorboard=false", "optimizer.lr=1e-3",
        "optimizer.warmup_steps=0",
    )  # fmt: skip
    config = load_recipe(str(made.recipe), given)
    return set_up(made.build, config, made.catalog, Ranks(), build_preset(preset))


def first_step(setup: Setup) -> tuple[float, torch.Tensor]:
    """Compute the loss of the first step and its gradients."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(setup, Path(folder), start=None, shows=False)
        step: Any = setup.steps(0)[0]
        found: list[float] = []
        trainer.passes.run(step.passes, 0, 1)
        grads = [one.grad for one in trainer.parameters.values()]
        gradients = [one.float().flatten().cpu() for one in grads if one is not None]
        for one in step.passes:
            micro = one.micro.to(trainer.device)
            with torch.no_grad():
                per_label = trainer.model(trainer.features.take(one), micro).double().cpu()
            weights = one.weights_B.index_select(0, one.micro.label_sample_N)
            found.append(float((per_label * weights).sum()))
    return sum(found), torch.cat(gradients)


def trained(setup: Setup, folder: Path, until: int | None) -> dict[str, torch.Tensor]:
    """Train to the end in one go, or from the checkpoint of a step on."""
    start = None if until is None else checkpoint.load(folder, until)
    trainer = Trainer(setup, folder, start=start, shows=False)
    trainer.run(StopRequest())
    return {name: one.detach().cpu() for name, one in trainer.parameters.items()}


def resume_difference(made: Made, preset: str, device: Device) -> float:
    """Train, go on from the middle, and compare the weights; 0: the same bits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = trained(small_setup(made, preset, device), folder, None)
        again = trained(small_setup(made, preset, device), folder, STEPS[device.dry] // 2)
    return max(float((whole[name] - again[name]).abs().max()) for name in whole)


def ranking_difference(family: str, device: str) -> dict[str, Any]:
    """Rank on the device and on the CPU, in fp32: the largest difference, and the best ones."""
    model = language_model(family, "tiny", 2048, spread=0.3)
    embeds, mask = prefixes(model, 8, 60)
    of_set = candidates(300, 2048)
    scores = []
    with torch.no_grad():
        for where in ("cpu", device):
            model.to(where)
            scores.append(
                score_candidates(
                    model, embeds.to(where), mask.to(where), Trie.of(of_set), Ranking(),
                    end_token=END,
                )
            )  # fmt: skip
    same = (scores[0].argmax(1) == scores[1].argmax(1)).mean()
    return {"difference": float(abs(scores[0] - scores[1]).max()), "same best": float(same)}


def correct_part(made: Made, *, dry: bool) -> dict[str, Any]:
    """Compare the device with the CPU, family by family."""
    device = Device("cpu", "fp32", dry=True) if dry else Device("cuda", "bf16", dry=False)
    found: dict[str, Any] = {}
    for preset in TINY.values():
        exact, gradients = first_step(small_setup(made, preset, CPU._replace(dry=dry)))
        loss, own = first_step(small_setup(made, preset, device))
        alike = torch.nn.functional.cosine_similarity(own, gradients, dim=0)
        found[preset] = {
            "loss on the CPU": exact,
            "loss on the device": loss,
            "cosine of gradients": float(alike),
            "resume, largest difference": resume_difference(made, preset, device),
        }
    for family in FAMILIES:
        found[f"ranking, {family}"] = ranking_difference(family, device.name)
    return found
