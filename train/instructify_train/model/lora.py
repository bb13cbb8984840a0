"""Low-rank adapters on the frozen language model, through peft."""

from typing import Any

import torch

from instructify._util.errors import UserError
from instructify_train.config import LoraConfig

_TARGETS = {"llama": ("q_proj", "v_proj"), "t5": ("q", "v")}


def add_adapters(language_model: Any, config: LoraConfig, seed: int) -> None:
    """Put adapters into a language model, in place; the second matrix of each starts at zero."""
    try:
        from peft import LoraConfig as PeftConfig
        from peft import inject_adapter_in_model
    except ImportError as error:
        raise UserError(
            "'model.lora' needs peft; install it by `pip install 'instructify[lora]'`"
        ) from error
    targets = config.targets or _TARGETS.get(language_model.config.model_type, ())
    if not targets:
        raise UserError(
            f"which layers of a {language_model.config.model_type} take adapters is not known; "
            "name them: `--set model.lora.targets=[q_proj, v_proj]`"
        )
    wanted = PeftConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=list(targets),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(wanted, language_model)


def fold_adapters(language_model: Any) -> None:
    """Add the adapters' products to the weights that they adapt, and take them out, in place."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(language_model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge(safe_merge=True)
            owner, _, own = name.rpartition(".")
            setattr(language_model.get_submodule(owner), own, module.get_base_layer())
