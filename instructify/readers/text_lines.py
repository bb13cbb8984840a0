"""Read files line by line: JSON lines, token files, mappings."""

from collections.abc import Iterator

from instructify.readers.base import RawFile
from instructify.readers.json_source import BYTE_ORDER_MARK
from instructify.readers.opening import opened
from instructify.rejects import Reject


def raw_lines(file: RawFile) -> Iterator[tuple[int, bytes | Reject]]:
    """Yield the lines with their 0-based numbers and line ends.

    If a compressed file ends too early, the partial last line is replaced by a reject.
    """
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
