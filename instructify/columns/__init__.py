"""Templates rendered column by column; `render_table` is the way in."""

from instructify.columns.compiler import is_columnar
from instructify.columns.render import Failure, RenderedColumns, render_table

__all__ = [
    "Failure",
    "RenderedColumns",
    "is_columnar",
    "render_table",
]
