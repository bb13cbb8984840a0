"""Find the files of the package that are not code: `catalog.yaml`, `templates/`, recipes.

In a wheel they are inside the package; in a checkout and an editable install they are beside it. No
other place is searched: neither the working directory nor an environment variable has an effect.
"""

from pathlib import Path

from instructify._util.errors import UserError

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_CHECKOUT = {"recipes": "train/recipes"}  # what lies elsewhere there than in the package


def find(name: str) -> Path:
    """Return the path of what ships with us: `catalog.yaml`, `templates`, `recipes`."""
    for path in _places(_PACKAGE, name):
        if path.exists():
            return path
    raise UserError(f"'{name}' is missing from this installation of instructify; install it again")


def _places(package: Path, name: str) -> list[Path]:
    """List where to look; the checkout first, as an editable install may leave a stale copy."""
    checkout = package.parent
    inside = package / name
    return [checkout / _IN_CHECKOUT.get(name, name), inside] if _is_checkout(checkout) else [inside]


def _is_checkout(folder: Path) -> bool:
    """Tell our source tree from a site-packages folder that holds a stray pyproject.toml."""
    project = folder / "pyproject.toml"
    return project.is_file() and 'name = "instructify"' in project.read_text(encoding="utf-8")
