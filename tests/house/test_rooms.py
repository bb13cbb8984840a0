"""The rooms of the code: each says what others may use, and nobody reaches past its face."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"instructify": ROOT, "instructify_train": ROOT / "train"}
# Helpers that every room shares, and rooms whose modules are imported one by one: a command and all
# that it needs is loaded only when it is called.
OPEN = {"instructify._util", "instructify.commands", "instructify.cli"}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the name and file of every module of ours."""
    for package, base in PACKAGES.items():
        for path in sorted((base / package).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def is_room(name: str) -> bool:
    return (PACKAGES[name.partition(".")[0]] / name.replace(".", "/")).is_dir()


def room_of(module: str) -> str:
    """Return the room that a module lies in; the package itself for a module beside the rooms."""
    room = ".".join(module.split(".")[:2])
    return room if is_room(room) else module.partition(".")[0]


ROOMS = sorted({room_of(name) for name, _ in modules()} - set(PACKAGES))


@cache
def declared(room: str) -> list[str]:
    path = PACKAGES[room.partition(".")[0]] / room.replace(".", "/") / "__init__.py"
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise AssertionError(f"{path} declares no __all__")


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in OPEN])
def test_a_room_says_what_others_may_use(room: str) -> None:
    names = declared(room)
    assert names == sorted(names)
    module = __import__(room, fromlist=names)
    assert [name for name in names if not hasattr(module, name)] == []
    assert len(module.__doc__ or "") > 20


@cache
def imports(path: Path) -> list[tuple[str, list[str]]]:
    """Return the modules that a file imports, with the names taken from each."""
    pairs: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            pairs.append((node.module, [alias.name for alias in node.names]))
        elif isinstance(node, ast.Import):
            pairs += [(alias.name, []) for alias in node.names]
    return pairs


@pytest.mark.parametrize("room", [*ROOMS, *PACKAGES])
def test_nobody_reaches_past_the_face_of_a_room(room: str) -> None:
    wrong = []
    for name, path in modules():
        if room_of(name) == room:
            continue
        for module, names in imports(path):
            if module.partition(".")[0] not in PACKAGES or room_of(module) != room:
                continue
            if room in PACKAGES or room in OPEN:
                continue
            if module != room or not set(names) <= set(declared(room)):
                wrong.append(f"{name}: from {module} import {', '.join(names)}")
    assert wrong == []
