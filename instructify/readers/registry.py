"""Collect all readers from the modules of this folder, by the name that catalog.yaml uses.

A module that defines a `Reader` is found by itself; it is not listed anywhere.
"""

import importlib
import pkgutil

from instructify.readers.base import Reader

_FACE = "instructify.readers"


def _readers() -> dict[str, Reader]:
    """Collect the readers of all modules.

    Raises ValueError if two of them have the same name.
    """
    readers: dict[str, Reader] = {}
    for module in pkgutil.iter_modules(importlib.import_module(_FACE).__path__):
        if f"{_FACE}.{module.name}" == __name__:
            continue
        values = vars(importlib.import_module(f"{_FACE}.{module.name}")).values()
        for reader in values:
            if not isinstance(reader, Reader):
                continue
            if readers.setdefault(reader.name, reader) is not reader:
                raise ValueError(f"two readers are called '{reader.name}'")
    return readers


READERS: dict[str, Reader] = _readers()
