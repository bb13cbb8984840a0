"""A catalog entry as text, which is added to a new or an existing file."""

from collections.abc import Sequence
from pathlib import Path

from instructify._util.errors import UserError
from instructify._util.outside import check_named
from instructify._util.shards import write_bytes
from instructify.catalog import load_catalog
from instructify.importing.guess import Guess
from instructify.importing.places import Place
from instructify.importing.values import entry_value

_HEAD = "format: 1\ndatasets:\n"


def entry_lines(name: str, place: Place, guess: Guess) -> list[str]:
    """Return an entry of at most ten lines."""
    lines = [f"  {name}:", f"    task: {guess.task}"]
    if guess.form is not None:
        lines.append(f"    form: {guess.form}")
    if place.folder.name != name:
        lines.append(f"    raw: {entry_value(place.folder.name)}")
    return [*lines, "    data:", *(f"      {line}" for line in _data(place, guess))]


def add_entry(out: Path, lines: Sequence[str], name: str) -> None:
    """Add an entry to a new or an existing catalog file, which stays unchanged if that fails."""
    check_named(out, "give a catalog file, or a name that is not taken.")
    before = out.read_bytes() if out.exists() else None
    text = _HEAD if before is None else before.decode("utf-8", "replace").rstrip("\n") + "\n"
    if before is not None and name in load_catalog(extra=out).datasets:
        raise UserError(f"{out} has a dataset '{name}' already; give another --name.")
    write_bytes(out, (text + "\n".join(lines) + "\n").encode())
    try:
        if name not in load_catalog(extra=out).datasets:
            raise UserError(f"{out} does not end with its datasets; move them to its end.")
    except UserError:
        if before is None:
            out.unlink()
        else:
            write_bytes(out, before)
        raise


def _data(place: Place, guess: Guess) -> list[str]:
    data = {**_sources(place), **guess.data}
    return [f"{key}: {entry_value(value)}" for key, value in data.items()]


def _sources(place: Place) -> dict[str, object]:
    single = "folder" if place.is_folder else "file"
    plain = {
        split: names[0] if len(names) == 1 else list(names)
        for split, names in place.sources.items()
    }
    if place.annotations is not None:
        pairs = {
            split: {"questions": name, "annotations": place.annotations}
            for split, name in plain.items()
        }
        return {"files": pairs}
    if list(plain) == ["train"]:
        return {single: plain["train"]}
    return {f"{single}s": plain}
