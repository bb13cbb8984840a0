"""Read a training recipe: YAML with changes by `--set`, decoded into `config`, and saved resolved.

`mixture` is a mixture or the name of a recipe that has one. This module checks settings that do not
fit each other; the values of a single setting are checked by its type in `config`.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from instructify._util.errors import UserError
from instructify._util.shards import write_bytes
from instructify._util.yaml_lines import Node
from instructify._util.yaml_typed import decode
from instructify.recipe import (
    ALL,
    RECIPE_FORMAT,
    MixtureRecipe,
    changed_recipe,
    inherited_waivers,
    mixture_of,
    mixtures_of,
    read_recipe,
    recipe_path,
)
from instructify_train.config import (
    PARTS,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainConfig,
)

_SECTIONS = ("model", "data", "optimizer", "run")


def load_recipe(recipe: str, settings: Sequence[str] = ()) -> TrainConfig:
    """Load a recipe of this package by name, or a file by its path; `settings` are `a.b=value`."""
    file = read_recipe(changed_recipe(recipe, settings))
    name = file.name or recipe_path(recipe).stem
    run = decode(RunConfig, file.run)
    mixture = mixture_of(file.mixture, name)
    if not any("seed" in entries for entries in mixtures_of(file.mixture)):
        mixture = dataclasses.replace(mixture, seed=run.seed)
    config = TrainConfig(
        name=name,
        model=decode(ModelConfig, file.model),
        mixture=mixture,
        data=decode(DataConfig, file.data),
        optimizer=decode(OptimizerConfig, _without_loss(file.optimizer, mixture)),
        run=run,
        waivers=inherited_waivers(file),
    )
    _check(config, f"recipe {recipe}")
    return config


def save_recipe(config: TrainConfig, path: Path) -> None:
    """Write the resolved recipe, which can be read again."""
    value = {"format": RECIPE_FORMAT, "name": config.name, **recipe_value(config)}
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    write_bytes(path, text.encode())


def recipe_value(config: TrainConfig) -> dict[str, Any]:
    """Convert a recipe to plain values; recipes with equal values give equal runs."""
    sections = {name: _plain(getattr(config, name)) for name in _SECTIONS}
    waivers = {
        " / ".join(filter(None, (waiver.held_in, waiver.held_out))): waiver.reason
        for waiver in config.waivers
    }
    return {
        **sections,
        "mixture": _mixture_value(config.mixture),
        **({"waivers": waivers} if waivers else {}),
    }


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the settings that differ between two recipes, by their dotted paths."""
    flat_before, flat_now = dict(_flat(before)), dict(_flat(now))
    return [
        f"{key} was {flat_before.get(key)} and is {flat_now.get(key)}"
        for key in sorted({*flat_before, *flat_now})
        if flat_before.get(key) != flat_now.get(key)
    ]


def _without_loss(node: Node | None, mixture: MixtureRecipe) -> Node | None:
    """Remove `optimizer.loss` of earlier versions, which the batches of the mixture replace."""
    if node is None or not node.is_mapping or "loss" not in node.entries():
        return node
    entries = dict(node.entries())
    loss = entries.pop("loss")
    if loss.value != "global_tokens" or mixture.batches != "mixed":
        raise loss.error(
            "'optimizer.loss' is no setting any more, since 'mixture.batches' decides: 'mixed' "
            "takes the mean over all label tokens, 'per_rank' the mean over logical batches; leave "
            "'optimizer.loss' out"
        )
    return dataclasses.replace(node, value=entries)


def _check(config: TrainConfig, named: str) -> None:
    model = config.model
    if not model.train and model.lora is None:
        raise UserError(
            f"{named}: 'model.train' is empty and there is no 'model.lora', so nothing would be "
            f"trained; name parts of {', '.join(PARTS)}"
        )
    if model.name is not None and model.blip2 is not None:
        raise UserError(f"{named}: give 'model.name' or 'model.blip2', not both")
    if model.lora is not None and "language" in model.train:
        raise UserError(
            f"{named}: 'model.lora' is for a frozen language model; take 'language' out of "
            "'model.train', or leave 'lora' out"
        )
    if config.run.device_batch is not None:
        for name in ("device_tokens", "pass_cost"):
            if getattr(config.run, name) is not None:
                raise UserError(
                    f"{named}: 'run.device_batch' fixes the samples of a pass, so 'run.{name}' "
                    "would have no effect; leave one of them out"
                )
    if config.run.best_by and not config.run.validate_every:
        raise UserError(f"{named}: 'run.best_by' needs 'run.validate_every: N', the steps between")
    if config.run.best_by and config.run.parallel == "fsdp":
        raise UserError(
            f"{named}: 'run.best_by' generates answers, which a model sharded by 'parallel: fsdp' "
            "can't do; use 'ddp', or leave 'best_by' out and choose by the validation loss"
        )
    if config.data.feature_cache is not None and (
        config.data.augmentation != "none" or config.data.flip
    ):
        raise UserError(
            f"{named}: 'data.feature_cache' keeps one view of each picture; it needs "
            "'augmentation: none' and 'flip: false'"
        )


def _mixture_value(recipe: MixtureRecipe) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for member in recipe.members:
        value: dict[str, Any] = {"splits": list(member.splits)}
        if recipe.shares != "uniform":
            value["factor"] = member.factor
        if member.forms is not None:
            value["forms"] = dict(member.forms)
        if member.official is not None:
            value["official"] = member.official
        members[member.dataset] = value
    value = {
        **_share_value(recipe),
        "order": recipe.order,
        "batches": recipe.batches,
        "prompts": recipe.prompts,
        "seed": recipe.seed,
        "members": ALL if recipe.takes_all else members,
    }
    if recipe.batches != "mixed":
        value["reference_ranks"] = recipe.reference_ranks
    if recipe.fine_tune:
        value["fine_tune"] = True
    if recipe.fixed:
        value["fixed"] = dict(recipe.fixed)
    return value


def _share_value(recipe: MixtureRecipe) -> dict[str, Any]:
    if recipe.shares == "uniform":
        return {"shares": recipe.shares}
    return {"alpha": recipe.alpha, "size": recipe.size}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    return list(value) if isinstance(value, tuple) else value


def _flat(value: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for key, setting in value.items():
        if isinstance(setting, Mapping):
            yield from _flat(setting, f"{path}{key}.")
        else:
            yield f"{path}{key}", setting
