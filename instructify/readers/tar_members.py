"""Read the members of a tar with the standard library, and report damage that it ignores.

A tar without an end mark is cut off; a header that points backwards ends the reading.
"""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.table_cells import Fault

_BLOCK = 512


def tar_members(file: RawFile, handle: BinaryIO) -> Iterator[tarfile.TarInfo | Fault]:
    """Yield the regular files of a tar, in order; a fault comes last."""
    end = 0
    try:
        with tarfile.open(fileobj=handle, mode="r:", errorlevel=1) as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                if member.size < 0 or member.offset_data < end:
                    yield Fault("bad-value", "a header of the tar leads backwards")
                    return
                end = member.offset_data + (member.size + _BLOCK - 1) // _BLOCK * _BLOCK
                if member.isreg() and not member.issparse():
                    yield member
    except tarfile.ReadError as error:
        if not end:
            raise UserError(f"{file.name} is no tar ({error}); fetch it again.") from error
        yield Fault("cut-off", f"the tar is damaged ({error})")
        return
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        yield Fault("cut-off", f"the tar is damaged ({error})")
        return
    handle.seek(end)
    if len(mark := handle.read(_BLOCK)) < _BLOCK or any(mark):
        yield Fault("cut-off", "the tar ends before its end mark")
