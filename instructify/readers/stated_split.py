"""Compare the split that a raw file states with the split that it is read for.

Files of two splits have the same form, so one in place of the other is read without an error, and
evaluation data would be trained on. Some releases state the split in a header or in each item.
"""

import re

from instructify._util.errors import UserError
from instructify.readers.base import RawFile, ReadContext

_KINDS = ("train", "val", "test")
_SUBSET = re.compile(rb'"data_subtype"\s*:\s*"([A-Za-z0-9_-]{1,40})"')


def other_split(stated: object, split: str) -> str | None:
    """Return the mistake if an item states another split; None if it does not, or states none.

    Only the kind counts: `val2014` belongs to `val`, and `test-dev2015` to `testdev` and `test`.
    """
    if not isinstance(stated, str):
        return None
    kind, wanted = _kind(stated), _kind(split)
    if kind is None or wanted is None or kind == wanted:
        return None
    return f"the item is of the split {stated[:40]!a}, and the file is read for {split}"


def check_subset(file: RawFile, ends: bytes, context: ReadContext) -> None:
    """Refuse a file of VQA's form whose `data_subtype` is that of another split."""
    stated = _SUBSET.search(ends)
    if stated is not None and other_split(stated[1].decode(), context.split):
        raise UserError(
            f"{file.name} is of {stated[1].decode()} by its own data_subtype, and is read for "
            f"{context.dataset}/{context.split}; put the file of that split in its place."
        )


def _kind(split: str) -> str | None:
    return next((kind for kind in _KINDS if split.lower().startswith(kind)), None)
