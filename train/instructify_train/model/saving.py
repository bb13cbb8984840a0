"""A model as a folder for transformers: written whole, or not there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify._util.shards import fresh_folder, sync, write_json


def check_free(out: Path) -> None:
    """Refuse a folder that holds anything."""
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
    """Write a model and its processor, with text files beside them; `out` holds all or nothing.

    `precision` is the one that `config.json` names for loading, where it is not the model's own.
    """
    check_free(out)
    staged = out.with_name(f".{out.name}.staged")
    fresh_folder(staged)
    model.save_pretrained(staged)
    processor.save_pretrained(staged)
    for name, text in (notes or {}).items():
        (staged / name).write_text(text, "utf-8")
    if precision is not None:
        _name_precision(staged / "config.json", precision)
    for path in staged.rglob("*"):
        if path.suffix == ".safetensors":  # written for its owner alone, whatever the umask
            shutil.copymode(staged / "config.json", path)
        sync(path)
    if out.exists():
        out.rmdir()
    staged.replace(out)
    sync(out.parent)


def _name_precision(config: Path, precision: str) -> None:
    value = json.loads(config.read_text("utf-8"))
    for section in (value, *(part for part in value.values() if isinstance(part, dict))):
        if "dtype" in section:
            section["dtype"] = precision
    write_json(config, value)
