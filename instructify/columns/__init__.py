"""Templates rendered column by column; `render_table` is the way in."""

from instructify.columns.render import Failure, RenderedColumns, render_table

__all__ = ["Failure", "RenderedColumns", "render_table"]
