"""Stream the items of a JSON list, of a JSON object keyed by id, or of JSON lines.

Files may have tens of gigabytes, so they are read in windows, in bounded memory. A window has to
end between two items and should be parsed only once: a cheap pattern finds a possible end, and
decoding proves it, since a window that starts at an item and decodes completely also ends at one.
If typed decoding fails, the window is read again, item by item, by a tolerant parser: bad items
become rejects with their positions, and the others are kept.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from instructify._util.errors import UserError
from instructify.readers.base import CHUNK_ROWS, Chunk, RawFile, RecordRows
from instructify.readers.json_recovery import Found, recover, to_model
from instructify.readers.json_source import BYTE_ORDER_MARK, NOT_JSON
from instructify.readers.json_windows import WINDOW_BYTES, Window, read_windows
from instructify.readers.opening import opened
from instructify.readers.text_lines import raw_lines
from instructify.rejects import Reject

T = TypeVar("T")


class Items(NamedTuple, Generic[T]):
    """Consecutive good items, their 0-based positions in the file, and rejects among them."""

    items: Sequence[T]
    positions: Sequence[int]
    rejects: Sequence[Reject]


def read_list(
    file: RawFile, model: type[T], *, key: str | None = None, window_bytes: int = WINDOW_BYTES
) -> Iterator[Items[T]]:
    """Stream the items of the list at the top level of a file, or at `key`.

    Dots in `key` descend into objects."""
    container: object = list[model]  # type: ignore[valid-type]
    position = 0 if file.span is None else file.span.first
    for window in read_windows(file, container, model, key=key, window_bytes=window_bytes):
        items = _list_items(file, model, window, position)
        position += len(items.items) + len(items.rejects)
        yield items
    if file.span is not None:
        file.span.num_items = position - file.span.first


def read_mapping(
    file: RawFile, model: type[T], *, key: str | None = None, window_bytes: int = WINDOW_BYTES
) -> Iterator[Items[tuple[str, T]]]:
    """Stream the (id, item) pairs of an object keyed by id.

    If an id comes twice in succession, the last item counts."""
    container: object = dict[str, model]  # type: ignore[valid-type]
    position = 0 if file.span is None else file.span.first
    for window in read_windows(file, container, model, key=key, window_bytes=window_bytes):
        items = _mapping_items(file, model, window, position)
        position += len(items.items) + len(items.rejects)
        yield items
    if file.span is not None:
        file.span.num_items = position - file.span.first


def read_lines(file: RawFile, model: type[T]) -> Iterator[Items[T]]:
    """Stream the items of a file with a JSON object in each line.

    Positions are 0-based line numbers."""
    decoder = msgspec.json.Decoder(model)
    batch: list[tuple[int, T | Reject]] = []
    for position, line in raw_lines(file):
        if isinstance(line, Reject):
            batch.append((position, line))
            continue
        if line.isspace():
            continue
        try:
            batch.append((position, decoder.decode(line)))
        except NOT_JSON:
            batch.append((position, _recovered_line(file, model, line, position)))
        if len(batch) >= CHUNK_ROWS:
            yield _sorted_out(batch)
            batch = []
    if batch:
        yield _sorted_out(batch)


def collect(
    rows: RecordRows, batches: Iterable[Items[T]], add: Callable[[int, T], None]
) -> Iterator[Chunk]:
    """Call `add`, which fills `rows`, with position and item of all good items; yields chunks."""
    for batch in batches:
        rows.extend_rejects(batch.rejects)
        for position, item in zip(batch.positions, batch.items, strict=True):
            add(position, item)
            if rows.full:
                yield rows.take()
    yield rows.take()


def read_value(file: RawFile, model: type[T], *, key: str | None = None) -> T:
    """Decode a whole file; raises UserError if it is not as the release documents it."""
    with opened(file) as raw:
        data = raw.handle.read().removeprefix(BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(data, type=model)
    except NOT_JSON as error:
        cut = raw.cut_off or "truncated" in str(error)
        what = (
            "ends in the middle" if cut else f"is not the file that the release documents ({error})"
        )
        raise UserError(f"{file.name} {what}; fetch it again.") from error


def _list_items(file: RawFile, model: type[T], window: Window, start: int) -> Items[T]:
    if window.values is not None:
        values: list[T] = window.values
        return Items(values, range(start, start + len(values)), ())
    checked = _checked(file, model, window.found, start)
    return _sorted_out([(position, item) for position, _, item in checked])


def _mapping_items(
    file: RawFile, model: type[T], window: Window, start: int
) -> Items[tuple[str, T]]:
    if window.values is not None:
        pairs: list[tuple[str, T]] = list(window.values.items())
        return Items(pairs, range(start, start + len(pairs)), ())
    checked = _checked(file, model, window.found, start)
    return _sorted_out(
        [
            (position, item if isinstance(item, Reject) else (key, item))
            for position, key, item in checked
        ]
    )


def _checked(
    file: RawFile, model: type[T], recovered: Sequence[Found], start: int
) -> list[tuple[int, str, T | Reject]]:
    result: list[tuple[int, str, T | Reject]] = []
    for position, item_text in enumerate(recovered, start):
        if item_text.reason is None:
            item = to_model(item_text.value, model, file.name, position)
        else:
            item = Reject(file.name, position, None, item_text.reason, item_text.detail)
        if item_text.key is not None and not item_text.key.isprintable():
            item = Reject(file.name, position, None, "bad-value", "the id is not printable")
        result.append((position, item_text.key or "", item))
    return result


def _sorted_out(batch: Sequence[tuple[int, T | Reject]]) -> Items[T]:
    good = [(position, item) for position, item in batch if not isinstance(item, Reject)]
    return Items(
        [item for _, item in good],
        [position for position, _ in good],
        [item for _, item in batch if isinstance(item, Reject)],
    )


def _recovered_line(file: RawFile, model: type[T], line: bytes, position: int) -> T | Reject:
    text = line.decode("utf-8", "surrogateescape").strip()
    recovered = recover(text, model, keyed=False, last=True).items
    is_last = not line.endswith(b"\n")
    if is_last and (len(recovered) != 1 or recovered[0].reason == "malformed-json"):
        return Reject(file.name, position, None, "cut-off", "the file ends within this line")
    if len(recovered) != 1:
        return Reject(
            file.name, position, None, "malformed-json", "the line is not one JSON object"
        )
    return _checked(file, model, recovered, position)[0][2]
