"""Where the files of samples lie in a tar, worked out for a batch at once.

A sample is its contents, in order, and one JSON file behind them, all under one key.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from instructify.exporting.contents import Content
from instructify.exporting.tar import BLOCK, headers, padded


class Member(NamedTuple):
    """One file of a sample: what follows the key in its name, and where its bytes begin.

    `offset` counts from the beginning of the sample; `content` is None for the JSON.
    """

    part: str
    offset: int
    size_bytes: int
    header: memoryview
    content: Content | None


class LaidOut(NamedTuple):
    """A sample in whole blocks, headers counted."""

    key: str
    members: list[Member]
    text: bytes
    size_bytes: int


def lay_out(
    prefix: str, first: int, found: Sequence[Sequence[Content]], texts: Sequence[bytes]
) -> Iterator[LaidOut]:
    """Lay out samples numbered from `first`, with their contents and their JSON."""
    keys = [f"{prefix}{number:09d}" for number in range(first, first + len(texts))]
    parts = [_parts(contents) for contents in found]
    names = [f"{key}.{part}" for key, own in zip(keys, parts, strict=True) for part in own]
    sizes = [
        size
        for contents, text in zip(found, texts, strict=True)
        for size in (*(one.size_bytes for one in contents), len(text))
    ]
    blocks = memoryview(headers(names, np.array(sizes, np.int64)).tobytes())
    at = 0
    for key, own, contents, text in zip(keys, parts, found, texts, strict=True):
        offset = 0
        members = []
        for part, content in zip(own, (*contents, None), strict=True):
            size = sizes[at]
            header = blocks[at * BLOCK : (at + 1) * BLOCK]
            members.append(Member(part, offset + BLOCK, size, header, content))
            offset += BLOCK + padded(size)
            at += 1
        yield LaidOut(key, members, text, offset)


def _parts(contents: Sequence[Content]) -> tuple[str, ...]:
    if len(contents) == 1:
        return (contents[0].suffix, "json")
    return (*(f"{number}.{one.suffix}" for number, one in enumerate(contents)), "json")
