"""A trained model put together again: the weights that a run started from, and those it learnt."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from instructify._util.errors import UserError
from instructify._util.file_names import require_text
from instructify._util.shards import fresh_folder, sync
from instructify_train.checkpoint import RunState
from instructify_train.config import DataConfig, ModelConfig
from instructify_train.model import add_adapters, fold_adapters, load_model
from instructify_train.run_folder import chosen_checkpoint, is_run, run_recipe


class Trained(NamedTuple):
    """A whole model; `state` is that of the run's checkpoint, None for a model of its own."""

    model: Any
    processor: Any
    config: ModelConfig
    data: DataConfig
    state: RunState | None


def load_trained(source: str, which: str = "best") -> Trained:
    """Load the folder of a run at a checkpoint, or a model by name or folder."""
    if not is_run(Path(source)):
        config = ModelConfig(name=source)
        model, processor = load_model(config)
        return Trained(model, processor, config, DataConfig(), None)
    recipe = run_recipe(Path(source))
    checkpoint = chosen_checkpoint(Path(source), which)
    model, processor = load_model(recipe.model)
    if recipe.model.lora is not None:
        add_adapters(model.language_model, recipe.model.lora, recipe.model.seed)
    put_weights(model, checkpoint.weights)
    if recipe.model.lora is not None:
        fold_adapters(model.language_model)
    return Trained(model, processor, recipe.model, recipe.data, checkpoint.state)


def put_weights(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Lay learnt weights over a model's, in place; its precision stays what it is."""
    own = dict(model.named_parameters())
    unknown = sorted(set(weights) - set(own))
    if unknown:
        raise UserError(
            f"the checkpoint has weights that the model of its recipe has not ({unknown[0]}, ...); "
            "the model was changed since: give the one that the run started from"
        )
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)


def merge(run: Path, out: Path, which: str = "best") -> RunState | None:
    """Write a run's whole model as transformers reads it; `out` holds all of it or nothing."""
    if not is_run(run):
        raise UserError(f"{run} holds no run; give a folder written by `instructify train`")
    require_text(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty; choose another --out")
    trained = load_trained(str(run), which)
    staged = out.with_name(f".{out.name}.staged")
    fresh_folder(staged)
    trained.model.save_pretrained(staged)
    trained.processor.save_pretrained(staged)
    for path in staged.rglob("*"):
        sync(path)
    if out.exists():
        out.rmdir()
    staged.replace(out)
    sync(out.parent)
    return trained.state
