"""The request of a `check` command, resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

from instructify.build import RawRoots
from instructify.catalog import Catalog, Dataset
from instructify.readers import RawFile


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRequest:
    """The inputs of an examination; the options of datasets are set."""

    catalog: Catalog
    datasets: Sequence[Dataset]
    roots: RawRoots
    split: str | None = None
    deep: bool = False
    complete: bool = False
    pictures: bool = True  # false: only files and records
    ocr: RawFile | None = None
    settings: Sequence[str] = ()  # the --set texts, which are already applied to the datasets
