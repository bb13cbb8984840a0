"""The output of every reader of tables: rows with their positions, and rejects among them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from instructify._util.errors import UserError, did_you_mean
from instructify.readers.base import RawFile
from instructify.rejects import Reject

Cells = Mapping[str, object]


class Rows(NamedTuple):
    """Consecutive good rows with their 0-based positions, and rejects among them."""

    rows: Sequence[tuple[int, Cells]]
    rejects: Sequence[Reject]


def check_columns(file: RawFile, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Refuse a table that lacks a column or has it twice."""
    for column in wanted:
        if column not in present:
            raise UserError(
                f"{file.name} has no column '{column}'; "
                f"{_other_separator(present) or did_you_mean(column, present)}"
            )
        if present.count(column) > 1:
            raise UserError(f"{file.name} has two columns '{column}'; rename one of them.")


def _other_separator(present: Sequence[str]) -> str | None:
    """Say so where the one column of a text table is a header line with other separators."""
    if len(present) != 1:
        return None
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if separator in present[0]:
            how = {
                ";": "write it with commas, or with tabs as a .tsv",
                "\t": "name it .tsv",
                ",": "name it .csv",
            }
            return f"its header line has {name} between the names; {how[separator]}"
    return None
