"""The folder of a unit: written under a private name, published whole, the first receipt wins.

A unit may be done twice at once, by two machines that know nothing of each other: each writes in a
folder that nobody else has, and the one that renames it first has done the unit for both.
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
    """Give an empty folder that no other writer has; what is left of it goes at the end."""
    folder = staging / private_name("unit")
    fresh_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_folder(
    private: Path, final: Path, receipt: Receipt, find: Callable[[], Receipt | None]
) -> Receipt:
    """Give a private folder, whose receipt is written, the name of its unit.

    Where another writer was first, its receipt is returned, if `find` says that its work is whole;
    else this work takes the place of the damaged one.
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
    """Take a damaged folder away in one step, so that nobody sees a part of it."""
    aside = damaged.with_name(private_name(damaged.name))
    try:
        os.replace(damaged, aside)
    except FileNotFoundError:
        return  # another writer was quicker
    except OSError as error:
        raise unwritable(damaged, error) from error
    shutil.rmtree(aside, ignore_errors=True)
