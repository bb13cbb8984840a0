"""Split the inside of a JSON list or object into windows of whole items, and decode them.

A window ends where a cheap pattern finds `}, {` (or `}, "id": {`). Nested lists contain the same
pattern, so decoding decides: the window starts at an item, hence it decodes if and only if it ends
at one. Beginnings that turn out to be nested are remembered, so after the first windows nearly
every guess is right.
"""

import gc
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from instructify._util.errors import UserError
from instructify.readers.base import RawFile
from instructify.readers.json_recovery import Found, recover
from instructify.readers.json_source import NOT_JSON, Source
from instructify.readers.opening import opened
from instructify.readers.spans import InDoubt, Span, SpanHandle, has_all_keys

T = TypeVar("T")

WINDOW_BYTES = 4 << 20
_MAX_ITEM_BYTES = 1 << 29
_MAX_TRIES = 32

_ENDED = re.compile(r"trailing characters \(byte (\d+)\)")
_OBJECT_CUT = re.compile(rb'\}\s*(,)\s*(\{\s*"(?:[^"\\]|\\.)*"|\{)')
_PAIR_CUT = re.compile(rb'\}\s*(,)\s*("(?:[^"\\]|\\.)*"\s*:\s*\{)')
_TEXT_CUT = re.compile(rb'"\s*(,)\s*(")')


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The items of one window, decoded at once or, if that failed, one by one."""

    values: Any | None = None  # list[T] or dict[str, T], as the decoder was told
    found: Sequence[Found] = ()


def read_windows(
    file: RawFile, container: object, model: type[T], *, key: str | None, window_bytes: int
) -> Iterator[Window]:
    """Decode the list (or object) at `key`, window by window.

    `container` is list[model] or dict[str, model]."""
    keyed = getattr(container, "__origin__", None) is dict
    if file.span is not None:
        yield from _read_span(file, file.span, container, model, key, window_bytes)
        return
    with opened(file) as raw:
        source = Source(file, raw.handle, window_bytes)
        source.enter(key, b"{" if keyed else b"[")
        cutter = _Cutter(source, container, model, keyed)
        while not cutter.finished:
            yield cutter.next_window()


def _read_span(
    file: RawFile,
    span: Span,
    container: object,
    model: type[T],
    key: str | None,
    window_bytes: int,
) -> Iterator[Window]:
    """Decode the items of a part of a file.

    Raises InDoubt if a window does not decode completely or the part does not end with an item."""
    keyed = getattr(container, "__origin__", None) is dict
    if span.is_empty:
        return
    with opened(file) as raw:
        handle = SpanHandle(raw.handle, span, b"}" if keyed else b"]")
        source = Source(file, handle, window_bytes)
        if not span.start:
            source.enter(key, b"{" if keyed else b"[")
        cutter = _Cutter(source, container, model, keyed, exact=True)
        while not cutter.finished:
            window = cutter.next_window()
            if window.values is None:
                raise InDoubt(f"{file.name} has an item that is not good", at_end=source.at_end)
            yield window
        if not span.is_last and not cutter.ended_last:
            raise InDoubt(f"the items of {file.name} end before byte {span.stop}", at_end=True)


class _Cutter:
    """Reads the windows of a source, one after another."""

    def __init__(
        self,
        source: Source,
        container: object,
        model: type[Any],
        keyed: bool,
        *,
        exact: bool = False,
    ) -> None:
        self.finished = False
        self.ended_last = False  # whether nothing follows the closing bracket
        self._exact = exact and keyed  # an id that is twice in a window is an error
        self._source = source
        self._model = model
        self._keyed = keyed
        self._open, self._close = (b"{", b"}") if keyed else (b"[", b"]")
        self._typed = msgspec.json.Decoder(container)
        raw: object = dict[str, msgspec.Raw] if keyed else list[msgspec.Raw]
        self._raw = msgspec.json.Decoder(raw)
        self._pattern = _PAIR_CUT if keyed else _TEXT_CUT if model is str else _OBJECT_CUT
        self._nested: set[bytes] = set()  # beginnings that are inside an item, as decoding showed

    def next_window(self) -> Window:
        source = self._source
        size = source.window_bytes
        while True:
            source.fill(size)
            window = self._cut() or (self._rest() if source.at_end else None)
            if window is not None:
                return window
            if len(source) > _MAX_ITEM_BYTES:
                most = f"{_MAX_ITEM_BYTES >> 20} MiB"
                raise UserError(f"{source.file.name} holds an item of over {most}; fetch it again.")
            size = 2 * len(source)

    def _cut(self) -> Window | None:
        """End the window at a separator; None if no separator in the buffer can be proved."""
        for comma, beginning in self._proposals():
            values, error = self._decode(comma)
            if error is None:
                self._source.skip(comma + 1)
                return Window(values=values)
            if "truncated" in error:
                self._nested.add(beginning)
                continue
            ended = _ENDED.search(error)
            if ended:
                return self._end(self._after_bracket(ended))
            return self._recover()
        return None

    def _proposals(self) -> Iterator[tuple[int, bytes]]:
        """Yield separators from the last to the first."""
        span = 1 << 14
        tries = 0
        upper = len(self._source)
        while upper > 0 and tries < _MAX_TRIES:
            lower = max(0, upper - span)
            for match in reversed(self._source.search(self._pattern, lower, upper + 512)):
                if match.comma < upper and match.beginning not in self._nested:
                    tries += 1
                    yield match.comma, match.beginning
            upper, span = lower, span * 4

    def _rest(self) -> Window:
        """Read the end of the file: the window has the closing bracket, or the file is cut off."""
        text = self._open + self._source.unread.rstrip()
        try:
            self._raw.decode(text)
            return self._end(len(text))
        except NOT_JSON as error:
            ended = _ENDED.search(str(error))
        return self._end(self._after_bracket(ended)) if ended else self._recover()

    def _after_bracket(self, ended: re.Match[str]) -> int:
        """Tell where the closing bracket ends, from the first byte behind it that is no white
        space: msgspec counts from 1, and both count the opening bracket."""
        return 1 + len(self._source.unread[: int(ended.group(1)) - 2].rstrip())

    def _end(self, after_bracket: int) -> Window:
        """End the window at the closing bracket, before `after_bracket` (with the opening one)."""
        source = self._source
        self.ended_last = source.at_end and len(source.unread.rstrip()) == after_bracket - 1
        inside = source.unread[: after_bracket - 1].rstrip()[:-1]
        values, error = self._decode(len(inside))
        if error is not None:
            source.unread = inside + self._close
            source.at_end = True
            return self._recover()
        self.finished = True
        return Window(values=values)

    def _decode(self, size: int) -> tuple[Any, str | None]:
        """Decode a possible window; returns its error as JSON, or '' for an error in its fields."""
        enabled = gc.isenabled()
        gc.disable()  # the garbage collector would go through all new objects again and again
        try:
            with self._source.enclosed(size, self._open, self._close) as text:
                return self._decode_text(text)
        finally:
            if enabled:
                gc.enable()

    def _decode_text(self, text: memoryview) -> tuple[Any, str | None]:
        try:
            values = self._typed.decode(text)
            if not self._exact or has_all_keys(text, self._raw.decode(text)):
                return values, None
            return None, "an id is there twice"
        except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
            pass
        except msgspec.DecodeError as error:
            return None, str(error)
        try:
            self._raw.decode(text)
        except NOT_JSON as error:
            return None, str(error)
        return None, ""

    def _recover(self) -> Window:
        source = self._source
        text = source.unread.decode("utf-8", "surrogateescape")
        recovered = recover(text, self._model, keyed=self._keyed, last=source.at_end)
        self.finished = recovered.ended or source.at_end
        if source.at_end and not recovered.ended:
            if recovered.items and recovered.items[-1].reason == "malformed-json":
                recovered.items.pop()  # the item that the end cut off
            cut_off = "the file ends before its closing bracket"
            recovered.items.append(Found(reason="cut-off", detail=cut_off))
        source.unread = recovered.unread.encode("utf-8", "surrogateescape")
        if recovered.unread and not recovered.items:
            source.fill(2 * len(source) + source.window_bytes)
        return Window(found=recovered.items)
