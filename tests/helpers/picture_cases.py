"""Pictures of every odd kind, made by code, and what is promised of each.

A case is either accepted, with the RGB that a named pixel must come to within a tolerance, or
refused with a reason code.
"""

import io
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

Rgb = tuple[int, int, int]


class Case(NamedTuple):
    name: str
    make: Callable[[], bytes]
    reason: str | None  # None: accepted
    kind: str | None = None
    size: tuple[int, int] | None = None
    pixel: Rgb | None = None  # of the upper left corner, after decoding
    tolerance: int = 0


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Encode a picture."""
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def flat(mode: str = "RGB", colour: object = (200, 40, 80)) -> Image.Image:
    return Image.new(mode, (64, 48), colour)  # type: ignore[arg-type]


def scene(width: int = 96, height: int = 64, seed: int = 7) -> Image.Image:
    """Paint soft waves of colour: something for compression and hashes to work on."""
    dice = np.random.Generator(np.random.Philox(key=seed))
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    layers = []
    for _ in range(3):
        waves = np.zeros((height, width))
        for across, down, phase in dice.uniform(-12, 12, (6, 3)):
            waves += np.sin(across * x + down * y + phase)
        layers.append(np.clip(waves * 25 + 128, 0, 255))
    return Image.fromarray(np.stack(layers, axis=-1).astype(np.uint8))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """Assemble a PNG by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def _jpeg() -> bytes:
    return saved(scene(), "JPEG", quality=90)


def _grey16() -> bytes:
    values = np.full((48, 64), 32_896, np.uint16)
    return saved(Image.fromarray(values), "PNG")


def _rgb16() -> bytes:
    row = b"\0" + struct.pack(">HHH", 65_535, 0, 32_896) * 4
    return png(4, 4, 16, 2, row * 4)


def _turned() -> bytes:
    picture = flat()
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture, "JPEG", exif=exif.tobytes(), quality=95)


def _animation(kind: str) -> bytes:
    frames = [flat("RGB", colour) for colour in ("red", "lime", "blue")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=40, loop=0)


def _palette_alpha() -> bytes:
    picture = flat("P", 0)
    picture.putpalette([10, 20, 30, 0, 0, 0])
    return saved(picture, "PNG", transparency=0)


def _text_bomb() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * (80 << 20), zip=True)
    return saved(flat(), "PNG", pnginfo=info)


def _profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return saved(flat(), "PNG", icc_profile=profile)


def _scan_noise() -> bytes:
    data = bytearray(_jpeg())
    middle = len(data) * 2 // 3
    data[middle : middle + 20] = bytes(range(20))
    return bytes(data)


def _avif() -> bytes:
    return struct.pack(">I", 24) + b"ftypheic" + bytes(400)


def _bomb(width: int, height: int) -> Callable[[], bytes]:
    return lambda: png(width, height, 1, 0, b"\0" * 8)


CASES = (
    Case("jpeg", _jpeg, None, "jpeg", (96, 64)),
    Case("jpeg progressive", lambda: saved(scene(), "JPEG", progressive=True), None, "jpeg"),
    Case(
        "jpeg grey",
        lambda: saved(flat("L", 77), "JPEG", quality=95),
        None,
        "jpeg",
        (64, 48),
        (77, 77, 77),
        2,
    ),
    Case(
        "jpeg cmyk, inverted as Adobe does",
        lambda: saved(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=95),
        None,
        "jpeg",
        (64, 48),
        (255, 0, 0),
        4,
    ),
    Case("jpeg turned by EXIF", _turned, None, "jpeg", (64, 48), (200, 40, 80), 4),
    Case(
        "jpeg with several pictures (MPO)",
        lambda: saved(flat(), "MPO", save_all=True, append_images=[flat("RGB", "blue")]),
        None,
        "jpeg",
        (64, 48),
        (200, 40, 80),
        4,
    ),
    Case("jpeg with bytes after its end", lambda: _jpeg() + b"\0" * 99, None, "jpeg", (96, 64)),
    Case("jpeg with noise in the scan", _scan_noise, None, "jpeg", (96, 64)),
    Case("png", lambda: saved(flat(), "PNG"), None, "png", (64, 48), (200, 40, 80)),
    Case("png grey of 16 bits", _grey16, None, "png", (64, 48), (128, 128, 128)),
    Case("png colour of 16 bits", _rgb16, None, "png", (4, 4), (255, 0, 128)),
    Case(
        "png of 1 bit", lambda: saved(flat("1", 1), "PNG"), None, "png", (64, 48), (255, 255, 255)
    ),
    Case(
        "png all transparent",
        lambda: saved(flat("RGBA", (9, 99, 199, 0)), "PNG"),
        None,
        "png",
        (64, 48),
        (255, 255, 255),
    ),
    Case(
        "png half transparent",
        lambda: saved(flat("RGBA", (0, 0, 0, 128)), "PNG"),
        None,
        "png",
        (64, 48),
        (127, 127, 127),
        1,
    ),
    Case(
        "png grey with alpha",
        lambda: saved(flat("LA", (0, 0)), "PNG"),
        None,
        "png",
        (64, 48),
        (255, 255, 255),
    ),
    Case("png palette with alpha", _palette_alpha, None, "png", (64, 48), (255, 255, 255)),
    Case(
        "png with one colour transparent",
        lambda: saved(flat(), "PNG", transparency=(200, 40, 80)),
        None,
        "png",
        (64, 48),
        (255, 255, 255),
    ),
    Case("png animated", lambda: _animation("PNG"), None, "png", (64, 48), (255, 0, 0)),
    Case("png with a colour profile", _profile, None, "png", (64, 48), (200, 40, 80)),
    Case(
        "png that is a zip too",
        lambda: saved(flat(), "PNG") + b"PK\x05\x06" + bytes(18),
        None,
        "png",
        (64, 48),
        (200, 40, 80),
    ),
    Case("png of one pixel", lambda: saved(flat().crop((0, 0, 1, 1)), "PNG"), None, "png", (1, 1)),
    Case(
        "png strip",
        lambda: saved(Image.new("RGB", (1, 20_000)), "PNG"),
        None,
        "png",
        (1, 20_000),
    ),
    Case("gif", lambda: saved(flat(), "GIF"), None, "gif", (64, 48), (200, 40, 80), 3),
    Case("gif animated", lambda: _animation("GIF"), None, "gif", (64, 48), (255, 0, 0), 1),
    Case("webp", lambda: saved(scene(), "WEBP"), None, "webp", (96, 64)),
    Case(
        "webp animated",
        lambda: _animation("WEBP"),
        None,
        "webp",
        (64, 48),
        (255, 0, 0),
        8,
    ),
    Case(
        "webp all transparent",
        lambda: saved(flat("RGBA", (9, 99, 199, 0)), "WEBP", lossless=True, exact=True),
        None,
        "webp",
        (64, 48),
        (255, 255, 255),
    ),
    Case("bmp", lambda: saved(flat(), "BMP"), None, "bmp", (64, 48), (200, 40, 80)),
    Case("nothing", lambda: b"", "picture-empty"),
    Case("one byte", lambda: b"\xff", "not-a-picture"),
    Case("HTML", lambda: b"<!DOCTYPE html><html>404</html>", "not-a-picture"),
    Case("SVG", lambda: b"<?xml version='1.0'?><svg/>", "not-a-picture"),
    Case("JSON", lambda: b'{"error": "gone"}', "not-a-picture"),
    Case("plain text", lambda: b"Not found", "not-a-picture"),
    Case("TIFF", lambda: saved(Image.new("F", (8, 8), 0.5), "TIFF"), "not-a-picture"),
    Case("ICO", lambda: saved(flat(), "ICO"), "not-a-picture"),
    Case("HEIC or AVIF", _avif, "not-a-picture"),
    Case("PDF", lambda: saved(flat(), "PDF"), "not-a-picture"),
    Case("EPS", lambda: saved(flat(), "EPS"), "not-a-picture"),
    Case("zip", lambda: b"PK\x03\x04" + bytes(60), "not-a-picture"),
    Case("gzip", lambda: b"\x1f\x8b\x08" + bytes(60), "not-a-picture"),
    Case("pointer of Git LFS", lambda: b"version https://git-lfs.github.com", "not-a-picture"),
    Case("noise", lambda: bytes(range(128, 256)) * 9, "not-a-picture"),
    Case("jpeg cut", lambda: _jpeg()[: len(_jpeg()) // 2], "picture-truncated"),
    Case("jpeg header alone", lambda: _jpeg()[:20], "picture-truncated"),
    Case("png cut", lambda: saved(scene(), "PNG")[:-400], "picture-truncated"),
    Case("png signature alone", lambda: b"\x89PNG\r\n\x1a\n", "picture-truncated"),
    Case("gif cut", lambda: saved(scene(), "GIF")[:-400], "picture-truncated"),
    Case("webp cut", lambda: saved(scene(), "WEBP")[:-90], "picture-truncated"),
    Case("bmp cut", lambda: saved(scene(), "BMP")[:-90], "picture-truncated"),
    Case(
        "jpeg header and noise",
        lambda: _jpeg()[:20] + bytes(range(256)) * 8 + b"\xff\xd9",
        "picture-unreadable",
    ),
    Case(
        "png with a broken stream",
        lambda: png(64, 48, 8, 2, b"")[:40] + bytes(20) + chunk(b"IEND", b""),
        "picture-unreadable",
    ),
    Case("png without its palette", lambda: png(8, 8, 8, 3, bytes(72)), "picture-unreadable"),
    Case("png of no width", lambda: png(0, 8, 8, 2, bytes(8)), "picture-unreadable"),
    Case("png with a bomb of text", _text_bomb, "picture-unreadable"),
    Case("196 megapixels", _bomb(14_000, 14_000), "picture-too-large"),
    Case("3.6 gigapixels", _bomb(60_000, 60_000), "picture-too-large"),
    Case("just over the cap", _bomb(8_001, 8_000), "picture-too-large"),
    Case("a strip over the cap", _bomb(65_500, 1_000), "picture-too-large"),
)
