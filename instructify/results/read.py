"""Results of evaluations, read from their folders: `OUT/<protocol>/result.json`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instructify._util.errors import UserError
from instructify._util.outside import NotReadableError, decode_values, read_regular

RESULT = "result.json"
RESULT_FORMAT = 1


def read_results(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the results of a folder or of the folders in it; UserError if there are none."""
    for result_folder in result_folders(folder):
        yield read_result(result_folder / RESULT)


def result_folders(folder: Path) -> list[Path]:
    """Return the folders of single results, in the order in which they are read."""
    if (folder / RESULT).is_file():
        return [folder]
    folders = [path.parent for path in sorted(folder.glob(f"*/{RESULT}"))]
    if not folders:
        raise UserError(
            f"{folder} holds no finished evaluation; make one with `instructify eval ... --out DIR`"
        )
    return folders


def read_result(path: Path) -> dict[str, Any]:
    """Read one result, or the request of one.

    Raises:
        UserError: the file is damaged or has another format.
    """
    try:
        value = decode_values(read_regular(path))
    except (OSError, NotReadableError) as error:
        raise UserError(f"{path} is damaged; evaluate again into another --out") from error
    if value.get("format") != RESULT_FORMAT:
        raise UserError(
            f"{path} has format {value.get('format')} and this version of instructify reads "
            f"{RESULT_FORMAT}; evaluate again, or use the version that wrote it"
        )
    return value
