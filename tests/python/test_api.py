"""`import instructify`: every command as a function, whatever else was imported before.

`train`, `evaluate` and `generate` are called by tests/docs/test_python_page.py.
"""

import inspect
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from import_help import import_all
from own_help import COUNT

import instructify
from instructify.twins import make_twin

FUNCTIONS = ("check", "convert", "evaluate", "export", "generate", "plan", "score", "train")


@pytest.fixture(autouse=True, scope="module")
def _all_imported() -> None:
    import_all()


def own(raw: Path) -> dict[str, Any]:
    return {"catalog": raw / "mine.yaml"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_module_shadows_a_function(name: str) -> None:
    """And each says what it takes, and what it raises."""
    function = getattr(instructify, name)
    assert isinstance(function, types.FunctionType)
    assert function.__name__ == name
    text = inspect.getdoc(function) or ""
    assert "Args:" in text
    assert "Raises:" in text
    for parameter in inspect.signature(function).parameters:
        assert f"    {parameter}: " in text, "each argument is explained"
    assert "return" in inspect.get_annotations(function)


def test_what_is_offered_is_there() -> None:
    assert set(FUNCTIONS) < set(instructify.__all__)
    for name in instructify.__all__:
        assert getattr(instructify, name) is not None
        assert name in dir(instructify)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        instructify.nothing  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import instructify, sys; instructify.Build; instructify.convert; import instructify.torch;"
        "print([m for m in ('torch', 'transformers', 'instructify_train') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_check_convert_plan_and_export(own_raw: Path, tmp_path: Path) -> None:
    report = instructify.check("shapes", raw=own_raw, **own(own_raw))
    assert report.of("fault") == []
    build = instructify.convert("shapes", raw=own_raw, out=tmp_path / "b", draws=1, **own(own_raw))
    assert len(build.samples("shapes", "train")) == COUNT
    planned = instructify.plan(build, "tiny", settings=["mixture=all"], batch=8, **own(own_raw))
    assert [row.dataset for row in planned.rows] == ["shapes"]
    assert planned.batch == 8
    receipt = instructify.export(build, tmp_path / "out", "llava", splits="train")
    assert receipt.datasets["shapes"]["train"].written == COUNT
    again = instructify.export(build, tmp_path / "out", "llava", splits="train")
    assert again == receipt
    with pytest.raises(instructify.UserError, match="did you mean 'shapes'"):
        instructify.convert("shape", raw=own_raw, out=tmp_path / "c", **own(own_raw))
    with pytest.raises(instructify.UserError, match=r"write \[path\]"):
        instructify.convert("shapes", raw=own_raw, out=tmp_path, images="pictures")


def test_score_takes_a_dict(own_raw: Path, own_build: Path) -> None:
    build = instructify.Build.open(own_build)
    golds = {row["record_id"]: row["answer"] for row in build.records("shapes", "val")}
    found = instructify.score("shapes", golds, build=build, split="val", **own(own_raw))
    assert (found.value, found.count) == (1, COUNT)
    wrong = {name: "nothing" for name in golds}
    assert instructify.score("shapes", wrong, build=build, split="val", **own(own_raw)).value == 0


def test_pictures_are_kept_as_the_command_keeps_them(tmp_path: Path) -> None:
    make_twin(["web_capfilt"], tmp_path / "raw", scale=0.1)
    build = instructify.convert("web_capfilt", raw=tmp_path / "raw", out=tmp_path / "build")
    assert set(build.manifest.pictures.modes.values()) == {"reference"}
