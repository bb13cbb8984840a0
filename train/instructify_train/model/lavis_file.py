"""Read LAVIS' `.pth` files as data: only tensors are loaded, and no code in them is executed."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from instructify._util.errors import UserError
from instructify_train.model.lavis_names import Weights

_EXPECTED = "a .pth file of LAVIS is expected here, a dictionary of tensors written by torch.save"
_MOST_HEADER = 100_000_000  # bytes; what safetensors allows


def read_lavis(path: Path) -> Weights:
    """Read the weights of a file; raises UserError for a file of any other kind."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(f"{path} {what}; {_EXPECTED}")
    _check_kind(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's, on a pickle that is refused
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors, such as code, which is not executed; {_EXPECTED}"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is damaged or cut off ({_first_line(error)}); fetch it again"
        ) from error
    return _weights(path, content)


def _check_kind(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise UserError(f"{path} is empty; fetch it again")
    size = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and size < _MOST_HEADER:
        raise UserError(f"{path} is a safetensors file; {_EXPECTED}")
    if head.lstrip()[:1] in (b"<", b"{", b"["):
        raise UserError(f"{path} is a text (a web page or JSON), no checkpoint; fetch it again")
    if head.startswith((b"\x1f\x8b", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ")):
        raise UserError(f"{path} is a compressed archive; unpack it and give the .pth file in it")
    if not _is_zip(path) and not head.startswith(b"\x80") and not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no checkpoint; {_EXPECTED}")
    if _is_zip(path):
        _check_zip(path)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _check_zip(path: Path) -> None:
    """Refuse a zip file that torch.save did not write, which has no data.pkl."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is damaged or cut off ({error}); fetch it again") from error
    if not any(name.rpartition("/")[2] == "data.pkl" for name in names):
        raise UserError(f"{path} is a zip file of another kind ({names[:1]}); {_EXPECTED}")


def _weights(path: Path, content: Any) -> Weights:
    """Return the dictionary of tensors: the entry `model` that LAVIS writes, or the whole file."""
    weights = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise UserError(f"{path} holds no dictionary of tensors; {_EXPECTED}")
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise UserError(f"{path}: '{name}' is no tensor; {_EXPECTED}")
        if value.is_sparse or value.is_quantized or not _is_number(value):
            raise UserError(f"{path}: '{name}' is no plain tensor of numbers; {_EXPECTED}")
    return dict(weights)


def _is_number(value: torch.Tensor) -> bool:
    return value.is_floating_point() or value.dtype in (torch.int64, torch.int32)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:160]
