"""The catalog: `catalog.yaml` and the user's own datasets as frozen dataclasses.

`load` reads and checks the files; `model`, `splits` and `candidates` have the classes, `own_*` the
entries of own data, and `text` the output of `instructify catalog`.
"""

from instructify.catalog.candidates import Candidates
from instructify.catalog.load import load_catalog
from instructify.catalog.model import Catalog, Dataset, Family, Task
from instructify.catalog.own_columns import FIELDS, TURNS, fill, placeholders
from instructify.catalog.own_data import CAPTIONS, YOUR_OWN, class_name
from instructify.catalog.own_sources import SPELLINGS, SUFFIXES, is_archive, is_glob
from instructify.catalog.splits import Expected, RawFileSpec, Split
from instructify.catalog.text import catalog_lines, dataset_lines

__all__ = [
    "CAPTIONS",
    "Candidates",
    "Catalog",
    "Dataset",
    "Expected",
    "FIELDS",
    "Family",
    "RawFileSpec",
    "SPELLINGS",
    "SUFFIXES",
    "Split",
    "TURNS",
    "Task",
    "YOUR_OWN",
    "catalog_lines",
    "class_name",
    "dataset_lines",
    "fill",
    "is_archive",
    "is_glob",
    "load_catalog",
    "placeholders",
]
