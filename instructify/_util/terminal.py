"""Lay out text from data for a terminal of 80 columns: visible, wrapped, indented.

All output of a command passes through `harmless_output`, so that no id, text or file name moves the
cursor, hides printed text or reorders a line.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast
from unicodedata import combining, east_asian_width

WIDTH = 80
_COMMAND = re.compile(r"`[^`]+`")
_GLUE = "\x1f"  # in place of a space, where no wrapping parts


# Controls but for the ends of lines and tabs, marks and overrides of direction, the other two line
# ends of Unicode, tags, and bytes of file names that are no UTF-8.
_UNSAFE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_NOT_ASCII = re.compile("[^\0-\x7f]")


def harmless(text: str) -> str:
    """Write what a terminal would obey as JSON's escapes, so that JSON keeps its values."""
    return _UNSAFE.sub(lambda match: _escape(match.group()), text)


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


@contextmanager
def harmless_output() -> Iterator[None]:
    """Let all that is printed meanwhile pass through `harmless`."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, _Harmless) else cast(TextIO, _Harmless(stream))
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def bar_stream() -> TextIO:
    """Return the stream on which progress bars, which show no data, may move the cursor."""
    stream = sys.stderr
    return stream.unguarded if isinstance(stream, _Harmless) else stream


class _Harmless:
    """A text stream that writes nothing which a terminal would obey."""

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        shown = harmless(text)
        try:
            self.unguarded.write(shown)
        except UnicodeEncodeError:  # a terminal that is not UTF-8
            self.unguarded.write(_NOT_ASCII.sub(lambda match: _escape(match.group()), shown))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


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
        _COMMAND.sub(lambda match: match.group().replace(" ", _GLUE), text),
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
