"""The catalog: `catalog.yaml` and the user's own datasets as frozen dataclasses.

`load` reads and checks the files, `model` has the classes, `own_tables` the entries of own data,
`text` what `instructify catalog` prints.
"""

from instructify.catalog.load import load_catalog
from instructify.catalog.model import (
    Candidates,
    Catalog,
    Dataset,
    Expected,
    Family,
    RawFileSpec,
    Split,
    Task,
)
from instructify.catalog.own_tables import FIELDS, class_name
from instructify.catalog.text import catalog_lines, dataset_lines

__all__ = [
    "Candidates",
    "Catalog",
    "Dataset",
    "Expected",
    "FIELDS",
    "Family",
    "RawFileSpec",
    "Split",
    "Task",
    "catalog_lines",
    "class_name",
    "dataset_lines",
    "load_catalog",
]
