"""A process that makes once what several loader processes need: the windows of steps.

Steps of a window go to different loader processes. Each would draw and tokenise the whole window
for its own steps, so that sixteen of them tokenise everything sixteen times. Instead one process
makes each window, the next one ahead, and sends it to each loader that asks for it.
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
    """A source whose items are made from larger parts, which several processes can share."""

    def make_part(self, number: int, /) -> Any:
        """Make a part; equal numbers give equal parts, in whichever process."""

    def take_parts_from(self, ask: "Callable[[int], Any]", /) -> None:
        """From now on ask for parts before making them; None says to make it after all."""


def serve_parts(make: Callable[[int], Any], channels: Sequence[socket.socket]) -> None:
    """Answer requests for parts until nobody is left to ask; make the next one when idle."""
    at = dict.fromkeys(channels, -1)  # the part that each loader asked for last
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
            except OSError:  # the loader is gone, or there is no room: then it makes parts itself
                channel.close()
                del at[channel]
        # Parts are asked for in order, and loaders are only a few items apart.
        oldest = min(at.values(), default=0)
        parts = {number: part for number, part in parts.items() if number >= oldest}


def asking(channel: socket.socket) -> Callable[[int], Any]:
    """Give the function by which a loader process asks for a part; None where none comes."""

    def ask(number: int) -> Any:
        try:
            channel.sendall(_REQUEST.pack(number))
            return parcel.receive(channel)
        except (OSError, EOFError):  # the process is gone, which the trainer sees and says
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
    """Make a part; where that fails, each loader makes it and fails in its own words."""
    try:
        return make(number)
    except Exception:
        return None
