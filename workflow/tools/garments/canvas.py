"""Planes of a picture at half its size, the frame of a garment in it, and how both become a JPEG.

Everything is drawn at half of the size, since an operation on so few numbers costs microseconds;
the luminance is enlarged at the end and gets a grain of full size.
"""

import math
from functools import cache

import numpy as np
import simplejpeg
from numpy.typing import NDArray

Plane = NDArray[np.floating]
BANK = 1024
"""Side of the stored noise that pictures cut pieces from."""
OCTAVES = ((16, 1.0), (48, 0.6), (128, 0.35))
"""Cells along a side, and weights, of the smooth noise."""


@cache
def clouds() -> Plane:
    """Return smooth noise, shape (BANK, BANK), about -1 to 1; the same in every process."""
    generator = np.random.default_rng(1)
    total = np.zeros((BANK, BANK), np.float32)
    for cells, weight in OCTAVES:
        total += weight * _enlarge(generator.uniform(-1, 1, (cells, cells)))
    return (total / abs(total).max()).astype(np.float32)


def _enlarge(values: NDArray[np.float64]) -> Plane:
    """Return values enlarged to (BANK, BANK), smoothly interpolated."""
    cells = len(values)
    place = np.arange(BANK) * (cells - 1) / BANK
    cell = place.astype(int)
    part = place - cell
    part = part * part * (3 - 2 * part)
    rows = values[cell] * (1 - part)[:, None] + values[cell + 1] * part[:, None]
    return (rows[:, cell] * (1 - part) + rows[:, cell + 1] * part).astype(np.float32)


@cache
def grains() -> NDArray[np.int16]:
    """Return fine noise, shape (BANK, BANK), with standard deviation 16."""
    return np.random.default_rng(2).normal(0, 16, (BANK, BANK)).astype(np.int16)


def fraction(values: Plane) -> Plane:
    """Return what values have after the point, 0 to 1."""
    return values - np.floor(values)


def wave(values: Plane) -> Plane:
    """Return a triangular wave of period 1 between 0 and 1, at integers 0."""
    return 1 - abs(2 * fraction(values) - 1)


def unit(values: Plane) -> Plane:
    """Return values cut to 0 to 1."""
    return np.clip(values, 0, 1)


class Canvas:
    """The planes Y, Cb and Cr of a picture at half of its height and width, values 0 to 255."""

    def __init__(self, height: int, width: int, generator: np.random.Generator) -> None:
        self.height, self.width = height, width
        self.generator = generator
        self.planes = np.empty((3, height, width), np.float32)

    def put(self, cover: Plane, colour: NDArray[np.floating]) -> None:
        """Paint a colour, shape (3,) or (3, height, width), where `cover` is 1, less where it is less."""
        rows = np.flatnonzero(cover.max(axis=1))
        if not len(rows):
            return
        touched = slice(rows[0], rows[-1] + 1)
        layer = colour.astype(np.float32, copy=False)
        layer = layer[:, None, None] if layer.ndim == 1 else layer[:, touched]
        change = layer - self.planes[:, touched]
        change *= cover[touched]
        self.planes[:, touched] += change

    def cloud(self, step: int = 1) -> Plane:
        """Return a piece of the smooth noise; a larger step makes it finer."""
        room = BANK - step * max(self.height, self.width)
        top, left = self.generator.integers(room, size=2)
        return clouds()[
            top : top + step * self.height : step, left : left + step * self.width : step
        ]

    def encode(self, grain: float, quality: int) -> bytes:
        """Return the JPEG of twice the size; `grain` is the standard deviation of its noise."""
        small = np.clip(self.planes, 0, 255).astype(np.int16)
        bright = _double(small[0])
        top, left = self.generator.integers(BANK - 2 * max(self.height, self.width), size=2)
        noise = grains()[top : top + 2 * self.height, left : left + 2 * self.width]
        bright += (noise * np.int16(16 * grain)) >> 8
        blue, red = small[1:].astype(np.uint8)
        return simplejpeg.encode_jpeg_yuv_planes(
            np.clip(bright, 0, 255).astype(np.uint8), blue, red, quality=quality, fastdct=True
        )


def _double(values: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return a plane at twice its size, values between its own interpolated."""
    height, width = values.shape
    tall = np.empty((2 * height, width), np.int16)
    tall[::2] = values
    tall[1:-1:2] = (values[1:] + values[:-1]) >> 1
    tall[-1] = values[-1]
    full = np.empty((2 * height, 2 * width), np.int16)
    full[:, ::2] = tall
    full[:, 1:-1:2] = (tall[:, 1:] + tall[:, :-1]) >> 1
    full[:, -1] = tall[:, -1]
    return full


class Frame:
    """Where a garment is in a picture: `across` its axis of symmetry and `down` from its shoulders.

    Both are planes in units of a torso; `scale` is the pixels of one.
    """

    def __init__(self, canvas: Canvas, span: float, breadth: float) -> None:
        """Place a garment of length `span` and half width `breadth` by the canvas's generator."""
        uniform = canvas.generator.uniform
        fitting = min(canvas.height / (span + 0.5), canvas.width / (2 * breadth + 0.2))
        self.scale = fitting * uniform(0.85, 1.2)
        angle = canvas.generator.normal(0, 0.13)
        middle = canvas.width * uniform(0.42, 0.58), canvas.height * uniform(0.48, 0.60)
        x = (np.arange(canvas.width, dtype=np.float32) - middle[0]) / self.scale
        y = (np.arange(canvas.height, dtype=np.float32)[:, None] - middle[1]) / self.scale
        cosine, sine = math.cos(angle), math.sin(angle)
        self.down = (cosine * y - sine * x) + (span / 2)
        self.across = cosine * x + sine * y
        self.across += canvas.generator.normal(0, 0.04) * self.down * self.down
        self.side = abs(self.across)

    def cover(self, distance: Plane) -> Plane:
        """Return how much of each pixel lies inside of an outline, from distances to it."""
        return unit(0.5 - distance * self.scale)

    def limb(self, start: tuple[float, float], angle: float, length: float, radius: float) -> Plane:
        """Return the distance to a pair of limbs that begin at `start` on both sides.

        They hang `angle` radians from the vertical and become thinner towards their ends.
        """
        side, down = self.side - (start[0]), self.down - (start[1])
        step_out, step_down = math.sin(angle), math.cos(angle)
        along = np.clip(side * step_out + down * step_down, 0, length)
        side = side - along * step_out
        down = down - along * step_down
        return np.sqrt(side * side + down * down) - radius * (1 - 0.3 * along)

    def oval(self, middle: float, wide: float, high: float) -> Plane:
        """Return roughly the distance to an ellipse on the axis of symmetry."""
        across, down = self.across / wide, (self.down - middle) / high
        return (across * across + down * down - 1) * (min(wide, high) / 2)
