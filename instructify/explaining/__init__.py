"""Trace a sample back to its raw file, make every step again, and compare it with the build.

`chain.explain` runs the steps: `from_raw` has those that need the raw files, `from_templates` those
that need the templates, `from_build` the others. `raw_items` returns the items at positions of a
raw file of any format; `rendering` renders one record as the conversion did.
"""

from instructify.explaining.chain import ExplainRequest, Explanation, explain, explanation_value
from instructify.explaining.raw_positions import raw_items
from instructify.explaining.rendering import constants_of
from instructify.explaining.step import Step

__all__ = [
    "ExplainRequest",
    "Explanation",
    "Step",
    "constants_of",
    "explain",
    "explanation_value",
    "raw_items",
]
