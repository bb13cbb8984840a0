"""Find the file of a picture key by the patterns of its family, below the folders that may hold it.

Each folder is listed once, so a key costs dictionary look-ups and no system call. Nothing outside
the roots is reached, neither by a name with `..` nor through a link. Files are not opened.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import pyarrow as pa

from instructify._util.file_names import is_text
from instructify._util.wording import counted
from instructify.catalog import Family
from instructify.pictures.keys import clean_name, split_key
from instructify.pictures.roots import Location, Roots
from instructify.pictures.sources import Problem
from instructify.pictures.tars import WebMap

_LINK_ADVICE = "is a link out of the picture folders; give the folder it leads to with --images"
_NAME_ADVICE = "leads to a name that is not UTF-8, which no index can hold; rename it"


class _Listing(NamedTuple):
    """The contents of a folder; `label` and `folder` give its real place, behind links."""

    label: str
    folder: str
    files: frozenset[str]
    odd: Mapping[str, str]  # links, folders, pipes, devices: by what they are

    def names(self) -> pa.Array:
        """Return the names of the files that an index can hold, as a column."""
        return _texts(self.files)

    def odd_names(self) -> pa.Array:
        """Return the names of what is no plain file, as far as a key can name it."""
        return _texts(self.odd)


def _texts(names: Iterable[str]) -> pa.Array:
    return pa.array([name for name in names if is_text(name)], pa.string())


class _Slot(NamedTuple):
    """One folder and file-name pattern, split around the name."""

    listing: _Listing
    before: str
    after: str


_MARK = "\0"
_Slots = Iterable[_Slot | Problem]  # a problem: the folder is there but may not be used


class Locator:
    """Finds pictures below the roots.

    Order: the folder of the release, the family's shared folders (both below the raw root), then
    the same folders and the folder itself for each further root. A Locator lists each folder once;
    make a new Locator to see new files.
    """

    def __init__(
        self, *, families: Mapping[str, Family], roots: Roots, web: WebMap | None = None
    ) -> None:
        self._families = families
        self._roots = roots
        self._web = web
        self._listings: dict[tuple[str, str], _Listing | Problem | None] = {}
        self._folded: dict[tuple[str, str], Mapping[str, str]] = {}
        self._slots: dict[tuple[str, str | None], tuple[_Slot | Problem, ...]] = {}

    def find(self, key: str, release: str | None = None) -> Location | Problem:
        """Find the file of a key that this release names."""
        family_name, name = split_key(key)
        family = self._families.get(family_name)
        if family is None:
            return Problem("picture-missing", f"no picture family '{family_name}'")
        if family.embedded and name.startswith("/") and "\0" not in name:
            return self._absolute(name)
        clean = clean_name(name)
        if clean is None:
            return Problem("path-outside-root", f"the name {name[:200]!r} is no file name")
        slots: _Slots
        if "/" in clean:
            slots = self._slots_for(family, release, clean)
        else:
            slots = self.slots_of(family, release)
        slots, tail = tuple(slots), clean.rpartition("/")[2]
        result = self._search(slots, tail)
        if isinstance(result, Location):
            return result
        packed = self._web is not None and (family.tars or family.embedded)
        member = self._web.find(clean) if self._web is not None and packed else None
        there = member or result
        if there is not None:
            return there
        missing = _missing(family, release, clean)
        alike = self.alike(slots, tail)
        return missing._replace(detail=missing.detail + alike) if alike else missing

    def alike(self, slots: _Slots, tail: str) -> str:
        """Name a file that differs from a missing one only by case or Unicode form, or return "".

        Such a file is not used in its place, since two files may differ in this way only.
        """
        for slot in slots:
            if isinstance(slot, Problem) or not slot.listing.files:
                continue
            file = slot.before + tail + slot.after
            there = self._folded_names(slot.listing).get(_folded(file))
            if there is not None:
                below = _join(slot.listing.folder, there)[:200]
                if _nfc(there) == _nfc(file):
                    how = "the same letters in another Unicode form (NFC or NFD)"
                    return f"; {below!a} has {how}, rename it"
                return f"; {below} differs by upper and lower case, rename it or mend the table"
        return ""

    def folded_names(self, listing: _Listing) -> pa.Array:
        """Return the names of a folder without case and Unicode differences, as a column."""
        return _texts(self._folded_names(listing))

    def _folded_names(self, listing: _Listing) -> Mapping[str, str]:
        known = (listing.label, listing.folder)
        if known not in self._folded:
            self._folded[known] = {_folded(file): file for file in sorted(listing.files)}
        return self._folded[known]

    def _absolute(self, name: str) -> Location | Problem:
        """Find a file by an absolute path in own data, if it is below one of the roots."""
        real = os.path.realpath(name)
        place = self._roots.place(real)
        if place is None:
            what = f"{name[:200]} lies in none of the picture folders"
            return Problem("path-outside-root", f"{what}; give a folder above it with --images")
        if not is_text(place.file):
            return Problem("picture-unreadable", f"{name[:200]} {_NAME_ADVICE}")
        if not os.path.isfile(real):
            return Problem("picture-missing", f"there is no file {name[:200]}")
        return place

    def _search(self, slots: _Slots, tail: str) -> Location | Problem | None:
        """Look for the last part of a name; if there is no file, return the first problem met."""
        problem: Problem | None = None
        for slot in slots:
            if isinstance(slot, Problem):
                problem = problem or slot
                continue
            file = slot.before + tail + slot.after
            if file in slot.listing.files:
                return Location(slot.listing.label, _join(slot.listing.folder, file))
            if file in slot.listing.odd:
                outcome = self._judge(slot.listing, file)
                if isinstance(outcome, Location):
                    return outcome
                problem = problem or outcome
        return problem

    def _judge(self, listing: _Listing, file: str) -> Location | Problem:
        """Decide about an entry that is no regular file."""
        what = listing.odd[file]
        below = _join(listing.folder, file)
        if what != "link":
            return Problem("not-a-picture", f"{below} is a {what}")
        real = os.path.realpath(self._roots.path(listing.label, below))
        place = self._roots.place(real)
        if place is None:
            return Problem("path-outside-root", f"{below} {_LINK_ADVICE}")
        if not is_text(place.file):
            return Problem("picture-unreadable", f"{below} {_NAME_ADVICE}")
        if not os.path.exists(real):
            return Problem("picture-missing", f"{below} is a link to nothing")
        if not os.path.isfile(real):
            return Problem("not-a-picture", f"{below} is a link to something else")
        return place

    def slots_of(self, family: Family, release: str | None) -> "tuple[_Slot | Problem, ...]":
        """Return the slots for any name without folders, in the order of search."""
        known = self._slots.get((family.name, release))
        if known is None:
            known = tuple(self._slots_for(family, release, ""))
            self._slots[family.name, release] = known
        return known

    def missing_text(self, family: Family, release: str | None) -> tuple[str, str]:
        """Return the text around a short name in the detail of a missing picture."""
        before, _, after = _missing(family, release, _MARK).detail.partition(_MARK)
        return before, after

    def _slots_for(
        self, family: Family, release: str | None, name: str
    ) -> Iterator[_Slot | Problem]:
        """Yield the folders that exist among those where the file of this name may lie."""
        middle = name.rpartition("/")[0]
        for label, base in _bases(self._roots, family, release):
            for pattern in family.patterns:
                folder, before, after = _split_pattern(pattern, middle)
                listing = self._listing(label, _join(base, folder))
                if isinstance(listing, Problem):
                    yield listing
                elif listing is not None:
                    yield _Slot(listing, before, after)

    def _listing(self, label: str, folder: str) -> _Listing | Problem | None:
        """List a folder once; None: there is none."""
        known = (label, folder)
        if known not in self._listings:
            self._listings[known] = self._read_listing(label, folder)
        return self._listings[known]

    def _read_listing(self, label: str, folder: str) -> _Listing | Problem | None:
        real = os.path.realpath(self._roots.path(label, folder))
        if not os.path.isdir(real):
            return None
        place = self._roots.place(real)
        if place is None:
            return Problem("path-outside-root", f"{folder} {_LINK_ADVICE}")
        if not is_text(place.file):
            return Problem("picture-unreadable", f"{folder} {_NAME_ADVICE}")
        files: list[str] = []
        odd: dict[str, str] = {}
        try:
            with os.scandir(real) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
                    else:
                        odd[entry.name] = _what(entry)
        except OSError as error:
            return Problem("picture-missing", f"{folder} can't be listed: {error.strerror}")
        return _Listing(place.root, place.file, frozenset(files), odd)


def _bases(roots: Roots, family: Family, release: str | None) -> Iterator[tuple[str, str]]:
    for root in roots:
        for folder in _folders(family, release):
            yield root.label, folder
        if root.label != "raw":
            yield root.label, ""


def _folders(family: Family, release: str | None) -> list[str]:
    return list(dict.fromkeys([*([release] if release else []), *family.folders]))


def _split_pattern(pattern: str, middle: str) -> tuple[str, str, str]:
    """Split `a/b_{name}.jpg` for a name below folder `middle` into folder, and what is around it.

    A pattern with text before a name that has folders (`x_{name}` for `a/b`) gives `x_a` and `b`.
    """
    front, _, after = pattern.partition("{name}")
    folder, _, before = front.rpartition("/")
    if middle:
        return _join(folder, before + middle), "", after
    return folder, before, after


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """Return a name in a form without case and Unicode differences."""
    return _nfc(_nfc(name).casefold())


def _missing(family: Family, release: str | None, name: str) -> Problem:
    first, num_others = family.patterns[0].replace("{name}", name), len(family.patterns) - 1
    others = f" (or {counted(num_others, 'other name')})" if num_others else ""
    folders = ", ".join(_folders(family, release))
    before = family.patterns[0].partition("{name}")[0]
    twice = ""
    if family.embedded and before and name.startswith(before):
        twice = "; the names begin with that folder already, so leave 'pictures' out of the entry"
    return Problem("picture-missing", f"no {first[:200]}{others} below {folders}{twice}")


def _join(folder: str, file: str) -> str:
    return f"{folder}/{file}" if folder and file else folder or file


def _what(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "pipe, socket or device"
