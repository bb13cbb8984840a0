"""The notes of parts: a JSON line with the receipt of each unit that is done.

Each part appends to its own file and reads the files of all parts. A line that a kill cut off is
ignored. Paths in receipts are relative to the root of the build, which each machine may have
mounted in another place, and can't lead out of it.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar, get_type_hints

import msgspec
import pyarrow as pa

from instructify import __version__
from instructify._util.outside import NotReadableError, check_regular, decode_json, is_below
from instructify._util.shards import unwritable
from instructify.build.manifest import content_key

Unit = TypeVar("Unit")
Result = TypeVar("Result")

# Another version may write other bytes, so its receipts are not used.
_VERSIONS = f"instructify {__version__}, pyarrow {pa.__version__}"


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    receipt: msgspec.Raw


class PartNotes:
    """The receipts that all parts have noted, and the file of this part."""

    def __init__(self, root: Path, folder: Path, name: str) -> None:
        self._root = root
        self._path = folder / f"{name}.jsonl"
        self._parts = folder
        self._known: dict[str, bytes] = {}
        self._read: dict[Path, int] = {}  # bytes read of each file
        self.refresh()
        self._handle: BinaryIO | None = None

    def refresh(self) -> None:
        """Read new notes; of two receipts of a unit the first counts."""
        for path in sorted(self._parts.glob("*.jsonl")):
            if path == self._path:
                continue
            check_regular(path)
            with path.open("rb") as handle:
                handle.seek(self._read.get(path, 0))
                whole, end, _ = handle.read().rpartition(b"\n")
            self._read[path] = self._read.get(path, 0) + len(whole) + len(end)
            for text in whole.splitlines():
                try:
                    line = decode_json(text, _Line)
                except NotReadableError:
                    continue
                self._known.setdefault(line.key, bytes(line.receipt))

    def find(self, function: Callable[[Unit], Result], unit: Unit) -> Result | None:
        """Return the receipt of a unit, if any part noted it."""
        raw = self._known.get(self._key(function, unit))
        if raw is None:
            return None
        kind = get_type_hints(function)["return"]
        try:
            value: Result = msgspec.json.decode(raw, type=kind, dec_hook=self._path_of)
        except msgspec.DecodeError:
            return None
        return value

    def add(self, function: Callable[[Unit], Result], unit: Unit, receipt: Result) -> None:
        """Note that a unit is done; the note is synced when this returns."""
        value = msgspec.json.encode(receipt, enc_hook=self._text_of)
        line = _Line(key=self._key(function, unit), receipt=msgspec.Raw(value))
        self._known.setdefault(line.key, value)
        try:
            if self._handle is None:
                self._handle = self._path.open("xb")
            self._handle.write(msgspec.json.encode(line) + b"\n")
            self._handle.flush()
            os.fsync(self._handle.fileno())
        except OSError as error:
            raise unwritable(self._path, error) from error

    def _key(self, function: Callable[[Unit], Result], unit: Unit) -> str:
        """Return the key of a unit, or a hash of all its fields."""
        value = getattr(unit, "key", None)
        if not isinstance(value, str):
            value = msgspec.to_builtins(unit, enc_hook=self._text_of, order="deterministic")
        return content_key(f"{_VERSIONS} {function.__module__}.{function.__qualname__}", value)

    def _text_of(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        if not isinstance(value, Path):
            raise NotImplementedError(type(value))
        below = value.is_relative_to(self._root)
        text = os.fsencode(value.relative_to(self._root) if below else value).decode("latin-1")
        return f"./{text}" if below else text

    def _path_of(self, kind: type, value: Any) -> Any:
        is_ours = kind is Path and isinstance(value, str) and value.startswith("./")
        if not is_ours or not is_below(value[2:]):
            raise ValueError("not a path below the build")
        return self._root / os.fsdecode(value[2:].encode("latin-1"))

    def __enter__(self) -> "PartNotes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.close()
