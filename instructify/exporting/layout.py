"""The layout of samples in a tar, computed for a whole batch.

A sample is its contents in order and then one JSON file, all under one key.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from instructify.exporting.contents import Content
from instructify.exporting.tar import BLOCK, headers, padded


class Member(NamedTuple):
    """One file of a sample: its name after the key, and the offset of its bytes.

    `offset` counts from the start of the sample; `content` is None for the JSON.
    """

    part: str
    offset: int
    size_bytes: int
    header: memoryview
    content: Content | None


class LaidOut(NamedTuple):
    """A sample in whole tar blocks; `size_bytes` includes the headers."""

    key: str
    members: list[Member]
    text: bytes
    size_bytes: int


def lay_out(
    prefix: str, first: int, contents_of: Sequence[Sequence[Content]], texts: Sequence[bytes]
) -> Iterator[LaidOut]:
    """Lay out samples numbered from `first`, with their contents and their JSON."""
    keys = [f"{prefix}{number:09d}" for number in range(first, first + len(texts))]
    parts = [_parts(contents) for contents in contents_of]
    names = [
        f"{key}.{suffix}" for key, suffixes in zip(keys, parts, strict=True) for suffix in suffixes
    ]
    sizes = [
        size
        for contents, text in zip(contents_of, texts, strict=True)
        for size in (*(content.size_bytes for content in contents), len(text))
    ]
    blocks = memoryview(headers(names, np.array(sizes, np.int64)).tobytes())
    at = 0
    for key, suffixes, contents, text in zip(keys, parts, contents_of, texts, strict=True):
        offset = 0
        members = []
        for part, content in zip(suffixes, (*contents, None), strict=True):
            size = sizes[at]
            header = blocks[at * BLOCK : (at + 1) * BLOCK]
            members.append(Member(part, offset + BLOCK, size, header, content))
            offset += BLOCK + padded(size)
            at += 1
        yield LaidOut(key, members, text, offset)


def _parts(contents: Sequence[Content]) -> tuple[str, ...]:
    if len(contents) == 1:
        return (contents[0].suffix, "json")
    return (*(f"{number}.{content.suffix}" for number, content in enumerate(contents)), "json")
