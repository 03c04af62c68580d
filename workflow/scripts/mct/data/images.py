"""Plain pictures of shards: decoded, resized, and fitted to the size of a view.

A decoded picture is a uint8 array of shape (height, width, 3). JPEGs are decoded by libjpeg-turbo
without Python's lock, all else by Pillow, which gives the same pixels of JPEGs too. What views of
training show of a picture is drawn in `augmentation`.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from mct.data.encoding import TINY
from mct.data.pictures import Picture, decode

if TYPE_CHECKING:
    from torch import Tensor

EVALUATION_RATIO = 256 / 224
"""Short side before the centre crop, relative to the crop, where pictures are not tiny."""
JPEG_START = b"\xff\xd8\xff"
JPEG_COLOURS = ("YCbCr", "Gray")
REDUCTIONS = (8, 4, 2)
"""Divisors of a JPEG's size that libjpeg-turbo decodes at directly, largest first."""
MOST_VIEWS = 16
"""Resized pictures of up to so many times the pixels of their view are made whole, then cropped."""
SERIAL_ELEMENTS = 1 << 15
"""From so many on torch divides the elements of a tensor among threads."""
WEIGHT_LIMIT = 1 << 15
"""Weights are rounded to 16-bit integers, with as many fractional bits as the largest admits."""
TARGETS_AT_A_TIME = 1 << 16


class Box(NamedTuple):
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: Picture) -> Picture:
        """Return this part of a picture."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


def decode_plain(data: bytes, name: str, reduction: int = 1) -> Picture:
    """Return a shard's encoded picture as RGB, uint8 (height, width, 3).

    `reduction` (1 or one of `REDUCTIONS`) divides height and width, rounded up, of a whole JPEG;
    other pictures keep their size. BrokenPictureError if the data are no picture, or a part of one.
    """
    shape = jpeg_shape(data)
    if shape is not None:
        least = [-(-side // reduction) for side in shape]
        with suppress(ValueError):  # libjpeg-turbo warns; Pillow knows whether that is serious
            return simplejpeg.decode_jpeg(data, "RGB", min_height=least[0], min_width=least[1])
    return decode(data, name)


def decode_box(
    data: bytes,
    name: str,
    choose: Callable[[int, int], tuple[Box, tuple[int, int]]],
    *,
    reduced: bool,
) -> tuple[Picture, tuple[int, int]]:
    """Return what is shown of an encoded picture, and the size that it is to be resized to.

    `choose` returns both for a height and a width. With `reduced`, a JPEG of which much more would
    be decoded than can be shown is decoded at a half, quarter or eighth of its size.
    BrokenPictureError as for `decode_plain`.
    """
    full = jpeg_shape(data) if reduced else None
    if full is None:
        picture = decode_plain(data, name)
        box, shape = choose(*picture.shape[:2])
        return box.of(picture), shape
    box, shape = choose(*full)
    reduction = reduction_for(box, shape)
    picture = decode_plain(data, name, reduction)
    if picture.shape[:2] != full:
        box = reduce_box(box, reduction, picture)
    return box.of(picture), shape


def jpeg_shape(data: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG in colour or grey, None of anything else."""
    if not data.startswith(JPEG_START):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return (height, width) if colours in JPEG_COLOURS else None


def reduction_for(box: Box, shape: tuple[int, int]) -> int:
    """Return the largest divisor of a JPEG's size that leaves a box at least as large as `shape`."""
    fits = (d for d in REDUCTIONS if box.height >= d * shape[0] and box.width >= d * shape[1])
    return next(fits, 1)


def reduce_box(box: Box, reduction: int, picture: Picture) -> Box:
    """Return a box in pixels of a picture that was decoded at a part of its size, rounded up."""
    height, width = picture.shape[:2]
    top, left = round(box.top / reduction), round(box.left / reduction)
    bottom = min(round((box.top + box.height) / reduction), height)
    right = min(round((box.left + box.width) / reduction), width)
    return Box(top, left, bottom - top, right - left)


def fitted_shape(height: int, width: int, size: int, resize: int | None = None) -> tuple[int, int]:
    """Return height and width to resize a picture to before it is cropped to `size`.

    The short side becomes `resize`, as with torchvision's Resize. Without it a picture of the size
    stays as it is.
    """
    if resize is not None:
        side = min(height, width)
        return resize * height // side, resize * width // side
    if (height, width) == (size, size):
        return size, size
    short = size if size <= TINY else round(size * EVALUATION_RATIO)
    scale = short / min(height, width)
    return max(short, round(height * scale)), max(short, round(width * scale))


def fit(picture: Picture, size: int, resize: int | None = None) -> Picture:
    """Return a picture as (size, size, 3): short side resized, centre cropped."""
    height, width = picture.shape[:2]
    return resample_centre(picture, fitted_shape(height, width, size, resize), size)


def resample_centre(picture: Picture, shape: tuple[int, int], size: int) -> Picture:
    """Return the middle square of a picture resized to `shape`."""
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return resample_part(picture, shape, Box(top, left, size, size))


def resample_part(picture: Picture, shape: tuple[int, int], part: Box) -> Picture:
    """Return a part of a picture resized to `shape`; of a thin one only that is computed.

    It is the picture's own memory where nothing is resized.
    """
    if picture.shape[:2] == shape:
        return part.of(picture)
    if shape[0] * shape[1] > MOST_VIEWS * part.height * part.width:
        return resample_window(picture, shape, part)
    return part.of(resample(picture, shape))


def resample(
    picture: Picture, shape: tuple[int, int], *, mirrored: bool = False, out: Picture | None = None
) -> Picture:
    """Return a picture resized to `shape` by bilinear interpolation with antialiasing.

    With `mirrored` left and right change places. `out`, contiguous, (*shape, 3), is written to: new
    memory costs as much as resizing.
    """
    import torch  # takes seconds

    out = np.empty((*shape, 3), np.uint8) if out is None else out
    if picture.shape[:2] == shape:
        out[:] = mirror(picture) if mirrored else picture
        return out
    if mirrored or not picture.flags.writeable:
        picture = mirror(picture) if mirrored else picture.copy()
    # interpolate(..., mode="bilinear", antialias=True) has no `out`; this operator uses one thread
    torch.ops.aten._upsample_bilinear2d_aa.out(to_image(picture), shape, False, out=to_image(out))
    return out


def mirror(picture: Picture) -> Picture:
    """Return a copy of rows of pixels, (rows, width, 3), with left and right exchanged.

    A dozen times faster than a reversed slice of an array. So few rows at a time that torch does
    not start threads for each of the loader's.
    """
    source = picture if picture.flags.writeable else picture.copy()
    mirrored = np.empty(picture.shape, np.uint8)
    rows = max(1, (SERIAL_ELEMENTS - 1) // max(1, mirrored[:1].size))
    for start in range(0, len(picture), rows):
        part = slice(start, start + rows)
        to_image(mirrored[part]).copy_(to_image(source[part]).flip(-1))
    return mirrored


def to_image(picture: Picture) -> "Tensor":
    """Return a picture as a tensor (1, 3, height, width) of the same memory."""
    import torch

    return torch.from_numpy(picture).permute(2, 0, 1)[None]


class Taps(NamedTuple):
    """What n target pixels of one axis are sums of.

    Target i is the sum over t of weight[i, t] * source[first[i] + t], divided by 2**bits.
    """

    first: NDArray[np.int64]
    weights: NDArray[np.int32]
    bits: int


def resample_window(picture: Picture, shape: tuple[int, int], window: Box) -> Picture:
    """Return `resample(picture, shape)` at a window, bit for bit; uint8 (height, width, 3).

    The arithmetic of torch's antialiased bilinear interpolation of 8-bit pictures, repeated in numpy.
    A picture of 1 x 20,000 pixels whose short side is resized to 256 would take 3.7 GiB before it is
    cropped; its window takes what the view takes.
    """
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
