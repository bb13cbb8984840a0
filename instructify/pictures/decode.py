"""Decode bytes to RGB, by one rule for every unusual kind of picture.

The first frame of an animation is taken, alpha is laid over white, 16 bits are scaled to 8, and
palette, grey and CMYK (inverted, as Adobe writes it) become RGB. Colour profiles are ignored, and
so is the EXIF rotation unless it is asked for. Only JPEG, PNG, GIF, WebP and BMP are decoded: no
other decoder is ever called. A picture with more pixels than the cap is refused by its header,
before a pixel is decoded.
"""

import io
import struct
import zlib
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
MAX_PIXELS = 64_000_000
Exif = Literal["ignore", "apply"]

# What Pillow's decoders of these formats raise on damaged bytes: SyntaxError for a broken header;
# lookup errors, arithmetic errors and assertions for wrong values in fields.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class TooManyPixels(Exception):
    """The header announces more pixels than the cap allows; the message says how many."""


def open_picture(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture's header; raises TooManyPixels, or one of DECODER_ERRORS."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise TooManyPixels("the header announces more pixels than any picture has") from error
    width, height = picture.size
    if width * height > max_pixels:
        raise TooManyPixels(f"{width} x {height} pixels, the cap is {max_pixels:,}")
    return picture


def to_rgb(data: bytes, *, exif: Exif = "ignore", max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture to RGB; raises TooManyPixels, or one of DECODER_ERRORS."""
    picture = open_picture(data, max_pixels=max_pixels)
    if exif == "apply":
        picture = ImageOps.exif_transpose(picture)
    return flatten(picture, "RGB")


def flatten(picture: Image.Image, mode: Literal["RGB", "L"]) -> Image.Image:
    """Decode the pixels of the first frame to RGB or grey, alpha laid over white."""
    if picture.mode.startswith("I"):
        return _eight_bits(picture).convert(mode)
    if picture.has_transparency_data:
        layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        ground = Image.new(mode, layer.size, "white")
        ground.paste(layer, mask=layer)
        return ground
    return picture.convert(mode)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale 16-bit grey, rounded to the nearest of 256 values; Pillow would cut off at 255."""
    values = np.clip(np.asarray(picture), 0, 65_535).astype(np.uint32)
    return Image.fromarray(((values * 255 + 32_767) // 65_535).astype(np.uint8))
