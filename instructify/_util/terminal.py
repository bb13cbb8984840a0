"""Text from data, laid out for a terminal of 80 columns: visible, wrapped, indented."""

import re
import textwrap
from unicodedata import combining, east_asian_width

WIDTH = 80
_COMMAND = re.compile(r"`[^`]+`")
_GLUE = "\x1f"  # in place of a space, where no wrapping parts


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
    return "\n".join(wrapped(text, first, first if rest is None else rest, room=room, cut=cut))


def wrapped(
    text: str, first: str = "", rest: str = "", *, room: int = WIDTH, cut: bool = False
) -> list[str]:
    """Wrap a text at its spaces, but for those of commands in back-ticks."""
    lines = textwrap.wrap(
        _COMMAND.sub(lambda found: found.group().replace(" ", _GLUE), text),
        room,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=cut,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def shortened(text: str, most: int) -> str:
    """Cut a long text in its middle, where the least is lost."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
