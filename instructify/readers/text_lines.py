"""Read files line by line: JSON lines, token files, mappings."""

from collections.abc import Iterator
from typing import BinaryIO

from instructify.readers.base import RawFile
from instructify.readers.json_source import BYTE_ORDER_MARK
from instructify.readers.opening import opened
from instructify.readers.spans import Span
from instructify.rejects import Reject

_BLOCK_BYTES = 1 << 20


def raw_lines(file: RawFile) -> Iterator[tuple[int, bytes | Reject]]:
    """Yield the lines with their 0-based numbers and line ends, of a part of a file those in it.

    If a compressed file ends too early, the partial last line is replaced by a reject.
    """
    if file.span is not None:
        yield from _lines_of(file, file.span)
        return
    with opened(file) as raw:
        position = 0
        for line in raw.handle:
            if raw.cut_off and not line.endswith(b"\n"):
                break
            yield position, line if position else line.removeprefix(BYTE_ORDER_MARK)
            position += 1
        if raw.cut_off:
            detail = "the compressed file ends before its end mark"
            yield position, Reject(file.name, position, None, "cut-off", detail)


def _lines_of(file: RawFile, span: Span) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a part of a file, which begins and ends with a line."""
    number = 0
    if not span.is_empty:
        with opened(file) as raw:
            for number, line in enumerate(_until(raw.handle, span), 1):
                at = span.first + number - 1
                yield at, line if span.start or number > 1 else line.removeprefix(BYTE_ORDER_MARK)
    span.num_items = number


def _until(handle: BinaryIO, span: Span) -> Iterator[bytes]:
    handle.seek(span.start)
    left = span.stop - span.start
    while left > 0 and (line := handle.readline()):
        left -= len(line)
        yield line


def count_lines(file: RawFile, span: Span) -> int:
    """Count the lines of a part of a file."""
    if span.is_empty:
        return 0
    count, last = 0, b""
    with opened(file) as raw:
        raw.handle.seek(span.start)
        left = span.stop - span.start
        while left > 0 and (block := raw.handle.read(min(left, _BLOCK_BYTES))):
            count += block.count(b"\n")
            left -= len(block)
            last = block[-1:]
    return count + (last != b"\n")
