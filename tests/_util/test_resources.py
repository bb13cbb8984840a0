"""What ships with the package is found from a checkout, an editable install and a wheel."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import instructify
from instructify._util.errors import UserError
from instructify._util.resources import find

PACKAGE = Path(instructify.__file__).parent


def find_from(root: Path, name: str) -> str:
    """Ask a copy of the package below `root`, as an interpreter of its own would."""
    script = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        f"from instructify._util.resources import find; print(find({name!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=root.parent, capture_output=True, text=True
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def put_package(root: Path) -> None:
    (root / "instructify" / "_util").mkdir(parents=True)
    for name in ("__init__.py", "_util/__init__.py", "_util/errors.py", "_util/resources.py"):
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


def test_recipes_lie_in_a_wheel_s_package_and_below_train_in_a_checkout(
    tmp_path: Path,
) -> None:
    site, checkout = tmp_path / "site-packages", tmp_path / "checkout"
    put_package(site)
    (site / "instructify" / "recipes").mkdir()
    (site / "train" / "recipes").mkdir(parents=True)  # somebody else's
    assert find_from(site, "recipes") == str(site / "instructify" / "recipes")
    put_package(checkout)
    (checkout / "pyproject.toml").write_text('[project]\nname = "instructify"\n')
    (checkout / "train" / "recipes").mkdir(parents=True)
    assert find_from(checkout, "recipes") == str(checkout / "train" / "recipes")
