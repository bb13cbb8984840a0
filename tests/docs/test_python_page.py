"""docs/python.md: its blocks run one after the other, in the folder that it describes.

All modules are imported before, so that none may stand where a function should.
"""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from import_help import import_all

import instructify

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_run(
    own_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    import_all()
    text = PAGE.read_text("utf-8")
    shutil.copytree(own_raw / "shapes", tmp_path / "raw" / "shapes")
    (catalog,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert yaml.safe_load(catalog)["format"] == 1
    (tmp_path / "mine.yaml").write_text(catalog, "utf-8")
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(list((tmp_path / "results" / "shapes").glob("result.json"))) == 1


def test_the_page_names_every_function() -> None:
    text = PAGE.read_text("utf-8")
    for name in set(instructify.__all__) - {"Build", "RejectsError", "UserError", "__version__"}:
        assert f"| `{name}(" in text
