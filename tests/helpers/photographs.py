"""Made-up photographs: pictures with the statistics of nature, encoded as JPEG."""

import io

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 320, 240


def scene(seed: int) -> Image.Image:
    """A made-up photograph: coloured noise with as much of each size as nature has."""
    rng = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH)[None]
    scale = 1 / np.maximum(np.hypot(rows, columns), 1 / WIDTH)
    waves = rng.normal(size=(3, HEIGHT, WIDTH)) + 1j * rng.normal(size=(3, HEIGHT, WIDTH))
    waves[1:] = 0.8 * waves[0] + 0.6 * waves[1:]  # channels go together, mostly
    pixels = np.fft.ifft2(waves * scale).real
    pixels = 128 + 50 * (pixels - pixels.mean((1, 2), keepdims=True)) / pixels.std()
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def encoded(picture: Image.Image, quality: int = 85, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, quality=quality)
    return out.getvalue()
