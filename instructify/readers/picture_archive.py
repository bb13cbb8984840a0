"""Read pictures by name from zip or tar archives beside the table.

The names are read once, from the end of a zip or the headers of a tar. Nothing is unpacked to disk,
and a member is read only up to the maximum size of a picture.
"""

import hashlib
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify.readers.base import RawFile, unreadable
from instructify.readers.table_cells import Fault
from instructify.readers.tar_members import tar_members

MAX_BYTES = 1 << 28
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError)


class RowPicture(NamedTuple):
    """A picture of a row: its name below the dataset, or its bytes."""

    name: str
    data: bytes | None

    @property
    def content(self) -> str:
        """Return the identity of this picture, which does not depend on the place of the data."""
        return self.name if self.data is None else hashlib.sha256(self.data).hexdigest()


class PictureArchive:
    """An open archive of pictures."""

    def __init__(self, file: RawFile) -> None:
        self._file = file
        self._is_zip = file.path.suffix.lower() == ".zip"
        try:
            if self._is_zip:
                self._zip = zipfile.ZipFile(file.path)
                members = {
                    info.filename: info for info in self._zip.infolist() if not info.is_dir()
                }
                self._places: dict[str, object] = dict(members)
            else:
                self._handle = file.path.open("rb")
                self._places = {
                    member.name: member
                    for member in tar_members(file, self._handle)
                    if isinstance(member, tarfile.TarInfo)
                }
        except (zipfile.BadZipFile, ValueError, UnicodeDecodeError) as error:
            raise UserError(f"{file.name} is no whole archive ({error}); fetch it.") from error
        except OSError as error:
            raise unreadable(file, error) from error
        self._names = _by_plain_name(self._places)

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return self._file.name

    def has(self, name: str) -> bool:
        """Return whether there is a picture of this name."""
        return name in self._places or name in self._names

    def find(self, name: str) -> RowPicture | Fault:
        """Read a picture; a name may omit the single top folder of the archive."""
        place = self._places.get(name) or self._places.get(self._names.get(name, ""))
        if place is None:
            return Fault("picture-missing", f"no {name[:200]} in {self._file.name}")
        size = place.file_size if isinstance(place, zipfile.ZipInfo) else 0
        size = place.size if isinstance(place, tarfile.TarInfo) else size
        if size > MAX_BYTES:
            return Fault("picture-too-large", f"{name[:200]} has {size:,} bytes")
        try:
            data = self._read(place)
        except _DAMAGE as error:
            return Fault("picture-unreadable", f"{name[:200]} in {self._file.name}: {error}")
        if len(data) != size:
            return Fault("picture-truncated", f"{self._file.name} ends within {name[:200]}")
        return RowPicture("", data)

    def close(self) -> None:
        (self._zip if self._is_zip else self._handle).close()

    def _read(self, place: object) -> bytes:
        if isinstance(place, zipfile.ZipInfo):
            with self._zip.open(place) as handle:
                return handle.read(MAX_BYTES + 1)
        assert isinstance(place, tarfile.TarInfo)
        self._handle.seek(place.offset_data)
        return self._handle.read(place.size)


class PictureArchives:
    """Archives of pictures that are open; a name that several of them have is no name."""

    def __init__(self, files: Sequence[RawFile]) -> None:
        self._archives = [PictureArchive(file) for file in files]

    def find(self, name: str) -> RowPicture | Fault:
        """Read a picture from the archive that has it."""
        having = [archive for archive in self._archives if archive.has(name)]
        if len(having) == 1:
            return having[0].find(name)
        if having:
            shown = " and ".join(archive.name for archive in having[:3])
            how = "write the folder of the archive before the name"
            return Fault("bad-value", f"{name[:200]} is in {shown}; {how}")
        shown = ", ".join(archive.name for archive in self._archives[:5])
        return Fault("picture-missing", f"no {name[:200]} in {shown}")

    def close(self) -> None:
        for archive in self._archives:
            archive.close()


def _by_plain_name(names: dict[str, object]) -> dict[str, str]:
    """Map names without `./` and without a single top folder to full names."""
    plain = {posixpath.normpath(name): name for name in names}
    roots = set(_roots(plain))
    if len(roots) == 1 and all("/" in name for name in plain):
        plain |= {name.partition("/")[2]: whole for name, whole in list(plain.items())}
    return plain


def _roots(names: dict[str, str]) -> Iterator[str]:
    for name in names:
        if not name.startswith("__MACOSX/"):
            yield name.partition("/")[0]
