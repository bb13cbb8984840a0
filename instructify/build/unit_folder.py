"""Write the folder of a unit under a private name and publish it whole; the first receipt wins.

Two machines may run the same unit at once without knowing of each other. Each writes to its own
folder, and the result of the one that renames its folder first is used by both.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from instructify._util.errors import UserError
from instructify._util.shards import fresh_folder, private_name, unwritable

Receipt = TypeVar("Receipt")
_TRIES = 5


@contextmanager
def private_folder(staging: Path) -> Iterator[Path]:
    """Make an empty folder for this writer alone; it is removed at the end if it is still there."""
    folder = staging / private_name("unit")
    fresh_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_folder(
    private: Path, final: Path, receipt: Receipt, find: Callable[[], Receipt | None]
) -> Receipt:
    """Rename a private folder, whose receipt is written, to the name of its unit.

    If another writer was first and `find` reports a complete result, its receipt is returned. A
    damaged result is replaced by this one.
    """
    for _ in range(_TRIES):
        try:
            os.replace(private, final)
            return receipt
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise unwritable(final, error) from error
        done = find()
        if done is not None:
            return done
        _put_aside(final)
    raise UserError(f"{final} is written and removed by others time and again; run it again.")


def _put_aside(damaged: Path) -> None:
    """Move a damaged folder away in one step, so that no process sees a part of it."""
    aside = damaged.with_name(private_name(damaged.name))
    try:
        os.replace(damaged, aside)
    except FileNotFoundError:
        return  # another writer was faster
    except OSError as error:
        raise unwritable(damaged, error) from error
    shutil.rmtree(aside, ignore_errors=True)
