"""Open, decode and name files that may come from somebody else.

A folder from a stranger may contain pipes, devices, links that lead out of it, deeply nested JSON,
and names that climb out of it. All code that reads such a folder uses these functions.
"""

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from instructify._util.errors import UserError

MAX_JSON_BYTES = 1 << 28  # a manifest of a million shards
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]

T = TypeVar("T")


class NotReadableError(ValueError):
    """Bytes that are not JSON of the wanted kind; the message says what is wrong."""


def decode_json(data: bytes | bytearray | str, kind: type[T]) -> T:
    """Decode JSON of a known kind; NotReadableError for whatever else it is, however deep."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise NotReadableError("nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise NotReadableError(str(error)) from error


def decode_values(data: bytes, *, has_paths: bool = False) -> dict[str, Any]:
    """Decode a JSON object of plain values, in which NaN may stand; else NotReadableError.

    With `has_paths` a text may hold bytes that are not UTF-8, as names of files may.
    """
    try:
        value = json.loads(data.decode("utf-8-sig"))  # of bytes it would take half a pair
        if not has_paths and b"\\u" in data:  # half of a pair has no bytes
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise NotReadableError("nested too deeply") from error
    except ValueError as error:
        raise NotReadableError(str(error)) from error
    if not isinstance(value, dict):
        raise NotReadableError("it is no object")
    return value


def check_regular(path: Path | str) -> os.stat_result:
    """Refuse what is there and no regular file: reading a pipe or a device may never end.

    Raises FileNotFoundError where nothing is there.
    """
    try:
        facts = os.stat(path)
    except ValueError as error:  # a NUL
        raise UserError(f"{str(path)!r} is no name of a file.") from error
    if not stat.S_ISREG(facts.st_mode):
        raise UserError(f"{path} is {_kind(facts.st_mode)} and should be a file; delete it.")
    return facts


def check_named(path: Path, advice: str, option: str = "") -> None:
    """Refuse a pipe, device or folder that a user names as a file: reading it may never end."""
    if path.exists() and not path.is_file():
        raise UserError(f"{option}{path} is no file; {advice}")


def read_regular(path: Path, most: int = MAX_JSON_BYTES) -> bytes:
    """Read a regular file of bounded size; OSError where that fails, FileNotFoundError included."""
    descriptor = os.open(path, _OPEN_FLAGS)
    with open(descriptor, "rb", buffering=0) as handle:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{path} is {_kind(facts.st_mode)} and should be a file; delete it.")
        if facts.st_size > most:
            raise UserError(f"{path} has {facts.st_size:,} bytes, and {most:,} are the most.")
        return handle.read(most)


def read_given(path: Path, most: int = MAX_JSON_BYTES) -> bytes:
    """Read a file that a user names, or that lies in a folder which a user names.

    A pipe is read only if its name lies below /dev, as the shell's `<(...)` does; another pipe may
    never end, nor may a device. OSError where reading fails, FileNotFoundError included.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except ValueError as error:  # a NUL
        raise UserError(f"{str(path)!r} is no name of a file.") from error
    with open(descriptor, "rb", buffering=0) as handle:
        facts = os.fstat(descriptor)
        if stat.S_ISFIFO(facts.st_mode) and str(path).startswith("/dev/"):
            os.set_blocking(descriptor, True)
        elif not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{path} is {_kind(facts.st_mode)} and should be a file.")
        data = bytearray()
        while len(data) <= most and (chunk := handle.read(1 << 20)):
            data += chunk
    if len(data) > most:
        raise UserError(f"{path} has more than {most:,} bytes, which are the most that are read.")
    return bytes(data)


def check_inside(path: Path, root: Path) -> None:
    """Refuse a path that leads out of a folder by a link; the folder itself may be one."""
    try:
        real, base = os.path.realpath(path), os.path.realpath(root)
    except ValueError as error:
        raise UserError(f"{str(path)!r} is no name of a file.") from error
    if not real.startswith(os.path.join(base, "")):
        raise UserError(
            f"{path} is or lies below a link that leads out of {root}, and such links are not "
            f"followed; copy the folder with its links resolved (`cp -rL`)."
        )


def check_links(root: Path, names: Iterable[str]) -> None:
    """Refuse links out of a folder in everything below some of its entries, before writing there.

    Other entries of the folder are the user's affair.
    """
    for name in names:
        top = root / name
        if top.is_symlink():
            check_inside(top, root)
        for folder, folders, files in os.walk(top):
            for entry in (*folders, *files):
                path = Path(folder, entry)
                if path.is_symlink():
                    check_inside(path, root)


def is_below(name: str) -> bool:
    """Tell whether a name, taken as text, leads to something below the folder it is joined to."""
    if not name or name.startswith("/") or "\0" in name or "\\" in name:
        return False
    return not {"", ".", ".."} & set(name.split("/"))


def _kind(mode: int) -> str:
    for test, what in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return what
    return "a device"
