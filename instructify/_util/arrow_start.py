"""Keeps pyarrow from importing pandas, which costs more than all else that a short command imports.

At the first value that it converts, pyarrow looks for pandas, to treat its objects specially, and
imports it for that. Commands that never meet a pandas object let it look once and find nothing.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType


class _NoPandas(importlib.abc.MetaPathFinder):
    """Says that there is no pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not looked for", name=name)
        return None


def look_for_no_pandas() -> None:
    """Let pyarrow find no pandas in this process; `to_pandas` still imports and uses it.

    What is lost is that `pandas.NA` and `NaT` among Python objects become nulls.

    Without effect where pandas is imported already. Call it before anything is converted, and only
    in a process that hands no pandas object to pyarrow.
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
