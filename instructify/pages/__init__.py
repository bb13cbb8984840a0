"""The common parts of all HTML pages: the shell with head and links, stylesheet, palette, charts.

`shell` fills the templates of `templates/` into one file that needs no server and no network.
`links` finds the other pages of a build and its runs. `charts` computes positions on a chart, which
`templates/charts.html` draws.
"""

from instructify.pages.charts import Chart, Series, interval_scale, make_chart, nice_ticks
from instructify.pages.links import Identity, Link, date_of, find_links
from instructify.pages.shell import Head, json_text, page_script, render_page

__all__ = [
    "Chart",
    "Head",
    "Identity",
    "Link",
    "Series",
    "date_of",
    "find_links",
    "interval_scale",
    "json_text",
    "make_chart",
    "nice_ticks",
    "page_script",
    "render_page",
]
