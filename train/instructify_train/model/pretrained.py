"""Weights and processors from a folder or the hub, through transformers; failures in words.

Only safetensors are read: weights in a pickle could run code.
"""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from instructify._util.errors import UserError, first_line

_PICKLES = ("pytorch_model*.bin", "*.pth", "*.pt", "*.ckpt")
_WHENCE = "give the folder of a downloaded copy, or a name of the hub where this machine reaches it"


def load_weights(cls: Any, name: str, what: str) -> Any:
    """Load a model in the precision in which it is stored."""
    _refuse_pickles(name, what)
    try:
        return cls.from_pretrained(name, dtype="auto", use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{what} can't be loaded ({first_line(error)}); {_WHENCE}") from error


def load_processor(cls: Any, name: str) -> Any:
    """Load tokenizers and image processor."""
    try:
        return cls.from_pretrained(name)
    except MemoryError:
        raise
    except Exception as error:  # tokenizers raises its errors as plain exceptions
        raise UserError(
            f"the processor of '{name}' can't be read ({first_line(error)}); its folder needs "
            "preprocessor_config.json and the files of both tokenizers, as "
            "`processor.save_pretrained` writes them"
        ) from error


def _refuse_pickles(name: str, what: str) -> None:
    folder = Path(name)
    if not folder.is_dir() or any(folder.glob("*.safetensors*")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise UserError(
            f"{what} has its weights in a pickle ({pickles[0]}), which could run code and is not "
            "read; save it anew as safetensors (`model.save_pretrained(FOLDER)`)"
        )
