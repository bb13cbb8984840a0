"""Load weights and processors from a folder or the hub through transformers, with clear errors.

Only safetensors are read: weights in a pickle could run code.
"""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from instructify._util.errors import UserError, first_line
from instructify_train.model.hub import local_only
from instructify_train.model.names import is_path, kind_of

_PICKLES = ("pytorch_model*.bin", "*.pth", "*.pt", "*.ckpt")
_WHENCE = "give the folder of a downloaded copy, or a name of the hub where this machine reaches it"


def load_weights(cls: Any, name: str, what: str, *, local: bool | None = None) -> Any:
    """Load a model in the precision in which it is stored; `local`: the result of `is_local`."""
    local, place = is_local(name) if local is None else local, _place(name)
    _refuse_pickles(place, what)
    try:
        return cls.from_pretrained(
            place, dtype="auto", use_safetensors=True, local_files_only=local
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{what} can't be loaded ({first_line(error)}); {_WHENCE}") from error


def load_processor(cls: Any, name: str, *, local: bool | None = None) -> Any:
    """Load tokenizers and image processor; `local`: the result of `is_local`."""
    local = is_local(name) if local is None else local
    try:
        return cls.from_pretrained(_place(name), local_files_only=local)
    except MemoryError:
        raise
    except Exception as error:  # tokenizers raises plain exceptions
        raise UserError(
            f"the processor of '{name}' can't be read ({first_line(error)}); its folder needs "
            "preprocessor_config.json and the files of both tokenizers, as "
            "`processor.save_pretrained` writes them"
        ) from error


def is_local(name: str, *, may_be_preset: bool = True) -> bool:
    """Whether a folder or hub name is read without the network; refuses other names."""
    return kind_of(name, may_be_preset=may_be_preset) == "folder" or local_only(name)


def _place(name: str) -> str:
    return str(Path(name).expanduser()) if is_path(name) else name


def _refuse_pickles(place: str, what: str) -> None:
    folder = Path(place)
    if not folder.is_dir() or any(folder.glob("*.safetensors*")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise UserError(
            f"{what} has its weights in a pickle ({pickles[0]}), which could run code and is not "
            "read; save it anew as safetensors (`model.save_pretrained(FOLDER)`)"
        )
