"""Web CapFilt: JSON lists of {url, caption}, up to 20 GB each; the picture is named by its URL.

The picture key is the first 20 hex digits of the sha256 of the URL as written. The raw id is the
key, `-w` (web) or `-s` (synthetic), and the number of captions of that kind and URL before it, in
the order ccs, laion. The lists are read twice: first only the URLs, to number, choose and sample
captions (capfilt_plan.py), then the records. A URL that is not http(s) is rejected: `bad-value`.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from instructify._util.errors import UserError
from instructify._util.keyed import hash_texts
from instructify.readers.arrow import cleaned_captions, empty_at, singles, whole_numbers
from instructify.readers.base import (
    A_LIST,
    Chunk,
    Option,
    Ranges,
    RawFile,
    ReadContext,
    Reader,
    Survey,
    record_batch,
)
from instructify.readers.capfilt_plan import Plan, Rule, Urls, make_plan
from instructify.readers.json_items import read_list
from instructify.rejects import Reject

_HTTP = ("http://", "https://")
_DIGITS = 20
_HEXADECIMAL = np.array([f"{byte:02x}" for byte in range(256)], "S2")


class Pair(msgspec.Struct, gc=False):
    url: str
    caption: str


class _List(NamedTuple):
    """One of the release's files."""

    file: RawFile
    synthetic: bool


class _Window(NamedTuple):
    """Good pairs with cleaned captions, and their positions in the file."""

    urls: pa.StringArray
    captions: pa.StringArray
    positions: Sequence[int]
    rejects: Sequence[Reject]


def _read(context: ReadContext) -> Iterator[Chunk]:
    lists = _lists(context)
    if context.planned is None:
        plan, start = _decide(context, _urls(lists)), 0
    else:
        plan, start = Plan.load(context.planned.folder), context.planned.start
    for caption_list in lists:
        for window in _windows(caption_list.file):
            yield _chunk(context, caption_list, window, plan, start)
            start += len(window.urls)


def _look(context: ReadContext) -> Iterator[Urls]:
    return _urls(_lists(context))


def _decide(context: ReadContext, urls: Iterable[Urls]) -> Plan:
    rule = Rule(
        seed=context.seed,
        sample=int(context.options["sample"]),
        one_per_url=context.options["per_url"] == "one",
    )
    return make_plan(urls, rule)


def _lists(context: ReadContext) -> list[_List]:
    """List the existing files that the options select."""
    options = context.options
    sources = ("ccs", "laion") if options["sources"] == "both" else (options["sources"],)
    large = "_large" if options["size"] == "large" else ""
    lists: list[_List] = []
    for source in sources:
        for kind, role in (("web", f"{source}_web"), ("synthetic", f"{source}_synthetic{large}")):
            if options["captions"] in (kind, "both") and role in context.files:
                lists.append(_List(context.files[role], kind == "synthetic"))
    if not lists:
        asked = ", ".join(f"{name}={options[name]}" for name in ("captions", "sources", "size"))
        raise UserError(
            f"{context.dataset} has none of the files that {asked} asks for; see "
            f"`instructify catalog {context.dataset}` for their names, or --set another option."
        )
    return lists


def _urls(lists: Iterable[_List]) -> Iterator[Urls]:
    for caption_list in lists:
        for window in _windows(caption_list.file):
            yield Urls(hash_texts(window.urls), caption_list.synthetic)


def _windows(file: RawFile) -> Iterator[_Window]:
    for items in read_list(file, Pair):
        urls = pa.array([pair.url for pair in items.items], pa.string())
        captions = cleaned_captions([pair.caption for pair in items.items])
        bad = set(_bad_urls(urls))
        empty = set(empty_at(captions).tolist())
        if not bad and not empty:
            yield _Window(urls, captions, items.positions, items.rejects)
            continue
        rejects = list(items.rejects)
        for row in sorted(bad | empty):
            rejects.append(_reject(file, items.positions[row], row in empty))
        kept = [row for row in range(len(urls)) if row not in bad and row not in empty]
        positions = [items.positions[row] for row in kept]
        rows = pa.array(kept, pa.int64())
        yield _Window(urls.take(rows), captions.take(rows), positions, rejects)


def _bad_urls(urls: pa.StringArray) -> Iterator[int]:
    """Yield the rows of URLs that begin with neither http:// nor https://, in any case."""
    usual = [np.asarray(pc.starts_with(urls, start)) for start in _HTTP]
    for row in np.flatnonzero(~np.logical_or(*usual)).tolist():
        if not urls[row].as_py().lower().startswith(_HTTP):
            yield row


def _reject(file: RawFile, position: int, empty: bool) -> Reject:
    if empty:
        return Reject(file.name, position, "caption", "empty-text", "the caption is empty")
    return Reject(file.name, position, "url", "bad-value", "the url isn't one of http or https")


def _chunk(
    context: ReadContext, caption_list: _List, window: _Window, plan: Plan, start: int
) -> Chunk:
    rows = np.flatnonzero(plan.kept(start, len(window.urls)))
    picked, captions = window.urls, window.captions
    if len(rows) < len(picked):
        picked, captions = picked.take(pa.array(rows)), captions.take(pa.array(rows))
    names = _names_of(picked)
    prefix = f"{context.dataset}/{context.split}/"
    kind = "-s" if caption_list.synthetic else "-w"
    ordinals = pa.array(plan.ordinals(start, len(window.urls))[rows]).cast(pa.string())
    records = record_batch(
        len(rows),
        record_id=pc.binary_join_element_wise(prefix, names, kind, ordinals, ""),
        form="caption",
        pictures=singles(pc.binary_join_element_wise("web_capfilt/", names, "")),
        answer=captions,
        source=caption_list.file.name,
        position=whole_numbers(window.positions).take(pa.array(rows)),
    )
    return Chunk(records, tuple(window.rejects))


def _names_of(urls: pa.StringArray) -> pa.StringArray:
    """Return the first 20 hexadecimal digits of the sha256 of each URL.

    The digits of all hashes are made at once: a text for each would take as long as hashing.
    """
    hashes = map(sha256, urls.cast(pa.binary()).to_pylist())
    digests = b"".join([digest.digest() for digest in hashes])
    first = np.frombuffer(digests, np.uint8).reshape(-1, sha256().digest_size)[:, : _DIGITS // 2]
    offsets = np.arange(len(urls) + 1, dtype=np.int32) * np.int32(_DIGITS)
    text = pa.py_buffer(_HEXADECIMAL[first].tobytes())
    return pa.StringArray.from_buffers(len(urls), pa.py_buffer(offsets), text)


READER = Reader(
    name="web_capfilt",
    version=1,
    read=_read,
    options={
        "captions": Option(
            kind="choice",
            help="captions as found on the web, as written by BLIP, or both",
            choices=("web", "synthetic", "both"),
        ),
        "sources": Option(
            kind="choice",
            help="pairs of CC3M, CC12M and SBU (ccs), of LAION, or both",
            choices=("ccs", "laion", "both"),
        ),
        "size": Option(
            kind="choice",
            help="which BLIP wrote the synthetic captions: ViT-B (base) or ViT-L (large)",
            choices=("base", "large"),
            idle_with={"captions": ("web",)},
        ),
        "per_url": Option(
            kind="choice",
            help="all captions of an url, or one of them, drawn anew for each seed",
            choices=("all", "one"),
        ),
        "sample": Option(
            kind="int", help="how many captions are kept, drawn by url and seed; 0: all"
        ),
    },
    places=(A_LIST,),
    ranges=Ranges(
        places={
            f"{source}_{kind}": A_LIST
            for source in ("ccs", "laion")
            for kind in ("web", "synthetic", "synthetic_large")
        },
        survey=Survey(_look, _decide),
    ),
)
