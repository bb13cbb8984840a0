"""Keep pyarrow from importing pandas, which takes longer than all other work of a short command.

When pyarrow converts its first value, it imports pandas to recognise its objects. In a command that
has no pandas objects, this module makes pyarrow look once and find no pandas.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType


class _NoPandas(importlib.abc.MetaPathFinder):
    """An import finder that hides pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not looked for", name=name)
        return None


def look_for_no_pandas() -> None:
    """Make pyarrow find no pandas in this process; `to_pandas` still imports and uses it.

    The only loss is that `pandas.NA` and `NaT` among Python objects do not become nulls.

    Without effect if pandas is already imported. Call it before the first conversion, and only in a
    process that passes no pandas objects to pyarrow.
    """
    if "pandas" in sys.modules:
        return
    from pyarrow import lib

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        lib.array([None, ""])  # its Python and its C++ part look once each
    finally:
        sys.meta_path.remove(finder)
