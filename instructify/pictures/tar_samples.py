"""Assign the pictures of a tar to their urls: the members of a sample are adjacent.

A tar may hold several runs of img2dataset, each of which counts from 000000000, so a name alone
does not identify a sample. Consecutive members with the same key form a row, and a row is cut into
samples where a name is repeated. If a row can be cut in two ways, none of its pictures is used.
Members that are not adjacent are combined only in a tar that keeps no sample together and has each
name once. The rest of a run's last sample and the rest of the next run's first sample may look
like one sample. Therefore, in a tar with several runs and missing members, two kinds of pictures
are not used: those at a place where two runs may meet, and those whose JSON is on the other side
than in most samples. A tar without signs of a second run or of a gap can't be distinguished from a
complete one.
"""

import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import pyarrow as pa

from instructify._util.file_names import is_stray
from instructify._util.shards import map_file
from instructify._util.terminal import visible
from instructify._util.wording import counted
from instructify.pictures.tar_headers import (
    Member,
    MemberKind,
    TarDamage,
    TarWindow,
    tar_members,
)
from instructify.pictures.tar_runs import Unit, units_at_seams

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
MAX_NOTE_BYTES = 1 << 20
_MAX_PICTURE_BYTES = 1 << 31
_RARE = 20  # a shape that fewer than one of so many samples have is suspect
_SHOWN_FAULTS = 3
_SHOWN_CHARS = 60


T = TypeVar("T")


class _Note(msgspec.Struct):
    """The part that we use of the JSON file beside a picture."""

    url: str | None = None


class Span(NamedTuple):
    """Where a picture lies in a tar."""

    offset: int
    size_bytes: int


class _Item(NamedTuple):
    """A picture or another file of a sample."""

    name: str
    stem: str
    span: Span | None  # of pictures
    is_note: bool
    url: str | None

    @property
    def counts(self) -> bool:
        """Whether it is a picture or the JSON of one."""
        return self.is_note or self.span is not None


class _Whole(NamedTuple):
    """A picture with the JSON beside it."""

    stem: str
    url: str | None
    span: Span
    shape: frozenset[str]  # the suffixes of its members
    note_first: bool  # its JSON lies before its picture
    unit: int


class Faults:
    """Counts what can't be used in a tar or folder, and keeps sentences for the first few."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._count = 0

    def add(self, key: str, sentence: str) -> None:
        self._count += 1
        if self._count <= _SHOWN_FAULTS:
            self._sentences.append(f"key {visible(key[:_SHOWN_CHARS])}: {sentence}")

    def summary(self, name: str, damage: str | None = None) -> str | None:
        """Return one line about the file of this name; None if there are no faults."""
        parts = [f"can't be read to its end: {damage}"] if damage else []
        parts += self._sentences
        if self._count > len(self._sentences):
            parts.append(f"and {counted(self._count - len(self._sentences), 'more such key')}")
        return f"{visible(name)} {'; '.join(parts)}" if parts else None


class _Tar:
    """Collects the samples of one tar while its members pass by."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._row: list[_Item] = []
        self._row_key: str | None = None
        self.urls: dict[str, Span] = {}  # url => the first picture that has it
        self.lone_pictures: list[tuple[str, Span]] = []
        self.lone_urls: dict[str, str | None] = {}  # stem => url of a note without a picture
        self._whole: list[_Whole] = []
        self.is_joined = False
        self.archive = 0
        self._units: list[Unit] = []
        self._is_cut = True  # every row could be cut into samples
        self._last = ""
        self._names: set[str] = set()  # of all rows that ended

    def add(self, item: _Item) -> None:
        folder, _, base = item.name.rpartition("/")
        key = f"{folder}/{base.partition('.')[0]}"
        if key != self._row_key:
            self.end_row()
            self._row_key = key
        self._row.append(item)
        self._last = item.name

    @property
    def last(self) -> str:
        """The name of the last member, for people."""
        return visible(self._last[-_SHOWN_CHARS:])

    def end_row(self) -> None:
        """Cut the row of members with one key into samples."""
        row, self._row, self._row_key = self._row, [], None
        if not row:
            return
        names = {item.name for item in row}
        self.is_joined = self.is_joined or not names.isdisjoint(self._names)
        self._names |= names
        samples = _cut(row)
        self.is_joined = self.is_joined or len(samples) != 1
        for sample in samples:
            self._end_sample(sample)
        if not samples:
            self._is_cut = False
            self._faults.add(row[0].stem, "its members are met again in more than one order")

    @property
    def num_whole(self) -> int:
        """How many pictures have their JSON beside them."""
        return len(self._whole)

    def settle(self) -> None:
        """Give the pictures their urls, after the last row.

        A run writes the same members of each sample. Where several runs meet, a sample with members
        that hardly another has may be what is left of two.
        """
        shapes = _usual(Counter(whole.shape for whole in self._whole), False)
        orders = _usual(Counter(whole.note_first for whole in self._whole), self.is_joined)
        odd = any(whole.shape not in shapes for whole in self._whole)
        has_gaps = bool(odd or self.lone_pictures or self.lone_urls or not self._is_cut)
        seams = units_at_seams(self._units) if self.is_joined and has_gaps else set()
        for whole in self._whole:
            if self.is_joined and whole.shape not in shapes:
                self._faults.add(whole.stem, "its members are not those of other samples")
            elif whole.note_first not in orders:
                self._faults.add(whole.stem, "its JSON lies on the other side of its picture")
            elif whole.unit in seams:
                self._faults.add(whole.stem, "its picture and JSON may be of two runs")
            elif whole.url is not None:
                self.urls.setdefault(whole.url, whole.span)

    def _end_sample(self, sample: Sequence[_Item]) -> None:
        names = tuple(item.name for item in sample)
        self._units.append(Unit(sample[0].stem, names, self.archive))
        for stem in dict.fromkeys(item.stem for item in sample):
            pictures = [i.span for i in sample if i.stem == stem and i.span is not None]
            notes = [i for i in sample if i.stem == stem and i.is_note]
            if len(pictures) > 1:
                self._faults.add(stem, f"{len(pictures)} pictures, so none of them is used")
            elif pictures and notes:
                shape = frozenset(item.name.removeprefix(stem) for item in sample)
                note_first = next(i.is_note for i in sample if i.stem == stem and i.counts)
                unit = len(self._units) - 1
                self._whole.append(_Whole(stem, notes[0].url, pictures[0], shape, note_first, unit))
            elif pictures:
                self.lone_pictures.append((stem, pictures[0]))
            elif notes:
                self.lone_urls[stem] = notes[0].url


def scan_tar(path: Path) -> tuple[dict[str, Span], str | None]:
    """Find the pictures of a tar by url.

    Returns:
        Where the picture of each url lies, and a line that says what can't be used, if anything.
    """
    faults = Faults()
    tar = _Tar(faults)
    damage: str | None = None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for item in _items(TarWindow(descriptor), tar, faults):
                tar.add(item)
        finally:
            os.close(descriptor)
    except TarDamage as error:
        damage = str(error) + (f" (behind {tar.last})" if tar.last else "")
    except OSError as error:
        damage = error.strerror or type(error).__name__
    tar.end_row()
    tar.settle()
    _join_apart(tar, faults, path)
    return tar.urls, faults.summary(path.name, damage)


def note_url(stem: str, data: bytes, faults: Faults) -> str | None:
    """Return the url in a JSON file; a picture whose JSON has none is not used."""
    try:
        note = msgspec.json.decode(data, type=_Note)
    except (msgspec.MsgspecError, RecursionError):
        faults.add(stem, "its JSON can't be read")
        return None
    return note.url or None


def table_urls(path: Path) -> dict[str, str]:
    """Read the table that img2dataset puts beside a tar: the url of each key that it fetched.

    Raises:
        TarDamage: The table can't be read.
    """
    import pyarrow.parquet as pq  # slow to import

    try:
        columns = [
            name
            for name in ("key", "url", "status")
            if name in pq.read_schema(map_file(path)).names
        ]
        table = pq.read_table(map_file(path), columns=columns)
        rows = table.select(["key", "url"]).to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise TarDamage(f"{path.name} beside it can't be read: {error}") from error
    states = table["status"].to_pylist() if "status" in columns else ["success"] * len(rows)
    urls: dict[str, str] = {}
    twice: set[str] = set()
    for row, state in zip(rows, states, strict=True):
        key, url = str(row["key"] or ""), str(row["url"] or "")
        if key and url and state == "success" and urls.setdefault(key, url) != url:
            twice.add(key)
    return {key: url for key, url in urls.items() if key not in twice}


def _items(window: TarWindow, tar: _Tar, faults: Faults) -> Iterator[_Item]:
    """Yield the members that count for samples, with the urls of the JSON files among them."""
    files: dict[str, Span | None] = {}  # pictures and notes of this archive; None: met again
    archive = 0
    for member in tar_members(window):
        if member.archive != archive:
            archive, tar.is_joined = member.archive, True
            files.clear()
            tar.end_row()
            tar.archive = archive
        name = member.name.removeprefix("./")
        stem, suffix = os.path.splitext(name)
        is_picture, is_note = suffix.lower() in PICTURE_SUFFIXES, suffix == ".json"
        if member.kind is MemberKind.FOLDER or is_stray(posixpath.basename(name)):
            continue
        if not is_picture and not is_note:
            yield _Item(name, stem, None, False, None)
            continue
        span = _span(member, stem, files, faults)
        if member.kind is MemberKind.FILE:
            files[name] = None if name in files else span
        if span is None or is_picture:
            yield _Item(name, stem, span, is_note, None)
        elif span.size_bytes > MAX_NOTE_BYTES:
            faults.add(stem, f"its JSON has {span.size_bytes:,} bytes")
            yield _Item(name, stem, None, True, None)
        else:
            data = window.read(span.offset, span.size_bytes)
            yield _Item(name, stem, None, True, note_url(stem, data, faults))


def _span(member: Member, stem: str, files: dict[str, Span | None], faults: Faults) -> Span | None:
    """Say where the bytes of a picture or note lie, or add a fault."""
    if member.kind is MemberKind.FILE:
        span: Span | None = Span(member.offset, member.size_bytes)
    elif member.kind is MemberKind.HARD_LINK:
        span = files.get(member.target.removeprefix("./"))
    else:
        span = None
    if span is None:
        faults.add(stem, f"{visible(posixpath.basename(member.name))} is {member.kind.value}")
    elif span.size_bytes >= _MAX_PICTURE_BYTES:
        faults.add(stem, f"it has {span.size_bytes:,} bytes")
        return None
    return span


def _usual(counts: Counter[T], most_only: bool) -> set[T]:
    """Keep the values that most have; unless `most_only`, also those of at least one in twenty."""
    most, total = max(counts.values(), default=0), counts.total()
    return {
        what
        for what, count in counts.items()
        if count == most or (not most_only and count > 1 and count * _RARE >= total)
    }


def _cut(row: Sequence[_Item]) -> list[list[_Item]]:
    """Cut a row where names are met again; an empty list if that can be done in two ways."""
    if len({item.name for item in row}) == len(row):
        return [list(row)]
    most = max(sum(other.name == item.name for other in row) for item in row)
    forwards = _greedy(row)
    backwards = [sample[::-1] for sample in _greedy(row[::-1])][::-1]
    return forwards if forwards == backwards and len(forwards) == most else []


def _greedy(row: Sequence[_Item]) -> list[list[_Item]]:
    samples: list[list[_Item]] = []
    names: set[str] = set()
    for item in row:
        if not samples or item.name in names:
            samples.append([])
            names = set()
        samples[-1].append(item)
        names.add(item.name)
    return samples


def _join_apart(tar: _Tar, faults: Faults, path: Path) -> None:
    """Assign urls to pictures without a neighbouring JSON, where only one picture fits."""
    if not tar.lone_pictures:
        return
    table = path.with_suffix(".parquet")
    urls: dict[str, str] = {}
    if not tar.is_joined and table.is_file():
        try:
            urls = table_urls(table)
        except TarDamage as error:
            faults.add(tar.lone_pictures[0][0], str(error))
    for stem, span in tar.lone_pictures:
        if stem in tar.lone_urls and (tar.num_whole or tar.is_joined):
            faults.add(stem, "its JSON does not lie beside its picture")
            continue
        url = tar.lone_urls[stem] if stem in tar.lone_urls else urls.get(stem)
        if url is not None:
            tar.urls.setdefault(url, span)
        elif tar.is_joined:
            faults.add(stem, "it has no JSON, and the tar holds more than one run")
