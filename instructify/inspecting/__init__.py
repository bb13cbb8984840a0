"""A page for looking at a build: samples with pictures, tokens and templates, rejects, plots.

`choose` selects the samples, `gather` reads them with their records, and `renderings`, `raw`,
`pictures`, `rejects`, `figures` and `shares` each make one part of the page. `document` puts plain
values and the styles and scripts of `assets/` into one file that opens without a server or network.
Tokens come from `instructify_train`, which tokenises texts, as the types of `tokens`.
"""

from instructify.inspecting.choose import choose_samples
from instructify.inspecting.gather import find_records
from instructify.inspecting.make import PageMade, PageRequest, make_page
from instructify.inspecting.pictures import small_bytes
from instructify.inspecting.tokens import Cut, Piece, ReaderFacts, Reading, Text, TokenReader

__all__ = [
    "Cut",
    "PageMade",
    "PageRequest",
    "Piece",
    "ReaderFacts",
    "Reading",
    "Text",
    "TokenReader",
    "choose_samples",
    "find_records",
    "make_page",
    "small_bytes",
]
