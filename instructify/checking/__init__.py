"""`check`: what a conversion of a raw root would stumble over, found before it begins.

`examination.examine` uses the same catalog, readers, locator and picture rules as a conversion, and
writes nothing. `causes` says what mends each finding.
"""

from instructify.checking.causes import cause_of
from instructify.checking.examination import examine
from instructify.checking.report import Example, Group, Report, SplitReport
from instructify.checking.request import CheckRequest

__all__ = [
    "CheckRequest",
    "Example",
    "Group",
    "Report",
    "SplitReport",
    "cause_of",
    "examine",
]
