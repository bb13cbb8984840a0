"""Make items of the metrics from records and samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from instructify.metrics.files import completed
from instructify.metrics.model import Item


def item_of_row(row: Mapping[str, Any], choices: Sequence[str] | None) -> Item:
    """Make the item of a row; `choices` are options that an answer may name by text or letter."""
    return completed(
        Item(
            id=row["record_id"],
            references=tuple(row["references"] or ()),
            gold=row["choice_index"],
            relevance=row["relevance"] and tuple(row["relevance"]),
            choices=tuple(choices or ()),
            subset=row["subset"],
            difficult=bool(row["difficult"]),
        )
    )
