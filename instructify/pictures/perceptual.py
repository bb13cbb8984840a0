"""A 64-bit perceptual hash: pictures that look alike differ in few bits.

The method is that of pHash (Zauner, Implementation and Benchmarking of Perceptual Image Hash
Functions, 2010): 32 x 32 grey values, discrete cosine transform, the 8 x 8 lowest frequencies
without the constant ones, one bit each for above or below their median. Integers, and a filter
without transcendental functions: the hash is the same on every machine, even of a flat picture.
It is a hint, never proof of sameness.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
_BLOCK = 8
_SCALE = 1 << 12


def _cosines() -> NDArray[np.int64]:
    """Return rows 1 to 8 of the DCT-II matrix for 32 values, in units of 1 / 4096."""
    frequency = np.arange(1, _BLOCK + 1).reshape(-1, 1)
    place = np.arange(SIDE).reshape(1, -1)
    wave = np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE))
    waves: NDArray[np.int64] = np.rint(wave * _SCALE).astype(np.int64)
    return waves


_WAVES = _cosines()


def perceptual_hash(grey: Image.Image) -> int:
    """Hash a picture of mode L."""
    small = grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return hash_grey(np.asarray(small, dtype=np.int64))


def hash_grey(grey: NDArray[np.int64]) -> int:
    """Hash 32 x 32 grey values."""
    coefficients = (_WAVES @ grey @ _WAVES.T).reshape(-1)
    middle = np.sort(coefficients)[31:33].sum()
    bits = (2 * coefficients > middle).astype(np.uint8)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
