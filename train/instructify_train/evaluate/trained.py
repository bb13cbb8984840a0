"""Load a trained model: the weights that a run started from, and those that it trained."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from instructify._util.errors import UserError
from instructify_train.checkpoint import RunState
from instructify_train.config import DataConfig, ModelConfig
from instructify_train.model import (
    NOT_NOTED,
    TrainedOn,
    add_adapters,
    fold_adapters,
    load_model,
    read_trained_on,
)
from instructify_train.run_folder import chosen_checkpoint, is_run, run_recipe, trained_on


class Trained(NamedTuple):
    """A whole model; `state` is that of the run's checkpoint, None for a model without a run."""

    model: Any
    processor: Any
    config: ModelConfig
    data: DataConfig
    state: RunState | None
    trained_on: TrainedOn = NOT_NOTED


def load_trained(source: str, which: str = "best") -> Trained:
    """Load the folder of a run at a checkpoint, or a model by name or folder."""
    if not is_run(Path(source)):
        config = ModelConfig(name=source)
        model, processor = load_model(config)
        return Trained(model, processor, config, DataConfig(), None, read_trained_on(source))
    recipe = run_recipe(Path(source))
    checkpoint = chosen_checkpoint(Path(source), which)
    model, processor = load_model(recipe.model)
    if recipe.model.lora is not None:
        add_adapters(model.language_model, recipe.model.lora, recipe.model.seed)
    put_weights(model, checkpoint.weights)
    if recipe.model.lora is not None:
        fold_adapters(model.language_model)
    known = trained_on(Path(source))
    return Trained(model, processor, recipe.model, recipe.data, checkpoint.state, known)


def put_weights(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Load trained weights into a model, in place.

    They stay in fp32: after rounding to a bf16 base model, nine of ten would equal the weights
    before a short run.
    """
    parameters = dict(model.named_parameters())
    unknown = sorted(set(weights) - set(parameters))
    if unknown:
        raise UserError(
            f"the checkpoint has weights that the model of its recipe has not ({unknown[0]}, ...); "
            "the model was changed since: give the one that the run started from"
        )
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].data = value.to(parameters[name].device)
