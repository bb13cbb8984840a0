"""All readers by the name that catalog.yaml uses."""

from instructify.readers.base import Reader

READERS: dict[str, Reader] = {}

__all__ = ["READERS", "Reader"]
