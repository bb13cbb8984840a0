"""What a reader does to a record that it keeps, and says: a closed list of kinds.

A remark costs no record. It names the row of its chunk, so that a record that is left out later
takes its remarks with it.
"""

from typing import NamedTuple

REMARKS: dict[str, tuple[str, str]] = {  # in words for one of them, and for several
    "empty-choice": ("empty wrong choice is left out", "empty wrong choices are left out"),
    "tools": (
        "record is of a conversation with 'tools', which are not read",
        "records are of conversations with 'tools', which are not read",
    ),
    "whole-number": (
        "record has a whole number written as 1.0, which is read as 1",
        "records have whole numbers written as 1.0, which are read as 1",
    ),
}


class Remark(NamedTuple):
    """One thing done to the record in this row of a chunk; `kind` is a name of `REMARKS`."""

    row: int
    kind: str
