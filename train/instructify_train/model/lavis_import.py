"""Build InstructBLIP from checkpoints of LAVIS and the parts that they leave out.

LAVIS saves only what it trains: the layer norm after the tower, the Q-Former with its queries, and
the projection. The vision tower and the language model are in separate files. A BLIP-2 stage-2
checkpoint also lacks the Q-Former's weights for text, which stage 1 has. Sizes, tokenizers and the
ids of special tokens come from a model in transformers' format, whose weights are not read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
)

from instructify._util.errors import UserError
from instructify._util.shards import hash_file
from instructify._util.wording import counted
from instructify_train.model.lavis_file import read_lavis
from instructify_train.model.lavis_names import LANGUAGE, PROJECTIONS, TOWER, Weights, from_lavis
from instructify_train.model.loading import check_fit, unloadable
from instructify_train.model.parts import is_text_path
from instructify_train.tiny import Loaded

_PUBLISHED = {
    ("llama", 4096): "vicuna-7b",
    ("llama", 5120): "vicuna-13b",
    ("t5", 2048): "flan-t5-xl",
    ("t5", 4096): "flan-t5-xxl",
}
_NAMED = 3  # names in a message
_TOWER_FILE = ("cls_token", "pos_embed", "patch_embed.", "blocks.")
_GELU = "gelu"  # LAVIS uses the exact GELU in FlanT5's feed-forward, not the tanh form


@dataclass(frozen=True, kw_only=True, slots=True)
class LavisFiles:
    """The files of an import; a part that the checkpoint holds must not be given again."""

    checkpoint: Path
    like: str | None = None  # None: the published InstructBLIP of that size
    language_model: str | None = None
    stage1: Path | None = None
    vision: Path | None = None


@dataclass(kw_only=True, slots=True)
class Imported:
    """A model, the source of each part (part => file), and the names of unused tensors."""

    loaded: Loaded
    sources: dict[str, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def import_lavis(files: LavisFiles) -> Imported:
    """Build the model; raises UserError if a part is missing, unused, or of another shape."""
    raw = read_lavis(files.checkpoint)
    family = _family(raw, files.checkpoint)
    like = files.like or _published(raw, family, files.checkpoint)
    config, processor = _like(like)
    weights, left_out = from_lavis(raw)
    made = Imported(loaded=Loaded(None, processor), left_out=left_out)
    made.sources["norm, queries, projection"] = _noted(made, files.checkpoint)
    _add_text_side(weights, files, made)
    _add_tower(weights, files, config, made)
    language = _language_model(weights, files, config, family, made)
    made.sources["config and processor"] = Path(like).name
    model = _assembled(config, weights, language, files.checkpoint)
    _extend_rows(model, max(len(processor.tokenizer), config.text_config.vocab_size))
    made.loaded = Loaded(model.eval(), processor)
    check_fit(made.loaded, str(files.checkpoint))
    return made


def _published(raw: Mapping[str, torch.Tensor], family: str, path: Path) -> str:
    """Return the published model whose language model has the width of the projection."""
    name = next(name for name, of_family in PROJECTIONS.items() if of_family == family)
    width = int(raw[f"{name}.weight"].shape[0]) if f"{name}.weight" in raw else 0
    if (family, width) not in _PUBLISHED:
        raise UserError(
            f"{path} projects to a width of {width:,}, which no published InstructBLIP with "
            f"{family} has; give a model in transformers' format of the same sizes as --like"
        )
    return f"Salesforce/instructblip-{_PUBLISHED[family, width]}"


def _like(name: str) -> tuple[InstructBlipConfig, Any]:
    try:
        config = InstructBlipConfig.from_pretrained(name)
        return config, InstructBlipProcessor.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise unloadable(f"config and processor of '{name}' (--like)", error) from error


def _family(raw: Mapping[str, torch.Tensor], path: Path) -> str:
    """Return the family of language models of a checkpoint, by the name of its projection."""
    families = {
        family
        for name, family in PROJECTIONS.items()
        if any(key.startswith(f"{name}.") for key in raw)
    }
    if len(families) == 1:
        return families.pop()
    if any(key.startswith(("itm_head.", "vision_proj.")) for key in raw):
        raise UserError(
            f"{path} is a checkpoint of stage 1, which has no language model; give it as --stage1 "
            "beside a checkpoint of stage 2"
        )
    if any(key.startswith(("opt_proj.", "opt_model.")) for key in raw):
        raise UserError(f"{path} is a BLIP-2 with OPT, and InstructBLIP has Vicuna or FlanT5")
    raise UserError(
        f"{path} has no projection to a language model (llm_proj or t5_proj; it begins with "
        f"{_names(raw)}); give a checkpoint of BLIP-2 stage 2 or of InstructBLIP"
    )


def _add_text_side(weights: Weights, files: LavisFiles, made: Imported) -> None:
    """Add the Q-Former's weights for text from stage 1 if the checkpoint lacks them."""
    has_text_side = any(is_text_path(name) for name in weights)
    if has_text_side:
        if files.stage1 is not None:
            raise UserError(
                f"{files.checkpoint} has the Q-Former's text side itself, so --stage1 has no "
                "effect; leave it out"
            )
        made.sources["qformer"] = files.checkpoint.name
        return
    if files.stage1 is None:
        raise UserError(
            f"{files.checkpoint} is of BLIP-2's stage 2 and lacks the side of the Q-Former that "
            "reads text; give LAVIS' checkpoint of stage 1 (blip2_pretrained.pth) as --stage1"
        )
    stage1, left_out = from_lavis(read_lavis(files.stage1))
    text = {name: value for name, value in stage1.items() if is_text_path(name)}
    if not text:
        raise UserError(
            f"{files.stage1} has no text side of a Q-Former either (it begins with "
            f"{_names(stage1)}); give blip2_pretrained.pth"
        )
    weights.update(text)
    made.left_out += sorted({*left_out, *(stage1.keys() - text.keys())})
    made.sources["qformer"] = files.checkpoint.name
    made.sources["qformer, text side"] = _noted(made, files.stage1)


def _add_tower(weights: Weights, files: LavisFiles, config: Any, made: Imported) -> None:
    """Add the vision tower from its own file if the checkpoint lacks it."""
    if any(name.startswith(TOWER) for name in weights):
        if files.vision is not None:
            raise UserError(
                f"{files.checkpoint} has the vision tower itself, so --vision has no effect; "
                "leave it out"
            )
        made.sources["vision"] = files.checkpoint.name
        return
    if files.vision is None:
        raise UserError(
            f"{files.checkpoint} has no vision tower, as LAVIS saves what it trains; give its file "
            "(eva_vit_g.pth) as --vision"
        )
    raw = read_lavis(files.vision)
    bare = {name.removeprefix("visual_encoder."): value for name, value in raw.items()}
    layers = config.vision_config.num_hidden_layers
    kept = {name: value for name, value in bare.items() if _is_of_tower(name, layers)}
    tower, _ = from_lavis({f"visual_encoder.{name}": value for name, value in kept.items()})
    weights.update(tower)
    made.left_out += sorted(bare.keys() - kept.keys())
    made.sources["vision"] = _noted(made, files.vision)


def _is_of_tower(name: str, layers: int) -> bool:
    """Whether a tensor is in InstructBLIP's tower, which lacks the last block and the head."""
    if not name.startswith(_TOWER_FILE):
        return False
    number = name.split(".")[1] if name.startswith("blocks.") else "0"
    return not number.isdecimal() or int(number) < layers


def _language_model(
    weights: Weights, files: LavisFiles, config: Any, family: str, made: Imported
) -> Any:
    """Load the language model from its folder, or from the checkpoint if that holds it."""
    inside = {name: weights.pop(name) for name in list(weights) if name.startswith(LANGUAGE)}
    if inside and files.language_model is not None:
        raise UserError(
            f"{files.checkpoint} has the language model itself, so --language-model has no effect; "
            "leave it out"
        )
    if not inside and files.language_model is None:
        raise UserError(
            f"{files.checkpoint} has no language model, as LAVIS saves what it trains; give the "
            "folder of the one that it was trained with as --language-model"
        )
    cls = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForCausalLM
    if inside:
        _same_family(config.text_config, family, "--like", files.checkpoint)
        model = cls.from_config(config.text_config)
        named = {name.removeprefix(LANGUAGE): value for name, value in inside.items()}
        _fits(model.state_dict(), named, str(files.checkpoint), "the language model")
        model.load_state_dict(named, strict=True, assign=True)
        made.sources["language model"] = files.checkpoint.name
        return model
    name = str(files.language_model)
    try:
        model_config = AutoConfig.from_pretrained(name)
        _same_family(model_config, family, name, files.checkpoint)
        if family == "t5" and model_config.dense_act_fn == "gelu_new":
            model_config.dense_act_fn = _GELU
        model = cls.from_pretrained(name, config=model_config, dtype="auto")
    except (OSError, ValueError) as error:
        raise unloadable(f"the language model '{name}'", error) from error
    made.sources["language model"] = Path(name).name
    return model


def _same_family(config: Any, family: str, name: str, checkpoint: Path) -> None:
    if config.model_type != family:
        raise UserError(
            f"{checkpoint} was trained with a language model of the kind {family}, and {name} has "
            f"{config.model_type}; give the one that it was trained with"
        )


def _assembled(config: Any, weights: Weights, language: Any, checkpoint: Path) -> Any:
    config.text_config = language.config
    width = language.config.hidden_size
    projection = weights.get("language_projection.weight")
    if projection is not None and projection.shape[0] != width:
        raise UserError(
            f"{checkpoint} projects to a width of {projection.shape[0]:,} and the language model "
            f"has {width:,}; give the language model that it was trained with"
        )
    with torch.device("meta"):
        model = InstructBlipForConditionalGeneration(config)
    wanted = model.state_dict()
    wanted = {name: value for name, value in wanted.items() if not name.startswith(LANGUAGE)}
    _fits(wanted, weights, str(checkpoint), "InstructBLIP")
    model.load_state_dict(weights, strict=False, assign=True)
    model.language_model = language
    positions = config.qformer_config.max_position_embeddings
    model.qformer.embeddings.position_ids = torch.arange(positions).expand((1, -1))
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))
    return model


def _fits(
    wanted: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], where: str, what: str
) -> None:
    """Refuse weights with tensors that are missing, unused, or of another shape."""
    missing = sorted(wanted.keys() - weights.keys())
    unexpected = sorted(weights.keys() - wanted.keys())
    other = [
        f"{name} is {list(weights[name].shape)} and not {list(wanted[name].shape)}"
        for name in sorted(wanted.keys() & weights.keys())
        if weights[name].shape != wanted[name].shape
    ]
    said = [
        f"{counted(len(names), 'tensor')} {how} ({_names(names)})"
        for how, names in (
            ("missing", missing),
            ("left over", unexpected),
            ("of another shape", other),
        )
        if names
    ]
    if said:
        raise UserError(f"{where} does not fit {what}: {', '.join(said)}; see docs/training.md")


def _extend_rows(model: Any, rows: int) -> None:
    """Add an embedding row for each added token: the mean of the others."""
    language = model.language_model
    before = language.get_input_embeddings().weight.shape[0]
    if rows <= before:
        return
    language.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for table in (language.get_input_embeddings(), language.get_output_embeddings()):
            mean = table.weight[:before].double().mean(0)
            table.weight[before:] = mean.to(table.weight.dtype)
    model.config.text_config.vocab_size = rows


def _noted(made: Imported, path: Path) -> str:
    made.sha256[path.name] = hash_file(path)
    return path.name


def _names(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _NAMED:,} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
