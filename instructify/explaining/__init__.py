"""A sample followed back to its raw file, every link made again and held against the build.

`chain.explain` puts the links in order: `from_raw` has those that need the raw files,
`from_templates` those that need the templates, `from_build` the rest. `raw_items` shows what
stands at a position of a raw file, whatever its shape; `rendering` renders one record as the
conversion did.
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
