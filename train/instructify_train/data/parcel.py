"""Send arrays from a loader process to the trainer, in one block of shared memory for each item.

The block is an anonymous file in memory whose descriptor is sent through a Unix socket. The sender
writes the bytes once, and the receiver maps them without a copy. Since the file has no name, the
kernel frees it when either process is killed. It uses no space in /dev/shm.
"""

import array
import io
import mmap
import os
import pickle
import socket
import struct
import tempfile
from typing import Any

import torch

_ALIGN = 64
_HEAD = struct.Struct("<QQ")  # bytes of the block, bytes of the pickle at its end
_DESCRIPTOR_BYTES = array.array("i").itemsize


def send(channel: socket.socket, value: Any) -> None:
    """Send a value; raises BrokenPipeError if the receiver has ended."""
    views: list[pickle.PickleBuffer] = []
    pickled = io.BytesIO()
    _Pickler(pickled, views).dump(value)
    buffers = [view.raw() for view in views]
    index = pickle.dumps([buffer.nbytes for buffer in buffers])
    places, size = _places([buffer.nbytes for buffer in buffers])
    tail = struct.pack("<Q", len(index)) + index + pickled.getvalue()
    descriptor = _memory()
    try:
        for place, buffer in zip(places, buffers, strict=True):
            _write(descriptor, buffer, place)
        _write(descriptor, memoryview(tail), size)
        head = _HEAD.pack(size + len(tail), len(tail))
        sent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        channel.sendmsg([head], sent)
    finally:
        os.close(descriptor)


def receive(channel: socket.socket) -> Any:
    """Receive the next value; raises EOFError if the sender has ended."""
    try:
        head, extra, _, _ = channel.recvmsg(_HEAD.size, socket.CMSG_LEN(_DESCRIPTOR_BYTES))
    except ConnectionResetError as error:
        raise EOFError from error
    if not head:
        raise EOFError
    descriptor = array.array("i", extra[0][2])[0]
    try:
        size, tail_bytes = _HEAD.unpack(head)
        block = memoryview(mmap.mmap(descriptor, size))
    finally:
        os.close(descriptor)
    tail = block[size - tail_bytes :]
    (index_bytes,) = struct.unpack_from("<Q", tail)
    sizes = pickle.loads(tail[8 : 8 + index_bytes])
    places, _ = _places(sizes)
    buffers = [block[at : at + length] for at, length in zip(places, sizes, strict=True)]
    return pickle.loads(tail[8 + index_bytes :], buffers=buffers)


class _Pickler(pickle.Pickler):
    """A pickler that collects the bytes of tensors and arrays in `views` instead of the pickle."""

    def __init__(self, file: io.BytesIO, views: list[pickle.PickleBuffer]) -> None:
        super().__init__(file, protocol=5, buffer_callback=lambda view: views.append(view))

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            plain = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
            return _tensor, (plain, value.dtype, tuple(value.shape))
        return NotImplemented


def _tensor(plain: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(plain).view(dtype).reshape(shape)


def _places(sizes: list[int]) -> tuple[list[int], int]:
    """Place buffers at multiples of 64 bytes; returns their offsets and the end of the last."""
    places, end = [], 0
    for size in sizes:
        places.append(end)
        end += -(-size // _ALIGN) * _ALIGN
    return places, end


def _memory() -> int:
    """Open an anonymous file: in memory if the system supports it, else a temporary file."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("instructify", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(descriptor: int, data: memoryview, place: int) -> None:
    while data.nbytes:
        written = os.pwrite(descriptor, data, place)
        data, place = data[written:], place + written
