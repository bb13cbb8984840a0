"""The settings of a training run: a frozen dataclass with a section for each part of a recipe.

The defaults are the values of the paper (arXiv 2305.06500, section 2.6) and, for settings that it
does not give, our own. A recipe may change each setting. `recipe.py` fills the dataclasses from
YAML and `--set`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from instructify._util.yaml_marks import MAY_BE_EMPTY, Between, OneOf
from instructify.mixture import WINDOW
from instructify.recipe import MixtureRecipe, Waiver

PARTS = ("vision", "norm", "qformer", "projection", "language")
TRACKERS = ("wandb", "trackio")
PAPER_PARTS = ("norm", "qformer", "projection")
Texts = Annotated[tuple[str, ...], MAY_BE_EMPTY]


@dataclass(frozen=True, kw_only=True, slots=True)
class Blip2Config:
    """The two BLIP-2 checkpoints that InstructBLIP starts from, by hub name or folder.

    `processor` names the source of the tokenizers; None: `stage2`.
    """

    stage2: str
    stage1: str
    processor: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters on the frozen language model (needs peft)."""

    rank: Annotated[int, Between(1, 4096)] = 8
    alpha: Annotated[float, Between(0, 1e6)] = 16.0
    dropout: Annotated[float, Between(0, 0.99)] = 0.0
    targets: Texts = ()  # names of linear layers; empty: those of queries and values


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The model, and which of its parts are trained.

    `name` is a preset, a hub name or a folder. `train` lists parts: vision (the whole tower), norm
    (the layer norm after it), qformer (with its queries), projection, language.
    With `instruction_aware: false` the Q-Former does not get the instruction, as in BLIP-2.
    `dropout` is that of the Q-Former, None: as in its configuration. Frozen parts have no dropout.
    """

    name: str | None = None
    blip2: Blip2Config | None = None
    train: Annotated[tuple[Annotated[str, OneOf(PARTS)], ...], MAY_BE_EMPTY] = PAPER_PARTS
    instruction_aware: bool = True
    lora: LoraConfig | None = None
    dropout: Annotated[float, Between(0, 0.99)] | None = None
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    seed: Annotated[int, Between(0, 2**31)] = 0  # of the random weights of a preset


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureCacheConfig:
    """A cache of picture features of the frozen vision tower on disk, up to a size."""

    folder: str
    gigabytes: Annotated[float, Between(0, 1e6)] = 50.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Batches, token limits, and how pictures are read.

    `batch` is the global batch: the samples of an optimizer step on all devices together. With
    `bucket`, the samples of `window` batches are sorted by length into batches (only the samples
    of a step into passes if the mixture has batches per rank). Limits count tokens, special tokens
    included. `blind` replaces every picture by gray, in training and evaluation, to measure what a
    model answers without pictures.
    """

    batch: Annotated[int, Between(1, 1 << 20)] = 128
    window: Annotated[int, Between(1, 1 << 12)] = WINDOW
    bucket: bool = True
    qformer_tokens: Annotated[int, Between(4, 1 << 20)] = 128
    instruction_tokens: Annotated[int, Between(4, 1 << 20)] = 128
    response_tokens: Annotated[int, Between(2, 1 << 20)] = 256
    frames: Annotated[int, Between(1, 256)] = 4  # of a clip
    augmentation: Literal["none", "paper"] = "none"
    flip: bool = False
    blind: bool = False
    draft: bool = False
    exif: Literal["ignore", "apply"] = "ignore"
    workers: Annotated[int, Between(0, 256)] = 2
    feature_cache: FeatureCacheConfig | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """AdamW and its learning rate: linear warm-up, then `cosine` a step or LAVIS' `staircase`."""

    lr: Annotated[float, Between(0, 10)] = 1e-5
    warmup_from: Annotated[float, Between(0, 10)] = 1e-8
    warmup_steps: Annotated[int, Between(0, 1 << 40)] = 1_000
    schedule: Literal["cosine", "staircase", "constant"] = "cosine"
    stair_steps: Annotated[int, Between(1, 1 << 40)] = 3_000
    beta1: Annotated[float, Between(0, 0.999999)] = 0.9
    beta2: Annotated[float, Between(0, 0.999999)] = 0.999
    weight_decay: Annotated[float, Between(0, 10)] = 0.05
    clip: Annotated[float, Between(1e-6, 1e6)] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """How long a run trains, on which devices, and how often it validates and saves.

    A device takes as many positions at once, padding included, as fit by estimate, or at most
    `device_tokens`; `pass_cost` says to how many positions the start of a pass compares (None: 512
    on a GPU, 64 on a CPU), so that passes are no larger than pays. `device_batch` asks for passes
    of a fixed number of samples instead. `compile`: layers are compiled by torch, `auto` those of
    a frozen tower on a GPU.
    `parallel` says how several processes share the model. `best_by` names protocols of held-in
    datasets: `best` is then the checkpoint of the highest mean of their scores, each over
    `validation_samples` questions; without them it is that of the lowest mean validation loss.
    `seed` is that of dropout and augmentation, and of the order of samples where the mixture gives
    none (`mixture.seed`); random weights of a preset have their own (`model.seed`).
    """

    steps: Annotated[int, Between(1, 1 << 40)] = 60_000
    device_batch: Annotated[int, Between(1, 1 << 16)] | None = None
    device_tokens: Annotated[int, Between(1, 1 << 24)] | None = None
    pass_cost: Annotated[int, Between(0, 1 << 30)] | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_activations: bool = False
    compile: Literal["auto", "true", "false"] = "auto"
    parallel: Literal["ddp", "fsdp"] = "ddp"
    validate_every: Annotated[int, Between(0, 1 << 40)] = 3_000
    validation_samples: Annotated[int, Between(1, 1 << 30)] = 256  # of a dataset
    best_by: Texts = ()
    save_every: Annotated[int, Between(1, 1 << 40)] = 3_000
    keep: Annotated[int, Between(1, 1 << 20)] = 2
    log_every: Annotated[int, Between(1, 1 << 40)] = 10
    tensorboard: bool = True
    trackers: Annotated[tuple[Annotated[str, OneOf(TRACKERS)], ...], MAY_BE_EMPTY] = ()
    seed: Annotated[int, Between(0, 2**31)] = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """A run: the model, the mixture, and all other settings that decide the result.

    `waivers` name the held-out datasets whose pictures may be in the mixture.
    """

    name: str
    model: ModelConfig
    mixture: MixtureRecipe
    data: DataConfig
    optimizer: OptimizerConfig
    run: RunConfig
    waivers: tuple[Waiver, ...] = ()
