"""`import-checkpoint` and `export-checkpoint`: read and write checkpoint files of LAVIS."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.shards import make_folder, sync, unwritable

if TYPE_CHECKING:
    import torch

NOTE = "imported.json"  # beside the model: the files it was made from
FORMAT = 1


def run_import_checkpoint(
    file: Path,
    out: Path,
    *,
    language_model: str | None,
    vision: Path | None,
    stage1: Path | None,
    like: str | None,
    as_json: bool,
) -> None:
    """Write the model of a checkpoint for transformers, and print which files it was made from."""
    from instructify_train.model import LavisFiles, check_free, import_lavis, save_whole

    check_free(out)
    imported = import_lavis(
        LavisFiles(
            checkpoint=file, like=like, language_model=language_model, stage1=stage1, vision=vision
        )
    )
    facts = {
        "format": FORMAT,
        "instructify": __version__,
        "parts": imported.sources,
        "sha256": imported.sha256,
        "left_out": imported.left_out,
    }
    note = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    save_whole(imported.loaded.model, imported.loaded.processor, out, {NOTE: note})
    if as_json:
        print(note, end="")
        return
    for part, source in imported.sources.items():
        print(f"{part:<28}{source}")
    if imported.left_out:
        print(f"left out, as InstructBLIP has no use for it: {len(imported.left_out)} tensors")
    print(f"{out}: a model for `--set model.name={out}`, `instructify eval` and transformers")


def run_export_checkpoint(source: str, out: Path, which: str, *, whole: bool) -> None:
    """Write a checkpoint for LAVIS: the parts that LAVIS saves, or with `whole` all parts."""
    from instructify_train.evaluate import load_trained
    from instructify_train.model import lavis_parts

    if out.exists():
        raise UserError(f"{out} is there already; choose another --out")
    trained = load_trained(source, which)
    weights = lavis_parts(trained.model, trained.config, whole=whole)
    make_folder(out.parent)
    staged = out.with_name(f".{out.name}.staged")
    try:
        _save(weights, staged)
    except OSError as error:
        with contextlib.suppress(OSError):
            staged.unlink()
        raise unwritable(out, error) from error
    sync(staged)
    staged.replace(out)
    sync(out.parent)
    step = "" if trained.state is None else f" after step {trained.state.step:,}"
    print(f"{out}: {len(weights)} tensors of {source}{step} under LAVIS' names")


def _save(weights: dict[str, "torch.Tensor"], path: Path) -> None:
    """Write tensors with torch, and raise OSError if the system refuses, as torch hides it."""
    import torch

    try:
        with path.open("wb") as file:
            torch.save({"model": weights}, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
