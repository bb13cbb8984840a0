"""Build all objects of a run from its recipe and a build, before the first step."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from instructify._util.errors import UserError
from instructify.build import Build
from instructify.catalog import Catalog
from instructify.recipe import MixedBuild, mix_build
from instructify_train.config import DataConfig, TrainConfig
from instructify_train.data import (
    FeatureFiles,
    FixedRule,
    PassRule,
    PixelReader,
    SampleStream,
    Share,
    Steps,
    tower_key,
    without_augmentation,
)
from instructify_train.distributed import Ranks, gather, share_model
from instructify_train.model import (
    Counted,
    InstructBlip,
    SampleTokens,
    add_adapters,
    checkpoint_activations,
    choose_trained,
    costs_of,
    count,
    device_of,
    limits_of,
    load_model,
    pixel_mean_std,
    precision_of,
    set_dropout,
    set_precision,
)
from instructify_train.run.compiling import compile_layers
from instructify_train.run.memory import Estimate, fit
from instructify_train.run.validation import Validator
from instructify_train.tiny import Loaded

_GROUP = 32  # pictures in a batch of a frozen tower
_PASS_COST = {"cuda": 512, "cpu": 64}  # the cost of starting a pass, in positions


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A model prepared for training in this process; `model` may be wrapped, `inner` is not."""

    inner: InstructBlip
    model: nn.Module
    processor: Any
    counted: Counted
    loaded_s: float
    compiled: int  # layers
    device: torch.device
    precision: torch.dtype
    device_batch: int
    device_tokens: int | None  # None: passes of `device_batch` samples
    memory: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """A run in one process."""

    config: TrainConfig
    mixed: MixedBuild
    ranks: Ranks
    share: Share
    prepared: Prepared
    tokens: SampleTokens
    pixels: PixelReader
    feature_files: FeatureFiles | None
    validator: Validator | None

    def steps(self, first: int) -> Steps:
        """Make the steps of this process, starting at `first`."""
        return Steps(
            SampleStream(self.mixed),
            self.tokens,
            self.pixels,
            self.prepared.inner.layout,
            self.config.data,
            self.share,
            first=first,
            group=self.prepared.device_batch if self.prepared.device_tokens is None else _GROUP,
            tower_is_frozen=self.prepared.inner.tower_is_frozen,
            features=self.feature_files,
        )


def prepare_model(config: TrainConfig, ranks: Ranks, loaded: Loaded | None = None) -> Prepared:
    """Load the model, select the trained parts, and move it to its device."""
    device = device_of(config.run.device)
    if device.type == "cuda":
        device = torch.device("cuda", ranks.local)
    precision = precision_of(config.run.precision, device)
    begun = time.monotonic()
    model, processor = loaded if loaded is not None else load_model(config.model)
    loaded_s = time.monotonic() - begun
    if config.model.lora is not None:
        add_adapters(model.language_model, config.model.lora, config.model.seed)
    inner = configure(model, processor, config, precision, device).to(device)
    fitted = fit(inner, config, ranks, device)
    counted = count(inner)
    compiled = compile_layers(inner, config.run, device)
    wrapped = share_model(inner, config.run.parallel, ranks, device)
    return Prepared(
        inner=inner,
        model=wrapped,
        processor=processor,
        counted=counted,
        loaded_s=loaded_s,
        compiled=compiled,
        device=device,
        precision=precision,
        device_batch=fitted.device_batch,
        device_tokens=_agreed(fitted.device_tokens),
        memory=fitted.memory,
    )


def _agreed(device_tokens: int | None) -> int | None:
    """Agree on a size of passes that fits on every device, since all processes split alike."""
    return None if device_tokens is None else min(gather(device_tokens))


def configure(
    model: Any,
    processor: Any,
    config: TrainConfig,
    precision: torch.dtype,
    device: torch.device | None = None,
) -> InstructBlip:
    """Freeze, cast and move parameters and set dropout, as the recipe says."""
    choose_trained(model, config.model)
    set_precision(model, precision, device)
    set_dropout(model, config.model)
    inner = InstructBlip(
        model,
        instruction_aware=config.model.instruction_aware,
        tower_is_frozen="vision" not in config.model.train,
    )
    inner.precision = precision
    inner.set_pixels(*pixel_mean_std(processor))
    if config.run.checkpoint_activations:
        for part in (model.language_model, model.qformer, model.vision_model):
            if part is not model.vision_model or not inner.tower_is_frozen:
                checkpoint_activations(part, enabled=True)
    inner.train()
    return inner


def set_up(
    build: Build, config: TrainConfig, catalog: Catalog, ranks: Ranks, loaded: Loaded | None = None
) -> Setup:
    """Set up a run from a recipe and a build."""
    mixed = mix_build(build, config.mixture, catalog, batch=config.data.batch)
    prepared = prepare_model(config, ranks, loaded)
    tokens = SampleTokens(prepared.processor, limits_of(config.data))
    pixels = open_pixels(build, config.data, prepared.inner, config.run.seed)
    share = Share(
        rank=ranks.rank,
        world=ranks.world,
        rule=pass_rule(config, prepared, ranks.world),
    )
    validator = None
    if config.run.validate_every:
        plain = open_pixels(
            build, without_augmentation(config.data), prepared.inner, config.run.seed
        )
        validator = Validator(
            mixed,
            tokens,
            plain,
            prepared.inner.layout,
            num_samples=config.run.validation_samples,
            device_batch=prepared.device_batch,
            share=share,
        )
    return Setup(
        config=config,
        mixed=mixed,
        ranks=ranks,
        share=share,
        prepared=prepared,
        tokens=tokens,
        pixels=pixels,
        feature_files=_feature_files(config, prepared, ranks.world),
        validator=validator,
    )


def pass_rule(config: TrainConfig, prepared: Prepared, world: int) -> PassRule | FixedRule:
    """Return the rule by which a process splits its part of a step into passes."""
    passes = accumulation(config.data.batch, world, prepared.device_batch)
    if prepared.device_tokens is None:
        return FixedRule(accumulation=passes)
    costs, overhead = costs_of(prepared.inner), config.run.pass_cost
    if overhead is None:
        overhead = _PASS_COST.get(prepared.device.type, _PASS_COST["cpu"])
    return PassRule(
        positions=prepared.device_tokens,
        overhead=overhead,
        decoder=costs.decoder / costs.encoder,
        frame=costs.frame / costs.encoder,
    )


def accumulation(batch: int, world: int, device_batch: int) -> int:
    """Return the number of passes of each process in a global batch."""
    if batch < world:
        raise UserError(
            f"a global batch of {batch} can't be shared by {world} processes; raise 'data.batch'"
        )
    return min(-(-batch // (world * device_batch)), batch // world)


def open_pixels(build: Build, data: DataConfig, model: InstructBlip, seed: int) -> PixelReader:
    """Open the pictures of a build in the input size of the tower."""
    store = build.pictures()
    if store is None:
        raise UserError(
            f"{build.paths.root} was made without pictures; convert again with `--pictures store` "
            "or `--pictures reference`"
        )
    size = model.model.config.vision_config.image_size
    return PixelReader(store=store, size=size, data=data, seed=seed)


def facts_of(setup: Setup) -> Mapping[str, Any]:
    """Describe the inputs of a run in plain values, for its folder and for `--json`."""
    prepared, config = setup.prepared, setup.config
    return {
        "model": config.model.name or "BLIP-2 in two parts",
        "parameters": prepared.counted.total,
        "trained": prepared.counted.trained,
        "device": str(prepared.device),
        "precision": str(prepared.precision).removeprefix("torch."),
        "processes": setup.ranks.world,
        "parallel": config.run.parallel if setup.ranks.world > 1 else None,
        "batch": config.data.batch,
        **_pass_facts(setup),
        "steps": config.run.steps,
        "mixture": setup.mixed.mixture.hash,
        "validation": list(setup.validator.datasets) if setup.validator else [],
    }


def _pass_facts(setup: Setup) -> dict[str, int]:
    rule = setup.share.rule
    if isinstance(rule, PassRule):
        return {"device_tokens": rule.positions}
    return {"device_batch": setup.prepared.device_batch, "accumulation": rule.accumulation}


def _feature_files(config: TrainConfig, prepared: Prepared, writers: int) -> FeatureFiles | None:
    cache = config.data.feature_cache
    if cache is None:
        return None
    if not prepared.inner.tower_is_frozen:
        raise UserError("'data.feature_cache' is for a frozen vision tower; leave it out")
    vision = prepared.inner.model.vision_model
    data, shape = config.data, vision.config
    patches = (shape.image_size // shape.patch_size) ** 2 + 1
    read = (shape.image_size, data.exif, data.draft, data.frames, data.blind)
    key = tower_key(vision, *read, *pixel_mean_std(prepared.processor))
    return FeatureFiles(
        Path(cache.folder),
        key,
        (patches, shape.hidden_size),
        prepared.precision,
        int(cache.gigabytes * 1e9),
        writers=writers,
    )
