"""Cuts the inside of one JSON list or object into windows that hold whole items, and decodes them.

A window ends where a cheap pattern finds `}, {` (or `}, "id": {`). Nested lists look alike, so decoding decides: the
window starts at an item, hence it decodes if and only if it ends at one. Beginnings that turned out to be nested are
remembered, so that after the first windows nearly every guess is right.
"""

import gc
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import msgspec

from instructify.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.json_recovery import Found, recover

T = TypeVar("T")

WINDOW_BYTES = 8 << 20
_MAX_ITEM_BYTES = 1 << 30
_PROVED_PREFIX_BYTES = 64 << 20
_MAX_TRIES = 32

_ENDED = re.compile(r"trailing characters \(byte (\d+)\)")
_OBJECT_CUT = re.compile(rb'\}\s*(,)\s*(\{\s*"(?:[^"\\]|\\.)*"|\{)')
_PAIR_CUT = re.compile(rb'\}\s*(,)\s*("(?:[^"\\]|\\.)*"\s*:\s*\{)')
_TEXT_CUT = re.compile(rb'"\s*(,)\s*(")')


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The items of one window: decoded at once, or, where that failed, found one by one."""

    values: Any | None = None  # list[T] or dict[str, T], as the decoder was told
    found: Sequence[Found] = ()


def read_windows(
    file: RawFile, container: object, model: type[T], *, key: str | None, window_bytes: int
) -> Iterator[Window]:
    """Decode the list (or object) at `key`, window by window; `container` is list[model] or dict[str, model]."""
    keyed = getattr(container, "__origin__", None) is dict
    try:
        handle = file.path.open("rb")
    except OSError as error:
        raise UserError(
            f"{file.name} can't be read: {error.strerror}; check {file.path}."
        ) from error
    with handle:
        source = _Source(file, handle, window_bytes)
        source.enter(key, b"{" if keyed else b"[")
        cutter = _Cutter(source, container, model, keyed)
        while not cutter.finished:
            yield cutter.next_window()


class _Source:
    """A file and the part of it that was read but not yet used."""

    def __init__(self, file: RawFile, handle: BinaryIO, window_bytes: int) -> None:
        self.file = file
        self.window_bytes = window_bytes
        self.buffer = b""
        self.at_end = False
        self._handle = handle

    def fill(self, size: int) -> None:
        """Read on until `size` bytes are at hand or the file ends."""
        parts = [self.buffer]
        missing = size - len(self.buffer)
        while missing > 0 and not self.at_end:
            part = self._handle.read(missing)
            self.at_end = not part
            parts.append(part)
            missing -= len(part)
        self.buffer = b"".join(parts)

    def enter(self, key: str | None, opening: bytes) -> None:
        """Use up everything to the opening bracket of the wanted list or object."""
        self.fill(self.window_bytes)
        self.buffer = self.buffer.removeprefix(b"\xef\xbb\xbf").lstrip()
        if key is None:
            if not self.buffer.startswith(opening):
                raise _not_as_documented(self.file, key, opening)
            self.buffer = self.buffer[1:]
            return
        names = key.split(".")
        quoted = re.escape(f'"{names[-1]}"'.encode())
        pattern = re.compile(quoted + rb"\s*:\s*" + re.escape(opening))
        passed = 0
        while True:
            for match in pattern.finditer(self.buffer):
                if passed or _stands_in(self.buffer[: match.start()], names):
                    self.buffer = self.buffer[match.end() :]
                    return
            if self.at_end:
                raise _not_as_documented(self.file, key, opening)
            if not passed and len(self.buffer) < _PROVED_PREFIX_BYTES:
                self.fill(2 * len(self.buffer))
            else:  # too much lies before it to be proved; the items will be checked one by one
                passed += max(0, len(self.buffer) - 4096)
                self.buffer = self.buffer[-4096:]
                self.fill(self.window_bytes)


def _stands_in(prefix: bytes, names: Sequence[str]) -> bool:
    """Whether `prefix` is JSON up to inside the object that should hold the last of `names`."""
    try:
        value = msgspec.json.decode(prefix + b'"":0' + b"}" * len(names))
    except (msgspec.DecodeError, RecursionError):
        return False
    for name in names[:-1]:
        if not isinstance(value, dict) or next(reversed(value), None) != name:
            return False
        value = value[name]
    return isinstance(value, dict) and "" in value


def _not_as_documented(file: RawFile, key: str | None, opening: bytes) -> UserError:
    kind = "list" if opening == b"[" else "object"
    what = f"a JSON object with the {kind} '{key}'" if key else f"a JSON {kind}"
    return UserError(f"{file.name} is not {what}, as the release documents it; fetch it again.")


class _Cutter:
    """Takes window after window off a source."""

    def __init__(self, source: _Source, container: object, model: type[Any], keyed: bool) -> None:
        self.finished = False
        self._source = source
        self._model = model
        self._keyed = keyed
        self._open, self._close = (b"{", b"}") if keyed else (b"[", b"]")
        self._typed = msgspec.json.Decoder(container)
        raw: object = dict[str, msgspec.Raw] if keyed else list[msgspec.Raw]
        self._raw = msgspec.json.Decoder(raw)
        self._pattern = _PAIR_CUT if keyed else _TEXT_CUT if model is str else _OBJECT_CUT
        self._nested: set[bytes] = set()  # beginnings that decoding showed to lie inside an item

    def next_window(self) -> Window:
        source = self._source
        size = source.window_bytes
        while True:
            source.fill(size)
            window = self._cut() or (self._rest() if source.at_end else None)
            if window is not None:
                return window
            size = 2 * len(source.buffer)
            if size > _MAX_ITEM_BYTES:
                raise UserError(
                    f"{source.file.name} holds an item of over {_MAX_ITEM_BYTES >> 21} MiB; fetch it again."
                )

    def _cut(self) -> Window | None:
        """End the window at a separator; None where no separator in the buffer can be proved."""
        buffer = self._source.buffer
        for comma, beginning in self._proposals(buffer):
            values, error = self._decode(buffer[:comma])
            if error is None:
                self._source.buffer = buffer[comma + 1 :]
                return Window(values=values)
            if "truncated" in error:
                self._nested.add(beginning)
                continue
            ended = _ENDED.search(error)
            if ended:
                return self._end(int(ended.group(1)))
            return self._recover()
        return None

    def _proposals(self, buffer: bytes) -> Iterator[tuple[int, bytes]]:
        """Separators from the end of the buffer on, as (offset of the comma, beginning of the next item)."""
        span = 1 << 14
        tries = 0
        upper = len(buffer)
        while upper > 0 and tries < _MAX_TRIES:
            lower = max(0, upper - span)
            matches = list(self._pattern.finditer(buffer, lower, min(len(buffer), upper + 512)))
            for match in reversed(matches):
                beginning = match.group(2)
                if match.start(1) < upper and beginning not in self._nested:
                    tries += 1
                    yield match.start(1), beginning
            upper, span = lower, span * 4

    def _rest(self) -> Window:
        """The file's end: the window holds the closing bracket, or the file was cut off."""
        text = self._open + self._source.buffer.rstrip()
        try:
            self._raw.decode(text)
            return self._end(len(text))
        except (msgspec.DecodeError, RecursionError) as error:
            ended = _ENDED.search(str(error))
        return self._end(int(ended.group(1))) if ended else self._recover()

    def _end(self, after_bracket: int) -> Window:
        """The closing bracket lies before `after_bracket` (counted with the opening one)."""
        inside = (self._open + self._source.buffer)[:after_bracket].rstrip()[1:-1]
        values, error = self._decode(inside)
        if error is not None:
            self._source.buffer = inside + self._close
            self._source.at_end = True
            return self._recover()
        self.finished = True
        return Window(values=values)

    def _decode(self, inside: bytes) -> tuple[Any, str | None]:
        """Decode a proposed window; the error says what is wrong with it as JSON, '' with its fields."""
        text = self._open + inside + self._close
        enabled = gc.isenabled()
        gc.disable()  # the cyclic collector would walk all new objects time and again
        try:
            return self._typed.decode(text), None
        except (msgspec.ValidationError, RecursionError):
            pass
        except msgspec.DecodeError as error:
            return None, str(error)
        finally:
            if enabled:
                gc.enable()
        try:
            self._raw.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            return None, str(error)
        return None, ""

    def _recover(self) -> Window:
        source = self._source
        text = source.buffer.decode("utf-8", "surrogateescape")
        found = recover(text, self._model, keyed=self._keyed, last=source.at_end)
        self.finished = found.ended or source.at_end
        if (
            source.at_end
            and not found.ended
            and all(one.reason is None for one in found.items[-1:])
        ):
            cut_off = "the file ends before its closing bracket"
            found.items.append(Found(reason="malformed-json", detail=cut_off))
        source.buffer = found.unread.encode("utf-8", "surrogateescape")
        if found.unread and not found.items:
            source.fill(2 * len(source.buffer) + source.window_bytes)
        return Window(found=found.items)
