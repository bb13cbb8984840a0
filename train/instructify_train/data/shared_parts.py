"""Make the windows of steps in one process and share them with all loader processes.

The steps of a window are made by different loader processes. If each drew and tokenised the whole
window itself, sixteen processes would do that work sixteen times. Instead one process makes each
window, one window in advance, and sends it to every loader process that requests it.
"""

import select
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from instructify_train.data import parcel

_REQUEST = struct.Struct("<q")


@runtime_checkable
class SharesParts(Protocol):
    """A source that makes items from larger parts, which several processes can share."""

    def make_part(self, number: int, /) -> Any:
        """Make a part; equal numbers give equal parts in every process."""

    def take_parts_from(self, ask: "Callable[[int], Any]", /) -> None:
        """Request parts with `ask` from now on; make a part here only if `ask` returns None."""


def serve_parts(make: Callable[[int], Any], channels: Sequence[socket.socket]) -> None:
    """Answer requests for parts until all loader processes have ended; make the next when idle."""
    at = dict.fromkeys(channels, -1)  # the part that each loader process requested last
    parts: dict[int, Any] = {}
    while at:
        ahead = max(at.values()) + 1
        idle = ahead > 0 and ahead not in parts
        ready, _, _ = select.select(list(at), [], [], 0 if idle else None)
        if not ready:
            parts[ahead] = _made(make, ahead)
        for channel in ready:
            number = _request(channel)
            if number is None:
                del at[channel]
                continue
            if number not in parts:
                parts[number] = _made(make, number)
            at[channel] = number
            try:
                parcel.send(channel, parts[number])
            except OSError:  # the loader has ended, or memory is short: it then makes parts itself
                channel.close()
                del at[channel]
        # Parts are requested in order, and loader processes are only a few items apart.
        oldest = min(at.values(), default=0)
        parts = {number: part for number, part in parts.items() if number >= oldest}


def asking(channel: socket.socket) -> Callable[[int], Any]:
    """Return the function with which a loader process requests a part, or None."""

    def ask(number: int) -> Any:
        try:
            channel.sendall(_REQUEST.pack(number))
            return parcel.receive(channel)
        except (OSError, EOFError):  # the process has ended, which the trainer notices and reports
            return None

    return ask


def _request(channel: socket.socket) -> int | None:
    try:
        data = channel.recv(_REQUEST.size, socket.MSG_WAITALL)
    except ConnectionResetError:
        return None
    if len(data) < _REQUEST.size:
        return None
    (number,) = _REQUEST.unpack(data)
    return int(number)


def _made(make: Callable[[int], Any], number: int) -> Any:
    """Make a part; on failure return None, so that each loader process makes it and reports it."""
    try:
        return make(number)
    except Exception:
        return None
