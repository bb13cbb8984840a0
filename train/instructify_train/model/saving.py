"""A model as a folder for transformers: written whole, or not there."""

from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify._util.shards import fresh_folder, sync


def check_free(out: Path) -> None:
    """Refuse a folder that holds anything."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty; choose another --out")


def save_whole(model: Any, processor: Any, out: Path, notes: dict[str, str] | None = None) -> None:
    """Write a model and its processor, with text files beside them; `out` holds all or nothing."""
    check_free(out)
    staged = out.with_name(f".{out.name}.staged")
    fresh_folder(staged)
    model.save_pretrained(staged)
    processor.save_pretrained(staged)
    for name, text in (notes or {}).items():
        (staged / name).write_text(text, "utf-8")
    for path in staged.rglob("*"):
        sync(path)
    if out.exists():
        out.rmdir()
    staged.replace(out)
    sync(out.parent)
