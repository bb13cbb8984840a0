"""Low-rank adapters on the frozen language model, through peft."""

from typing import Any

import torch

from instructify._util.errors import UserError, first_line
from instructify_train.config import LoraConfig

_TARGETS = {"llama": ("q_proj", "v_proj"), "t5": ("q", "v")}


def add_adapters(language_model: Any, config: LoraConfig, seed: int) -> None:
    """Add adapters to a language model, in place; the second matrix of each starts at zero."""
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
    may = ", ".join(_linear_layers(language_model))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(wanted, language_model)
        except ValueError as error:  # no layer has this name, or the layer can't have adapters
            raise UserError(
                f"adapters can't be put into {', '.join(targets)} ({first_line(error)}); "
                f"'model.lora.targets' may name {may}"
            ) from error
    missing = [target for target in targets if not _is_adapted(language_model, target)]
    if missing:
        raise UserError(
            f"no layer of the language model is called {', '.join(missing)}; "
            f"'model.lora.targets' may name {may}"
        )


def _linear_layers(language_model: Any) -> list[str]:
    """List the names of the linear layers inside blocks, which can have adapters."""
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in language_model.named_modules()
            if isinstance(module, torch.nn.Linear) and "." in name
        }
    )


def _is_adapted(language_model: Any, target: str) -> bool:
    return any(
        f".{name}".endswith(f".{target}.lora_A") for name, _ in language_model.named_modules()
    )


def fold_adapters(language_model: Any) -> None:
    """Add the adapters' products to the adapted weights and remove the adapters, in place."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(language_model.named_modules()):
        if isinstance(module, LoraLayer):
            learnt = next(iter(module.lora_A.values())).weight
            module.get_base_layer().to(learnt.dtype)  # an update in fp32 would be lost in 16 bits
            module.merge(safe_merge=True)
            owner, _, attribute = name.rpartition(".")
            setattr(language_model.get_submodule(owner), attribute, module.get_base_layer())
