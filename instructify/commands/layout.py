"""Text from data, laid out for a terminal of 80 columns: visible, wrapped, indented."""

import textwrap
from unicodedata import combining, east_asian_width

WIDTH = 80


def visible(text: str) -> str:
    """Make control characters visible."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def paragraph(text: str, first: str = "", rest: str | None = None, *, cut: bool = True) -> str:
    """Wrap a text, `first` before its first line and `rest` before the others.

    Long words are cut, unless they are addresses to be copied whole.
    """
    text = visible(" ".join(text.split()))
    wide = sum(east_asian_width(c) in "WF" and not combining(c) for c in text)
    room = WIDTH if not wide else WIDTH // 2
    return textwrap.fill(
        text,
        room,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=cut,
        break_on_hyphens=False,
    )


def shortened(text: str, most: int) -> str:
    """Cut a long text in its middle, where the least is lost."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
