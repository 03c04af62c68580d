"""A window of a resized picture, computed from the part of the picture that it shows.

Owns the arithmetic of torch's antialiased bilinear interpolation of 8-bit pictures, repeated in
numpy to the last bit. A picture of 1 x 20,000 pixels whose short side is resized to 256 would
take 3.7 GiB before it is cropped; its window takes what the view takes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mct.data.pictures import Picture

WEIGHT_LIMIT = 1 << 15
"""Weights are rounded to 16-bit integers, with as many fractional bits as the largest admits."""
TARGETS_AT_A_TIME = 1 << 16


class Window(NamedTuple):
    """A rectangle of a resized picture, in its pixels."""

    top: int
    left: int
    height: int
    width: int


class Taps(NamedTuple):
    """What n target pixels of one axis are sums of.

    Target i is the sum over t of weight[i, t] * source[first[i] + t], divided by 2**bits.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.int32]
    bits: int


def resample_window(picture: Picture, shape: tuple[int, int], window: Window) -> Picture:
    """Return `resample(picture, shape)` at a window, bit for bit; uint8 (height, width, 3)."""
    rows = _taps(picture.shape[0], shape[0], window.top, window.height)
    columns = _taps(picture.shape[1], shape[1], window.left, window.width)
    start, stop = rows.first[0], rows.first[-1] + rows.weights.shape[1]
    across = _blend(picture[start:stop].swapaxes(0, 1), columns).swapaxes(0, 1)
    return np.ascontiguousarray(_blend(across, rows._replace(first=rows.first - start)))


def _blend(picture: Picture, taps: Taps) -> Picture:
    """Return weighted sums of rows, rounded, uint8 (n, ...)."""
    shape = (len(taps.first), *picture.shape[1:])
    total = np.full(shape, 1 << taps.bits >> 1, np.int32)
    for tap, weights in enumerate(taps.weights.T):
        source = (taps.first + tap).clip(max=len(picture) - 1)  # weights beyond the end are 0
        total += picture[source] * weights[:, None, None]
    return (total >> taps.bits).clip(0, 255).astype(np.uint8)


def _taps(source: int, target: int, start: int, count: int) -> Taps:
    """Return the taps of targets `start` to `start + count` of an axis resized to `target`."""
    bits = _fractional_bits(_largest_weight(source, target))
    first, weights = _real_taps(source / target, source, np.arange(start, start + count))
    return Taps(first, np.floor(weights * (1 << bits) + 0.5).astype(np.int32), bits)


def _real_taps(
    scale: float, source: int, targets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return first sources (n,) and weights (n, taps) of a triangle filter.

    Source: `_compute_indices_min_size_weights_aa` in ATen/native/cpu/UpSampleKernel.cpp.
    """
    support, centre = max(scale, 1.0), scale * (targets + 0.5)
    first = (centre - support + 0.5).astype(np.int64).clip(min=0)
    last = (centre + support + 0.5).astype(np.int64).clip(max=source)
    sources = first[:, None] + np.arange(2 * int(np.ceil(support)) + 1)
    distance = (sources - centre[:, None] + 0.5) * (1 / support)
    weights = np.where(sources < last[:, None], (1 - abs(distance)).clip(min=0), 0)
    return first, weights / weights.cumsum(axis=1)[:, -1:]


def _largest_weight(source: int, target: int) -> float:
    """Return the largest weight of all targets: it decides how all are rounded."""
    if source <= target:
        return 1.0  # of the first pixel, which is the first target's only source
    return max(
        _real_taps(source / target, source, part)[1].max()
        for start in range(0, target, TARGETS_AT_A_TIME)
        if len(part := np.arange(start, min(start + TARGETS_AT_A_TIME, target)))
    )


def _fractional_bits(largest: float) -> int:
    bits = 0
    while bits < 22 and int(0.5 + largest * (1 << (bits + 1))) < WEIGHT_LIMIT:
        bits += 1
    return bits
