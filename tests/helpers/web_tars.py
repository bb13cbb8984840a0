"""Tars and samples as img2dataset writes them, for made-up urls."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

Members = Sequence[tuple[str, bytes]]


def url(number: int) -> str:
    return f"https://example.org/{number}.jpg?size=2,(x)"


def members(*numbers: int) -> list[tuple[str, bytes]]:
    """Make what img2dataset writes for these pictures; numbers have gaps and are in no order."""
    found: list[tuple[str, bytes]] = []
    for number in numbers:
        note = {"url": url(number), "caption": "x", "exif": "{}", "status": "success"}
        found += [
            (f"{number:09}.jpg", f"picture {number}".encode()),
            (f"{number:09}.txt", b"a caption"),
            (f"{number:09}.json", json.dumps(note).encode()),
        ]
    return found


def write_tar(path: Path, content: Members, tar_format: int = tarfile.USTAR_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tar_format) as tar:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
