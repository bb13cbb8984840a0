"""Remarks: changes that a reader makes to a record and reports, in a fixed list of kinds.

A record with a remark stays. A remark names the row of its chunk, so that a record that is dropped
later takes its remarks along.
"""

from typing import NamedTuple

REMARKS: dict[str, tuple[str, str]] = {  # the wording for one, and for several
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
    """A change of the record in this row of a chunk; `kind` is a name of `REMARKS`."""

    row: int
    kind: str
