"""Read a training recipe: YAML, changed by `--set`, checked key by key, kept as it was resolved.

A key that is unknown is refused with the nearest name, a value of the wrong kind with what is
allowed; both with file and line. `mixture` is written out or names another recipe's.
"""

import dataclasses
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from instructify._util.errors import UserError
from instructify._util.shards import write_bytes
from instructify._util.yaml_lines import Node
from instructify.recipe import (
    ALL,
    RECIPE_FORMAT,
    MixtureRecipe,
    changed_recipe,
    inherited_waivers,
    mixture_of,
    mixtures_of,
    recipe_fields,
    recipe_name,
    recipe_path,
)
from instructify_train.config import (
    PARTS,
    TRACKERS,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    TrainConfig,
)

Section = TypeVar("Section")
_SECTIONS = ("model", "data", "optimizer", "run")


def load_recipe(recipe: str, settings: Sequence[str] = ()) -> TrainConfig:
    """Load a recipe of ours by name, or of a file by its path; `settings` are `a.b=value`."""
    fields = recipe_fields(changed_recipe(recipe, settings))
    name = recipe_name(fields, recipe_path(recipe))
    run = _section(RunConfig, fields.get("run"))
    mixture = mixture_of(fields["mixture"], name)
    if not any("seed" in entries for entries in mixtures_of(fields["mixture"])):
        mixture = dataclasses.replace(mixture, seed=run.seed)
    config = TrainConfig(
        name=name,
        model=_section(ModelConfig, fields.get("model")),
        mixture=mixture,
        data=_section(DataConfig, fields.get("data")),
        optimizer=_section(OptimizerConfig, _without_loss(fields.get("optimizer"), mixture)),
        run=run,
        waivers=inherited_waivers(fields),
    )
    _check(config, f"recipe {recipe}")
    return config


def save_recipe(config: TrainConfig, path: Path) -> None:
    """Write the resolved recipe, so that it can be read again as it is."""
    value = {"format": RECIPE_FORMAT, "name": config.name, **recipe_value(config)}
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    write_bytes(path, text.encode())


def recipe_value(config: TrainConfig) -> dict[str, Any]:
    """Shape a recipe as plain values; two recipes with equal values do the same."""
    sections = {name: _plain(getattr(config, name)) for name in _SECTIONS}
    waivers = {
        " / ".join(filter(None, (one.held_in, one.held_out))): one.reason for one in config.waivers
    }
    return {
        **sections,
        "mixture": _mixture_value(config.mixture),
        **({"waivers": waivers} if waivers else {}),
    }


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the settings, by their dotted paths, that two recipes do not share."""
    flat_before, flat_now = dict(_flat(before)), dict(_flat(now))
    return [
        f"{key} was {flat_before.get(key)} and is {flat_now.get(key)}"
        for key in sorted({*flat_before, *flat_now})
        if flat_before.get(key) != flat_now.get(key)
    ]


def _without_loss(node: Node | None, mixture: MixtureRecipe) -> Node | None:
    """Take out what earlier versions had as `optimizer.loss`; the mixture's batches decide now."""
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
    for part in model.train:
        if part not in PARTS:
            raise UserError(
                f"{named}: '{part}' is no part of the model to train; allowed: {', '.join(PARTS)}"
            )
    if not model.train and model.lora is None:
        raise UserError(
            f"{named}: 'model.train' is empty and there is no 'model.lora', so nothing would be "
            f"trained; name parts of {', '.join(PARTS)}"
        )
    for tracker in config.run.trackers:
        if tracker not in TRACKERS:
            raise UserError(
                f"{named}: '{tracker}' is no tracker of 'run.trackers'; allowed: "
                f"{', '.join(TRACKERS)}"
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


def _section(cls: type[Section], node: Node | None) -> Section:
    """Fill a dataclass from a mapping; what is not there keeps its default."""
    assert dataclasses.is_dataclass(cls)
    fields = {one.name: one for one in dataclasses.fields(cls)}
    required = [
        name
        for name, one in fields.items()
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    entries: Mapping[str, Node] = {}
    if node is not None and not node.is_null:
        entries = node.fields(
            required=required, optional=[name for name in fields if name not in required]
        )
    hints = get_type_hints(cls)
    given = {name: _value(hints[name], one, fields[name].metadata) for name, one in entries.items()}
    return cls(**given)


def _value(hint: Any, node: Node, metadata: Mapping[str, Any]) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(None) in kinds:
        if node.is_null:
            return None
        kinds = tuple(kind for kind in kinds if kind is not type(None))
    (kind,) = kinds
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _section(kind, node)
    if get_origin(kind) is Literal:
        if isinstance(node.value, bool):  # a word that YAML takes for a truth value
            node = dataclasses.replace(node, value=str(node.value).lower())
        return node.choice(get_args(kind))
    if get_origin(kind) is tuple:
        return node.texts() if not (node.is_list and not node.items()) else ()
    if kind is bool:
        return node.boolean()
    if kind is str:
        return node.text()
    return _number(kind, node, metadata)


def _number(kind: type, node: Node, metadata: Mapping[str, Any]) -> int | float:
    least, most = metadata.get("least", 0), metadata.get("most", 2**62)
    if kind is int:
        number = node.integer(minimum=int(least))
        return number if number <= most else int(node.number(minimum=least, maximum=most))
    return node.number(minimum=least, maximum=most)


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
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value


def _flat(value: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{path}{key}.")
        else:
            yield f"{path}{key}", one
