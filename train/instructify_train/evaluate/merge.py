"""Write the model of a run for transformers: base and trained weights, processor, model card.

Trained weights are written in fp32 even if the base model has 16 bits, since an update of 1e-5 is
smaller than the rounding of bf16. `config.json` then names float32, so that loading does not round
them either.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from instructify import __version__
from instructify._util.errors import UserError
from instructify_train.evaluate.trained import Trained, load_trained
from instructify_train.model import TRAINED_ON, check_free, save_whole
from instructify_train.run_folder import is_run, read_run

_CARD = "README.md"
_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def merge(run: Path, out: Path, which: str = "best", precision: str = "auto") -> Trained:
    """Write the whole model of a run to `out`, atomically.

    `precision`: fp32 or bf16 for all weights; auto: fp32 for trained weights, the others as in the
    base model.
    """
    if not is_run(run):
        raise UserError(f"{run} holds no run; give a folder written by `instructify train`")
    check_free(out)
    if precision not in ("auto", *_PRECISIONS):
        raise UserError(f"'{precision}' is no precision; choose auto, fp32 or bf16")
    trained = load_trained(str(run), which)
    if precision in _PRECISIONS:
        trained.model.to(_PRECISIONS[precision])
    save_whole(
        trained.model,
        trained.processor,
        out,
        {_CARD: card(run, trained), TRAINED_ON: trained.trained_on.to_text()},
        precision=None if len(precisions(trained.model)) == 1 else "float32",
    )
    return trained


def precisions(model: Any) -> dict[str, int]:
    """Count the parameters of a model in each precision."""
    counts: dict[str, int] = {}
    for parameter in model.parameters():
        name = _NAMES.get(parameter.dtype, str(parameter.dtype))
        counts[name] = counts.get(name, 0) + parameter.numel()
    return counts


def card(run: Path, trained: Trained) -> str:
    """Describe a merged model for the folder that it is in."""
    facts, held = read_run(run), precisions(trained.model)
    kept = ", ".join(f"{count:,} numbers in {name}" for name, count in held.items())
    step = 0 if trained.state is None else trained.state.step
    lines = [
        "# InstructBLIP, merged from a training run",
        "",
        f"Base model: {facts['model']}. Step {step:,} of {facts['steps']:,}, "
        f"{facts['trained']:,} of {facts['parameters']:,} parameters trained. "
        f"Written by instructify {__version__}.",
        "",
        f"Trained on: {', '.join(trained.trained_on.datasets)}.",
        "",
        f"Precision: {kept}.{_mixed_note(held)}",
        "",
        "```python",
        "from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor",
        "",
        "model = InstructBlipForConditionalGeneration.from_pretrained(FOLDER)",
        "processor = InstructBlipProcessor.from_pretrained(FOLDER)",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _mixed_note(held: Mapping[str, int]) -> str:
    if len(held) == 1:
        return ""
    return (
        " What was trained is in float32, the rest as in the base model. transformers loads all of "
        "it in float32, as `config.json` says; `dtype=torch.bfloat16` halves the memory and rounds "
        "what was learnt."
    )
