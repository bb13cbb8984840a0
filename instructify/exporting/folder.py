"""The folder of an export: complete or not there, and never in place of other files.

An export is written beside its target, in `.<name>.export`, and renamed at the end. The next run
deletes what a killed run left there. An existing export is replaced only with --overwrite, and only
if it holds no other files.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from instructify._util.errors import UserError
from instructify._util.file_names import is_empty, is_stray, real_path
from instructify._util.shards import fresh_folder, make_folder, unwritable
from instructify.build import MANIFEST, write_lock
from instructify.exporting.receipt import RECEIPT, Receipt, read_receipt

LOCK = ".lock"


class Standing(NamedTuple):
    """The receipt of the export that exists at a path; None if there is none."""

    receipt: Receipt | None


def standing_of(out: Path, build: Path) -> Standing:
    """Check the target of an export.

    Raises:
        UserError: the target may not be written to, such as a build or a folder of other files.
    """
    _check_apart(out, build)
    _put_back(out)
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"{out} is not a folder; choose another --out.")
    if not out.exists() or is_empty(out):
        return Standing(None)
    if (out / MANIFEST).exists():
        raise UserError(f"{out} is a build, which no export replaces; choose another --out.")
    receipt = read_receipt(out / RECEIPT)
    if receipt is None:
        raise UserError(
            f"{out} has files in it and is not an export, so nothing is written there; "
            "choose another --out, or empty it."
        )
    return Standing(receipt)


def check_replaceable(out: Path, receipt: Receipt) -> None:
    """Raise UserError if an export to replace also holds other files, which would be deleted."""
    expected = {*receipt.entries, RECEIPT}
    foreign = sorted(
        path.name for path in out.iterdir() if path.name not in expected and not is_stray(path.name)
    )
    if foreign:
        raise UserError(
            f"{out} is an export with another file in it ({foreign[0]}), and --overwrite would "
            "delete that; move it away, or choose another --out."
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Yield a folder to write into; it becomes `out` when the block ends without an error."""
    place = _beside(out, "export")
    make_folder(out.absolute().parent)
    with write_lock(place / LOCK):
        for path in place.iterdir():
            if path.name != LOCK:
                _remove(path)
        try:
            yield place
            _put_in_place(place, out)
        except BaseException as error:
            shutil.rmtree(place, ignore_errors=True)
            if isinstance(error, OSError) and error.filename is None:
                raise unwritable(out, error) from error  # a write to a file that was open
            raise


def _put_in_place(place: Path, out: Path) -> None:
    """Rename the folder to `out`; an existing export is moved aside first, and deleted last."""
    former = _beside(out, "former")
    try:
        (place / LOCK).unlink()
        if out.exists() and any(out.iterdir()):
            shutil.rmtree(former, ignore_errors=True)
            os.replace(out, former)
        os.replace(place, out)
    except OSError as error:
        raise unwritable(out, error) from error
    shutil.rmtree(former, ignore_errors=True)


def _put_back(out: Path) -> None:
    """Clean up after a run that was killed between the two renames, or after them."""
    former = _beside(out, "former")
    if not former.is_dir():
        return
    if out.exists():
        shutil.rmtree(former, ignore_errors=True)
    else:
        os.replace(former, out)


def pieces_beside(out: Path) -> Path:
    """Return the folder of the pieces of an export that several processes write."""
    return _beside(out, "pieces")


def _beside(out: Path, kind: str) -> Path:
    whole = out.absolute()
    return whole.with_name(f".{whole.name}.{kind}")


def _check_apart(out: Path, build: Path) -> None:
    here, there = real_path(out), real_path(build)
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UserError(f"{out} and the build {build} are inside each other; choose another --out.")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        fresh_folder(path)
        path.rmdir()
    else:
        path.unlink()
