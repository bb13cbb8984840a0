"""What all HTML pages share: one shell with head and links, one stylesheet, one palette, charts.

`shell` fills the templates of `templates/` into one file that needs no server and no network.
`links` finds the other pages of a build and its runs. `charts` turns numbers into places on a
chart, which `templates/charts.html` draws.
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
