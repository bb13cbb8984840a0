"""`import-checkpoint` and `export-checkpoint`: LAVIS' checkpoint files in and out."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from instructify import __version__
from instructify._util.errors import UserError
from instructify._util.shards import make_folder, sync, unwritable

if TYPE_CHECKING:
    import torch

NOTE = "imported.json"  # beside the model: what it was made of
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
    """Write the model of a checkpoint as transformers reads it, and say what it was made of."""
    from instructify_train.model import LavisFiles, check_free, import_lavis, save_whole

    check_free(out)
    made = import_lavis(
        LavisFiles(
            checkpoint=file, like=like, language_model=language_model, stage1=stage1, vision=vision
        )
    )
    facts = {
        "format": FORMAT,
        "instructify": __version__,
        "parts": made.sources,
        "sha256": made.sha256,
        "left_out": made.left_out,
    }
    note = json.dumps(facts, indent=1, sort_keys=True) + "\n"
    save_whole(made.loaded.model, made.loaded.processor, out, {NOTE: note})
    if as_json:
        print(note, end="")
        return
    for part, source in made.sources.items():
        print(f"{part:<28}{source}")
    if made.left_out:
        print(f"left out, as InstructBLIP has no use for it: {len(made.left_out)} tensors")
    print(f"{out}: a model for `--set model.name={out}`, `instructify eval` and transformers")


def run_export_checkpoint(source: str, out: Path, which: str, *, whole: bool) -> None:
    """Write what LAVIS keeps of a model, or all of it, as LAVIS reads it."""
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
    """Write tensors by torch; OSError where the system refuses, which torch words as its own."""
    import torch

    try:
        with path.open("wb") as file:
            torch.save({"model": weights}, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
