"""`check`: find the problems of a raw root before its conversion.

`examination.examine` uses the same catalog, readers, locator and picture rules as a conversion, and
writes nothing. `causes` has the advice for each kind of finding.
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
