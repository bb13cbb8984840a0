"""Number and choose the captions of each URL among a hundred million, in little memory.

The captions of a URL are scattered over lists of 20 GB, and neither all URLs nor all keys fit into
memory. Therefore hashes of URLs are written to temporary files, one for each value of their first
bits. All captions of a URL are then in the same bucket, and each bucket is small enough to be
sorted. Memory holds one bit for each caption, twelve bytes for each repeated URL, and a histogram.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify._util.errors import UserError
from instructify._util.keyed import Hashes, mix

_BUCKETS = 256
_BUCKET_SHIFT = np.uint64(56)
_BLOCK = 1 << 16  # captions that are divided at a time
_BIN_SHIFT = np.uint64(48)
_HALF = np.uint64(32)
_FILES = ("kept.npy", "repeated.npy", "ordinals.npy")
_ENTRY = np.dtype([("url", "<u8"), ("index", "<u4"), ("kind", "u1")])


class Urls(NamedTuple):
    """Hashes of the URLs of consecutive captions, and whether the captions are synthetic."""

    hashes: Hashes
    synthetic: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """The captions to keep: a sample of `sample` (0: all), with one or all captions of a URL."""

    seed: int
    sample: int
    one_per_url: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The decision about each caption, by its index among all planned captions."""

    _kept_bits: NDArray[np.uint8] | None  # None: all are kept
    _repeated: NDArray[np.int64]  # sorted indices of captions that are not the first of their URL
    _ordinals: NDArray[np.int64]

    def save(self, folder: Path) -> None:
        """Write the plan for other processes."""
        bits = np.zeros(0, np.uint8) if self._kept_bits is None else self._kept_bits
        arrays: list[NDArray[Any]] = [bits, self._repeated, self._ordinals]
        for name, values in zip(_FILES, arrays, strict=True):
            np.save(folder / name, values)

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Map a saved plan into memory, which processes of a machine share."""
        bits, repeated, ordinals = (
            np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in _FILES
        )
        return cls(_kept_bits=bits if len(bits) else None, _repeated=repeated, _ordinals=ordinals)

    def kept(self, start: int, size: int) -> NDArray[np.bool_]:
        """Return which of the captions [start, start + size) are kept."""
        if self._kept_bits is None:
            return np.ones(size, bool)
        first = start >> 3
        bits = np.unpackbits(self._kept_bits[first : (start + size + 7) >> 3], bitorder="little")
        kept: NDArray[np.bool_] = bits[start - 8 * first :][:size].astype(bool)
        return kept

    def ordinals(self, start: int, size: int) -> NDArray[np.int64]:
        """Count the captions of the same kind and URL before each of [start, start + size)."""
        ordinals = np.zeros(size, np.int64)
        first, last = np.searchsorted(self._repeated, [start, start + size])
        ordinals[self._repeated[first:last] - start] = self._ordinals[first:last]
        return ordinals


def make_plan(urls: Iterable[Urls], rule: Rule) -> Plan:
    """Decide about every caption; needs 13 bytes of temporary disk space for each."""
    try:
        with tempfile.TemporaryDirectory(prefix="instructify-") as folder:
            paths = [Path(folder, f"{bucket:03d}") for bucket in range(_BUCKETS)]
            total = _write_buckets(paths, urls)
            return _decide(paths, total, rule)
    except OSError as error:
        raise UserError(
            f"no temporary file can be written below {tempfile.gettempdir()} ({error.strerror}); "
            "make room there (13 bytes a caption) or set TMPDIR to another folder."
        ) from error


class _Bucket(NamedTuple):
    """The captions of some URLs, grouped by URL and in their order."""

    rows: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    kept: NDArray[np.bool_]  # by the rule of one caption per url
    key: Hashes  # smaller keys are sampled first


def _write_buckets(paths: list[Path], urls: Iterable[Urls]) -> int:
    total = 0
    with ExitStack() as stack:
        files: list[BinaryIO] = [stack.enter_context(path.open("wb")) for path in paths]
        for part in urls:
            for hashes in np.split(part.hashes, range(_BLOCK, len(part.hashes), _BLOCK)):
                bucket = (hashes >> _BUCKET_SHIFT).astype(np.uint8)  # sorted fast, being small
                order = np.argsort(bucket, kind="stable")
                entries = np.empty(len(hashes), _ENTRY)
                entries["url"] = hashes[order]
                entries["index"] = order + total
                entries["kind"] = part.synthetic
                total += len(entries)
                ends = np.cumsum(np.bincount(bucket, minlength=_BUCKETS)) * _ENTRY.itemsize
                data = entries.view(np.uint8).data
                for file, first, last in zip(
                    files, [0, *ends.tolist()], ends.tolist(), strict=False
                ):
                    file.write(data[first:last])
    return total


def _decide(paths: list[Path], total: int, rule: Rule) -> Plan:
    if not rule.sample and not rule.one_per_url:
        return _all_kept(paths)
    limit = _sample_limit(paths, rule) if rule.sample else None
    bits = np.zeros((total + 7) >> 3, np.uint8) if limit or rule.one_per_url else None
    repeated: list[NDArray[np.int64]] = []
    ordinals: list[NDArray[np.int64]] = []
    for bucket in _read_buckets(paths, rule):
        again = bucket.ordinal > 0
        repeated.append(bucket.rows[again])
        ordinals.append(bucket.ordinal[again])
        if bits is not None:
            kept = bucket.kept if limit is None else bucket.kept & limit.admits(bucket)
            index = bucket.rows[kept]
            np.bitwise_or.at(bits, index >> 3, np.left_shift(1, index & 7).astype(np.uint8))
    return _plan_of(bits, repeated, ordinals)


def _plan_of(
    bits: NDArray[np.uint8] | None,
    repeated: list[NDArray[np.int64]],
    ordinals: list[NDArray[np.int64]],
) -> Plan:
    none = np.empty(0, np.int64)
    indices = np.concatenate([none, *repeated])
    order = np.argsort(indices)
    return Plan(
        _kept_bits=bits,
        _repeated=indices[order],
        _ordinals=np.concatenate([none, *ordinals])[order],
    )


def _all_kept(paths: list[Path]) -> Plan:
    """Keep every caption; only those of repeated URLs, which are few, need a number."""
    repeated: list[NDArray[np.int64]] = []
    ordinals: list[NDArray[np.int64]] = []
    for path in paths:
        entries = np.fromfile(path, _ENTRY)
        urls = entries["url"].astype(np.uint64)
        ordered = np.sort(urls)
        doubles = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if not len(doubles):
            continue
        entries = entries[np.isin(urls, doubles)]
        entries = entries[np.argsort(entries["url"], kind="stable")]
        ordinal = _ordinals_of(entries)
        repeated.append(entries["index"][ordinal > 0].astype(np.int64))
        ordinals.append(ordinal[ordinal > 0])
    return _plan_of(None, repeated, ordinals)


def _read_buckets(paths: list[Path], rule: Rule) -> Iterator[_Bucket]:
    for path in paths:
        entries = np.fromfile(path, _ENTRY)
        entries = entries[np.argsort(entries["url"], kind="stable")]
        url = entries["url"].astype(np.uint64)
        ordinal = _ordinals_of(entries)
        kept = np.ones(len(url), bool)
        if rule.one_per_url:
            places = _places(url)
            chosen = (mix(url, "capfilt caption of url", rule.seed) >> _HALF) * places.size
            kept = places.place == (chosen >> _HALF).astype(np.int64)
        which = (2 * ordinal + entries["kind"]).astype(np.uint64)
        key = mix(mix(url, "capfilt sample", rule.seed) + which, "capfilt sample", rule.seed)
        yield _Bucket(entries["index"].astype(np.int64), ordinal, kept, key)


def _ordinals_of(entries: NDArray[Any]) -> NDArray[np.int64]:
    """Count the captions of the same kind and URL before each, where URLs are sorted."""
    ordinal = np.empty(len(entries), np.int64)
    for kind in (0, 1):
        of_kind = entries["kind"] == kind
        ordinal[of_kind] = _places(entries["url"][of_kind].astype(np.uint64)).place
    return ordinal


class _Places(NamedTuple):
    """Return, for each element of a sorted array, its place among equal ones and their number."""

    place: NDArray[np.int64]
    size: NDArray[np.uint64]


def _places(ordered: Hashes) -> _Places:
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    sizes = np.diff(np.r_[first, len(ordered)])
    place = np.arange(len(ordered)) - np.repeat(first, sizes)
    return _Places(place, np.repeat(sizes, sizes).astype(np.uint64))


class _SampleLimit(NamedTuple):
    """The end of the sample: keys below `key`, and captions with `key` up to `last_index`."""

    key: np.uint64
    last_index: int

    def admits(self, bucket: _Bucket) -> NDArray[np.bool_]:
        on_limit = (bucket.key == self.key) & (bucket.rows <= self.last_index)
        admitted: NDArray[np.bool_] = (bucket.key < self.key) | on_limit
        return admitted


def _sample_limit(paths: list[Path], rule: Rule) -> _SampleLimit | None:
    """Find the key at which the sample ends; None if there are not more captions than requested.

    A histogram of the first bits of keys gives the bin in which the sample ends; only the keys of
    that bin are sorted.
    """
    bins = np.zeros(1 << 16, np.int64)
    for bucket in _read_buckets(paths, rule):
        of_key = (bucket.key[bucket.kept] >> _BIN_SHIFT).astype(np.int64)
        bins += np.bincount(of_key, minlength=len(bins))
    if bins.sum() <= rule.sample:
        return None
    ends = np.cumsum(bins)
    full = int(np.searchsorted(ends, rule.sample))
    missing = rule.sample - (int(ends[full - 1]) if full else 0)
    keys: list[Hashes] = []
    indices: list[NDArray[np.int64]] = []
    for bucket in _read_buckets(paths, rule):
        inside = bucket.kept & ((bucket.key >> _BIN_SHIFT) == np.uint64(full))
        keys.append(bucket.key[inside])
        indices.append(bucket.rows[inside])
    key, index = np.concatenate(keys), np.concatenate(indices)
    last = np.lexsort((index, key))[missing - 1]
    return _SampleLimit(key[last], int(index[last]))
