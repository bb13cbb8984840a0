"""Builds as a stranger would make them: any table, manifest or note changed, and consistent."""

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

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


BAD: tuple[Any, ...] = (
    *(None, True, -1, 0, 0.5, 10**30, 2**63, 1e308, float("nan"), float("inf")),
    *("", "../x", "/etc/passwd", "\0", "a\nb", "\ud800", "x" * 5_000, "{{ x }}"),
    *([], {}, [[]], {"a": {}}),
)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Change one to three places of plain values: another kind, nothing, one more."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        holders = [one for one in _nodes(value) if isinstance(one, dict | list) and one]
        if not holders:
            return value
        holder = draw(st.sampled_from(holders))
        key = draw(
            st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder)))
        )
        match draw(st.sampled_from(("bad", "bad", "gone", "more"))):
            case "bad":
                holder[key] = copy.deepcopy(draw(st.sampled_from(BAD)))
            case "gone":
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[draw(st.sampled_from(("x", "", "../x", "step")))] = holder[key]
            case _:
                holder.append(copy.deepcopy(holder[key]))
    return value


@st.composite
def spoiled(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut bytes, flip one, or put hostile ones into them."""
    at = draw(st.integers(0, len(data)))
    put = st.sampled_from(
        (b"\0", b"\xff", b"[" * 100_000, b'{"a":' * 5_000, b'"', b"\n", b"\xed\xa0\x80", b"&a *a")
    )
    match draw(st.sampled_from(("cut", "put", "twice", "utf-16"))):
        case "cut":
            return data[:at]
        case "put":
            return data[:at] + draw(put) + data[at:]
        case "twice":
            return data + data
    return data.decode().encode("utf-16")


def _nodes(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from _nodes(child)
