"""Nothing that is read can run as code: what we ship has no pickle, `eval` or remote code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load")}
# The list is exact: a file that no longer needs its exception has to leave it.
ALLOWED = [
    # Between a trainer and its own loader processes; nothing is read from a disk.
    "train/instructify_train/data/parcel.py: pickle",
    # The name of an exception, and tensors of LAVIS' files with `weights_only`.
    "train/instructify_train/model/lavis_file.py: pickle",
    "train/instructify_train/model/lavis_file.py: torch.load",
]


def forbidden(source: str) -> Iterator[str]:
    """Name what can run code that a file holds."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield module
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if (
                owner,
                name,
            ) in METHODS:
                yield f"{owner}.{name}"
            case ast.keyword(arg="trust_remote_code" | "allow_pickle", value=value) if not (
                isinstance(value, ast.Constant) and value.value is False
            ):
                yield str(node.arg)


def test_nothing_that_we_ship_runs_what_it_reads() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ("instructify", "train")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in forbidden(path.read_text("utf-8"))
    ]
    assert found == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from dill import loads",
        "import os, shelve as s",
        "x = eval('1')",
        "exec(text)",
        "torch.load(path, weights_only=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "np.load(path, allow_pickle=flag)",
    ],
)
def test_each_way_is_seen(source: str) -> None:
    assert list(forbidden(source))


@pytest.mark.parametrize(
    "source", ["model.eval()", "re.compile('a')", "f(trust_remote_code=False)", "json.load(file)"]
)
def test_what_only_looks_like_it_is_not_named(source: str) -> None:
    assert list(forbidden(source)) == []
