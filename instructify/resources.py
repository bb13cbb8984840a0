"""Find the files that belong to the package but are no code: `catalog.yaml`, `templates/`, recipes.

A wheel carries them inside the package. A checkout and an editable install have them beside it.
Nothing else is looked at: neither the working directory nor an environment variable changes what
is found.
"""

from pathlib import Path

from instructify.errors import UserError

_PACKAGE = Path(__file__).resolve().parent


def find(name: str) -> Path:
    """Return the path of what ships with us: `catalog.yaml`, `templates`, `train/recipes`."""
    for root in _roots(_PACKAGE, name):
        if (root / name).exists():
            return root / name
    raise UserError(f"'{name}' is missing from this installation of instructify; install it again")


def _roots(package: Path, name: str) -> list[Path]:
    """List where to look; the checkout first, as an editable install may leave a stale copy."""
    beside = package.parent
    is_train = name.startswith("train/")  # the package `train` is our sibling in a wheel too
    if is_train or _is_checkout(beside):
        return [beside, package]
    return [package]


def _is_checkout(folder: Path) -> bool:
    """Tell our source tree from a site-packages folder that holds a stray pyproject.toml."""
    project = folder / "pyproject.toml"
    return project.is_file() and 'name = "instructify"' in project.read_text(encoding="utf-8")
