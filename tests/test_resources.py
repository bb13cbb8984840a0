"""What ships with the package is found from a checkout, an editable install and a wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import instructify
from instructify.errors import UserError
from instructify.resources import find

PACKAGE = Path(instructify.__file__).parent


def find_from(root: Path, name: str) -> str:
    """Ask a copy of the package below `root`, as an interpreter of its own would."""
    script = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        f"from instructify.resources import find; print(find({name!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=root.parent, capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def put_package(root: Path) -> None:
    (root / "instructify").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "resources.py"):
        shutil.copy(PACKAGE / name, root / "instructify" / name)


def test_the_checkout_has_everything() -> None:
    assert find("catalog.yaml").is_file()
    assert find("templates").is_dir()


def test_a_missing_resource_is_named() -> None:
    with pytest.raises(UserError, match=r"'no-such-thing' is missing from this installation"):
        find("no-such-thing")


def test_a_wheel_carries_its_files_inside(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    put_package(site)
    (site / "instructify" / "catalog.yaml").write_text("ours")
    assert find_from(site, "catalog.yaml") == str(site / "instructify" / "catalog.yaml")


def test_stray_files_of_other_packages_are_not_taken_for_ours(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    put_package(site)
    (site / "pyproject.toml").write_text('[project]\nname = "other"\n')
    (site / "templates").mkdir()
    (site / "instructify" / "templates").mkdir()
    assert find_from(site, "templates") == str(site / "instructify" / "templates")


def test_the_checkout_wins_over_a_stale_copy(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    put_package(checkout)
    (checkout / "pyproject.toml").write_text('[project]\nname = "instructify"\n')
    (checkout / "catalog.yaml").write_text("fresh")
    (checkout / "instructify" / "catalog.yaml").write_text("stale")
    assert find_from(checkout, "catalog.yaml") == str(checkout / "catalog.yaml")


def test_recipes_lie_beside_the_package_in_a_wheel_too(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    put_package(site)
    (site / "train" / "recipes").mkdir(parents=True)
    assert find_from(site, "train/recipes") == str(site / "train" / "recipes")
