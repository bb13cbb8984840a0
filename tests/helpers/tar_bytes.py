"""Tars written byte by byte, with what no well-behaved program writes."""

import json

BLOCK = 512
END = bytes(2 * BLOCK)


def header(
    name: str,
    size: int = 0,
    *,
    flag: bytes = b"0",
    target: str = "",
    size_field: bytes | None = None,
    map_goes_on: bool = False,
) -> bytes:
    """Make a ustar header whose checksum is right, whatever its fields say."""
    block = bytearray(BLOCK)
    block[: len(name.encode())] = name.encode()
    block[124:136] = size_field if size_field is not None else b"%011o\0" % size
    block[156:157] = flag
    block[157 : 157 + len(target)] = target.encode()
    block[257:265] = b"ustar\x0000"
    block[482] = map_goes_on
    return with_checksum(block)


def with_checksum(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def member(name: str, data: bytes, *, flag: bytes = b"0") -> bytes:
    return header(name, len(data), flag=flag) + padded(data)


def pax(flag: bytes = b"x", **records: str) -> bytes:
    """Make a pax header; underscores in names stand for dots."""
    body = b""
    for key, value in records.items():
        rest = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(rest) + 1
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        body += str(length).encode() + rest
    return member("PaxHeaders/x", body, flag=flag)


def picture(number: int, url: str | None = None) -> bytes:
    """Make the picture of a sample; its bytes say which url it belongs to."""
    return member(f"{number:09}.jpg", f"picture of {url or number}".encode())


def note(number: int, url: str | None = None) -> bytes:
    return member(f"{number:09}.json", json.dumps({"url": url or str(number)}).encode())


def text(number: int) -> bytes:
    return member(f"{number:09}.txt", b"a caption")


def sample(number: int, url: str | None = None) -> bytes:
    return picture(number, url) + text(number) + note(number, url)
