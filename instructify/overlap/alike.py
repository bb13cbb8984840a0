"""The second test: do two small pictures show the same, even if one is cropped at the edges?

A hash says little more than where a picture is bright. So two pictures of 32 x 32 pixels are
compared directly: either picture is cropped by 0, 2.5 or 5 % at each of its four edges and
stretched to the other's size, and the crop whose grey values correlate best counts. At this crop
the two have to agree as a whole, in their detail (the rest after a 5 x 5 mean is subtracted), and
in colour, spot by spot. Different pictures with similar brightness may pass one of these tests;
copies pass all. The thresholds are measured: docs/overlap.md.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructify.pictures import SIDE

Floats = NDArray[np.float32]
Thumbnails = NDArray[np.uint8]  # pictures by 32 by 32 by red, green, blue

LEAST_PLAIN = 0.5  # uncut correlation below which nobody looks closer
LEAST_WHOLE = 0.93
LEAST_DETAIL = 0.87
MOST_SPOT = 48.0  # largest difference of the mean colours of 4 x 4 pixels, of 255
LEAST_CONTRAST = 2.0  # standard deviation in grey values; a plain surface is like any other
_GREY_SPREAD = 6.0  # mean distance of the largest from the smallest channel in a grey picture
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as Pillow's grey
_CUTS = (0.0, 0.025, 0.05)
_BLUR = 5
_SPOT = 4
_BLOCK = 64


class Agreement(NamedTuple):
    """How well pairs agree at their best crop: correlations up to 1, a difference up to 255."""

    whole: Floats
    detail: Floats
    spot: Floats


def are_alike(left: Thumbnails, right: Thumbnails) -> NDArray[np.bool_]:
    """Return for each pair of thumbnails whether they show the same picture."""
    alike = np.zeros(len(left), np.bool_)
    plain = (_unit(grey(left)) * _unit(grey(right))).sum((1, 2))
    rows = np.flatnonzero((plain >= LEAST_PLAIN) & has_contrast(left) & has_contrast(right))
    agreed = agreement(left[rows], right[rows])
    alike[rows] = (
        (agreed.whole >= LEAST_WHOLE) & (agreed.detail >= LEAST_DETAIL) & (agreed.spot <= MOST_SPOT)
    )
    return alike


def has_contrast(thumbnails: Thumbnails) -> NDArray[np.bool_]:
    """Return which thumbnails show more than a plain surface."""
    enough: NDArray[np.bool_] = grey(thumbnails).std((1, 2)) >= LEAST_CONTRAST
    return enough


def grey(thumbnails: Thumbnails) -> Floats:
    """Weigh the channels to grey values."""
    values: Floats = thumbnails @ _WEIGHTS
    return values


def agreement(left: Thumbnails, right: Thumbnails) -> Agreement:
    """Compare pairs at the best crop of either picture."""
    cuts = _cut_matrices()
    best = Agreement(*(np.empty(len(left), np.float32) for _ in range(3)))
    for begin in range(0, len(left), _BLOCK):
        at = slice(begin, begin + _BLOCK)
        forward, backward = (
            _best_cut(left[at], right[at], cuts),
            _best_cut(right[at], left[at], cuts),
        )
        better = forward.whole >= backward.whole
        for target, ours, theirs in zip(best, forward, backward, strict=True):
            target[at] = np.where(better, ours, theirs)
    return best


def _best_cut(first: Thumbnails, second: Thumbnails, cuts: Floats) -> Agreement:
    """Crop the first pictures in all ways and compare the best crop with the second ones."""
    still = grey(second)
    rows = np.einsum("vij,pjk->pvik", cuts, grey(first), optimize=True)
    cut = np.einsum("pvik,wlk->pvwil", rows, cuts, optimize=True)
    cut = cut.reshape(len(first), -1, SIDE, SIDE)
    whole = (_unit(cut) * _unit(still)[:, None]).sum((-2, -1))
    chosen = whole.argmax(1)
    moving = cut[np.arange(len(first)), chosen]
    detail = (_unit(_detail(moving)) * _unit(_detail(still))).sum((-2, -1))
    down, across = np.divmod(chosen, len(cuts))
    colours = np.einsum("pij,pjkc->pikc", cuts[down], first.astype(np.float32), optimize=True)
    colours = np.einsum("pikc,plk->pilc", colours, cuts[across], optimize=True)
    return Agreement(whole.max(1), detail, _largest_spot(colours, second.astype(np.float32)))


def _largest_spot(first: Floats, second: Floats) -> Floats:
    """Compare mean colours spot by spot; if either picture is grey, compare grey values only."""
    is_grey = np.minimum(_spread(first), _spread(second)) < _GREY_SPREAD
    difference = first - second
    difference[is_grey] = (difference[is_grey] @ _WEIGHTS)[..., None]
    spots = difference.reshape(len(first), SIDE // _SPOT, _SPOT, SIDE // _SPOT, _SPOT, 3)
    largest: Floats = np.abs(spots.mean((2, 4))).max((1, 2, 3))
    return largest


def _spread(colours: Floats) -> Floats:
    spread: Floats = (colours.max(-1) - colours.min(-1)).mean((1, 2))
    return spread


def _cut_matrices() -> Floats:
    """Return, for each crop of a low and a high edge, the matrix that stretches the rest."""
    matrices = []
    rows = np.arange(SIDE)
    for low in _CUTS:
        for high in _CUTS:
            place = low * SIDE + (rows + 0.5) * (1 - low - high) - 0.5
            place = np.clip(place, 0, SIDE - 1)
            before = np.minimum(place.astype(np.int64), SIDE - 2)
            matrix = np.zeros((SIDE, SIDE), np.float32)
            matrix[rows, before] += 1 - (place - before)
            matrix[rows, before + 1] += place - before
            matrices.append(matrix)
    return np.array(matrices)


def _unit(pictures: Floats) -> Floats:
    """Subtract the mean and scale to length 1; a plain picture becomes all zero."""
    centred = pictures - pictures.mean((-2, -1), keepdims=True)
    length = np.sqrt((centred * centred).sum((-2, -1), keepdims=True))
    unit: Floats = centred / np.maximum(length, np.float32(1e-3))
    return unit


def _detail(pictures: Floats) -> Floats:
    """Subtract a local mean; edges are extended."""
    margin = _BLUR // 2
    padded = np.pad(pictures, [(0, 0), (margin, margin), (margin, margin)], mode="edge")
    rows = np.sum([padded[:, at : at + SIDE, :] for at in range(_BLUR)], axis=0)
    mean = np.sum([rows[:, :, at : at + SIDE] for at in range(_BLUR)], axis=0) / _BLUR**2
    detail: Floats = pictures - mean.astype(np.float32)
    return detail
