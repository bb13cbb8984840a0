"""The wheel, installed elsewhere and run from elsewhere, finds its catalog and its templates.

And no folder of a user's can stand in our way: many have a `train.py`, `tests/` or `templates/`.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from instructify.catalog import load_catalog

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", name="wheel")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from the sdist, as an installer of a release would make it."""
    folder = tmp_path_factory.mktemp("dist")
    code = "from hatchling.cli import hatchling; import sys; sys.exit(hatchling())"
    run([sys.executable, "-c", code, "build", "-t", "sdist", "-d", str(folder)], ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    run(["tar", "-xzf", str(sdist), "-C", str(folder)], folder)
    source = next(path for path in folder.iterdir() if path.is_dir())
    run([sys.executable, "-c", code, "build", "-t", "wheel", "-d", str(folder)], source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module", name="installed")
def _installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that has the wheel, and our packages for the rest."""
    folder = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        entry = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt")))
    assert b"instructify = instructify.cli:main" in entry
    shared = site / "shared"
    shared.mkdir()
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "instructify" not in path.name and path.suffix != ".pth":
            (shared / path.name).symlink_to(path)
    (site / "shared.pth").write_text(f"{shared}\n")
    return folder / "bin" / "python"


def test_the_wheel_holds_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "instructify/catalog.yaml" in names
    for path in (ROOT / "templates").rglob("*.yaml"):
        assert f"instructify/templates/{path.relative_to(ROOT / 'templates').as_posix()}" in names
    for path in (ROOT / "instructify").rglob("*.py"):
        assert path.relative_to(ROOT).as_posix() in names
    assert "instructify/metrics/vqa_lookup.json" in names
    for path in (ROOT / "instructify/inspecting/assets").iterdir():
        assert path.relative_to(ROOT).as_posix() in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_a_conversion_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import instructify._util.resources as r; print(r.find('catalog.yaml'))"
    found = Path(run([str(installed), "-c", code], tmp_path).strip())
    assert found.is_relative_to(installed.parents[1]), "not the checkout's"
    rows = json.loads(instructify(installed, tmp_path, "catalog", "--json"))
    assert len(rows) == len(load_catalog().datasets)
    instructify(installed, tmp_path, "twin", "msvd_qa", "--out", "raw", "--scale", "0.1")
    line = ("convert", "msvd_qa", "--raw", "raw", "--out", "build", "--json", "--jobs", "2")
    value = json.loads(instructify(installed, tmp_path, *line))
    assert value["datasets"][0]["samples"] > 0
    assert "all whole" in instructify(installed, tmp_path, "verify", "build")


def test_the_wheel_holds_the_trainer_and_its_recipes(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "train" / "instructify_train").rglob("*.py"):
        assert path.relative_to(ROOT / "train").as_posix() in names
    for path in (ROOT / "train" / "recipes").glob("*.yaml"):
        assert f"instructify/recipes/{path.name}" in names
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "instructify",
        "instructify_train",
    }


@pytest.fixture(name="crowded")
def _crowded(tmp_path: Path) -> Path:
    """A folder with files of the names that projects of this field have."""
    folder = tmp_path / "llava"
    for name in ("train", "templates", "tests", "recipes", "catalog", "model", "data"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise SystemExit('the {name}/ of the user')")
    for name in ("train", "conftest", "evaluate", "model", "data"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('the {name}.py of the user')")
    (folder / "instructify.yaml").write_text("not: ours")
    (folder / "catalog.yaml").write_text("not: ours")
    return folder


@pytest.mark.parametrize("how", ["editable", "wheel"])
def test_a_folder_of_the_user_does_not_stand_in_the_way(
    how: str, installed: Path, crowded: Path
) -> None:
    """The commands of docs/training.md, started as a user starts them."""
    python = installed if how == "wheel" else Path(sys.executable)
    words = (str(python), "-m", "instructify")
    launcher = (str(python), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1")
    if how == "editable":
        rows = run([*words, "catalog", "--json"], crowded, {"PYTHONPATH": "."})
        assert len(json.loads(rows)) == len(load_catalog().datasets)
        told = run(
            [*launcher, "-m", "instructify", "train", "--help"], crowded, {"PYTHONPATH": "."}
        )
        assert "--recipe" in told
        return
    run([*words, "twin", "vqav2", "--out", "raw", "--scale", "0.1"], crowded)
    run(
        [*words, "convert", "vqav2", "--raw", "raw", "--out", "build"],
        crowded,
        {"PYTHONPATH": "."},
    )
    (crowded / "small.yaml").write_text(
        "format: 1\nmixture: {members: {vqav2: {forms: [open]}}}\nmodel: {name: tiny-llama}\n"
        "data: {batch: 4, window: 1, workers: 0}\n"
        "run: {steps: 1, validate_every: 0, save_every: 1, device: cpu, tensorboard: false}\n"
    )
    line = ("-m", "instructify", "train", "build", "--recipe", "small.yaml", "--out", "run")
    run([*launcher, *line], crowded, {"OMP_NUM_THREADS": "1", "PYTHONPATH": "."})
    assert (crowded / "run" / "checkpoints").is_dir()


def instructify(python: Path, folder: Path, *line: str) -> str:
    code = "from instructify.cli import main; main()"
    return run([str(python), "-c", code, *line], folder)


def run(words: list[str], folder: Path, more: Mapping[str, str] | None = None) -> str:
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        words,
        cwd=folder,
        env={**bare, **(more or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
