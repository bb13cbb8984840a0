"""What changed from one build to another."""

from instructify.comparing.builds import (
    BuildDifference,
    PictureDifference,
    RejectDifference,
    SplitDifference,
    TemplateDifference,
    compare_builds,
    difference_value,
)
from instructify.comparing.tables import RowChange, TableDifference

__all__ = [
    "BuildDifference",
    "PictureDifference",
    "RejectDifference",
    "RowChange",
    "SplitDifference",
    "TableDifference",
    "TemplateDifference",
    "compare_builds",
    "difference_value",
]
