"""The folder of an export: whole at its name or not there, and never over somebody's other files.

An export is made beside its place, in `.<name>.export`, and renamed at the end. What a killed run
left there is thrown away by the next. A folder that is an export already is replaced only if
asked to, and only if nothing else was put into it.
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
    """What lies at the place of an export already; None: nothing."""

    receipt: Receipt | None


def standing_of(out: Path, build: Path) -> Standing:
    """Look at the place that an export shall have, and refuse one that is not to be written to."""
    _check_apart(out, build)
    _put_back(out)
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"{out} is no folder; choose another --out.")
    if not out.exists() or is_empty(out):
        return Standing(None)
    if (out / MANIFEST).exists():
        raise UserError(f"{out} is a build, and no export goes over it; choose another --out.")
    receipt = read_receipt(out / RECEIPT)
    if receipt is None:
        raise UserError(
            f"{out} has files in it and is no export, so nothing is written there; "
            "choose another --out, or empty it."
        )
    return Standing(receipt)


def check_replaceable(out: Path, receipt: Receipt) -> None:
    """Refuse to delete an export that holds files which are not its own."""
    own = {*receipt.entries, RECEIPT}
    foreign = sorted(
        path.name for path in out.iterdir() if path.name not in own and not is_stray(path.name)
    )
    if foreign:
        raise UserError(
            f"{out} is an export with something else in it ({foreign[0]}), and --overwrite would "
            "delete that; move it away, or choose another --out."
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Give a folder to write into; it becomes `out` when the block ends without an error."""
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
    """Rename; a former export stands aside until the new one is there."""
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
    """Undo what a run left that was killed between the two renames, or after them."""
    former = _beside(out, "former")
    if not former.is_dir():
        return
    if out.exists():
        shutil.rmtree(former, ignore_errors=True)
    else:
        os.replace(former, out)


def _beside(out: Path, kind: str) -> Path:
    whole = out.absolute()
    return whole.with_name(f".{whole.name}.{kind}")


def _check_apart(out: Path, build: Path) -> None:
    here, there = real_path(out), real_path(build)
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UserError(f"{out} and the build {build} lie in one another; choose another --out.")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        fresh_folder(path)
        path.rmdir()
    else:
        path.unlink()
