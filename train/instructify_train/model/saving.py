"""Save a model as a folder for transformers, atomically."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from instructify._util.errors import UserError, first_line
from instructify._util.shards import fresh_folder, sync, write_json


def check_free(out: Path) -> None:
    """Refuse a folder that is not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty; choose another --out")


def save_whole(
    model: Any,
    processor: Any,
    out: Path,
    notes: Mapping[str, str] | None = None,
    *,
    precision: str | None = None,
) -> None:
    """Write a model, its processor and text files to `out`, atomically.

    `precision` is written to `config.json` for loading, if it differs from that of the model.

    Raises:
        UserError: There is something at `out`, or it can't be written.
    """
    check_free(out)
    staged = out.with_name(f".{out.name}.staged")
    fresh_folder(staged)
    try:
        _fill(staged, model, processor, notes or {}, precision)
        if out.exists():
            out.rmdir()
        staged.replace(out)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{out} can't be written ({first_line(error)}); make room or choose another --out"
        ) from error
    finally:  # on a full disk, half a model would use the space that the next try needs
        shutil.rmtree(staged, ignore_errors=True)
    sync(out.parent)


def _fill(
    staged: Path, model: Any, processor: Any, notes: Mapping[str, str], precision: str | None
) -> None:
    model.save_pretrained(staged)
    _save_processor(processor, staged)
    for name, text in notes.items():
        (staged / name).write_text(text, "utf-8")
    if precision is not None:
        _name_precision(staged / "config.json", precision)
    for path in staged.rglob("*"):
        if path.suffix == ".safetensors":  # safetensors writes it readable for its owner alone
            shutil.copymode(staged / "config.json", path)
        sync(path)


def _save_processor(processor: Any, folder: Path) -> None:
    try:
        processor.save_pretrained(folder)
    except Exception as error:
        if type(error) is Exception:  # the exception of tokenizers for errors of the system
            raise OSError(first_line(error)) from error
        raise


def _name_precision(config: Path, precision: str) -> None:
    value = json.loads(config.read_text("utf-8"))
    for section in (value, *(part for part in value.values() if isinstance(part, dict))):
        if "dtype" in section:
            section["dtype"] = precision
    write_json(config, value)
