"""Builds as a stranger would make them: any table, manifest or note changed, and consistent."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from instructify.build.card import render_card
from instructify.build.manifest import read_manifest

Json = dict[str, Any]


def edit_manifest(build: Path, change: Callable[[Json], object]) -> None:
    """Change the manifest of a build."""
    path = build / "manifest.json"
    value = json.loads(path.read_text("utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def make_consistent(build: Path, names: Sequence[str]) -> None:
    """Give files that were changed the sizes and hashes that the manifest wants, card included."""

    def change(value: Json) -> None:
        for name in names:
            data = (build / name).read_bytes()
            value["files"][name]["size_bytes"] = len(data)
            value["files"][name]["sha256"] = hashlib.sha256(data).hexdigest()

    edit_manifest(build, change)
    manifest = read_manifest(build / "manifest.json")
    assert manifest is not None
    (build / "README.md").write_text(render_card(manifest), "utf-8")


def rewrite_table(
    build: Path, name: str, change: Callable[[str, list[Any]], list[Any] | None]
) -> None:
    """Change columns of a table of a build, by name and values, and make it consistent again."""
    table = pa.ipc.open_file(str(build / name)).read_all()
    for at, field in enumerate(table.schema):
        values = change(field.name, table.column(field.name).to_pylist())
        if values is not None:
            table = table.set_column(at, field, pa.array(values, field.type))
    with pa.ipc.new_file(str(build / name), table.schema) as writer:
        writer.write_table(table)
    make_consistent(build, [name])


def index_of(build: Path) -> str:
    """Name the picture index of a build."""
    names: list[str] = json.loads((build / "manifest.json").read_text("utf-8"))["pictures"]["index"]
    return next(name for name in names if "/index-" in name)


def write_note(build: Path, **changes: Any) -> None:
    """Put the note of a commit into a build, which brings what the build has already."""
    note: Json = {
        "moves": {},
        "removes": [],
        "manifest": (build / "manifest.json").read_text("utf-8"),
        "card": (build / "README.md").read_text("utf-8"),
    }
    (build / ".staging").mkdir(exist_ok=True)
    text = json.dumps({**note, **changes})
    (build / ".staging" / "commit.json").write_text(text, "utf-8")


def decide(old: Path, new: Path) -> None:
    """Leave `old` as a writer that makes it `new` would, killed behind its decision."""
    names = {kind: _files(build) for kind, build in (("old", old), ("new", new))}
    moves = {}
    for number, name in enumerate(sorted(names["new"])):
        if not (old / name).exists() or (old / name).read_bytes() != (new / name).read_bytes():
            staged = old / ".staging" / "unit" / f"{number}{Path(name).suffix}"
            staged.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new / name, staged)
            moves[name] = f"unit/{staged.name}"
    write_note(
        old,
        moves=moves,
        removes=sorted(names["old"] - names["new"]),
        manifest=(new / "manifest.json").read_text("utf-8"),
        card=(new / "README.md").read_text("utf-8"),
    )


def everything(folder: Path) -> Mapping[str, tuple[int, int, int]]:
    """List all that lies below a folder, the folder included, with kinds, sizes and times."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        facts = os.lstat(path)
        found[str(path)] = (facts.st_mode, facts.st_size, facts.st_mtime_ns)
    return found


def _files(build: Path) -> set[str]:
    return set(json.loads((build / "manifest.json").read_text("utf-8"))["files"])
