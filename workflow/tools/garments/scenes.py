"""What is around a garment: a background, a person who wears it, things in front of it."""

import math

import numpy as np
from numpy.typing import NDArray

from garments.canvas import Canvas, Frame, unit

SKIN = np.array([150.0, 112.0, 148.0])


def any_colour(generator: np.random.Generator, strength: float = 40) -> NDArray[np.float64]:
    """Return a random colour as Y, Cb and Cr; `strength` is the standard deviation of its chroma."""
    return np.array([generator.uniform(25, 235), *generator.normal(128, strength, 2)])


def paint_background(canvas: Canvas) -> None:
    """Fill the picture with a wall that light falls on, and often with things on it."""
    generator = canvas.generator
    is_studio = generator.random() < 0.3
    colour = any_colour(generator, 4 if is_studio else 8).astype(np.float32)
    if is_studio:
        colour[0] = generator.uniform(190, 250)
    canvas.planes[:] = colour[:, None, None]
    slope = generator.normal(0, 30, 2)
    canvas.planes[0] += np.linspace(-slope[0], slope[0], canvas.width, dtype=np.float32)
    canvas.planes[0] += np.linspace(-slope[1], slope[1], canvas.height, dtype=np.float32)[:, None]
    if is_studio:
        return
    canvas.planes[0] += generator.uniform(0, 50) * canvas.cloud(int(generator.integers(1, 4)))
    for _ in range(generator.integers(0, 6)):
        paint_box(canvas, any_colour(generator, 12))


def paint_box(canvas: Canvas, colour: NDArray[np.float64]) -> None:
    """Paint an upright box: a door, a shelf, a pole."""
    generator = canvas.generator
    height, width = (
        int(size * share)
        for size, share in zip(
            (canvas.height, canvas.width), generator.uniform(0.06, 0.6, 2), strict=True
        )
    )
    top = generator.integers(-height // 2, canvas.height)
    left = generator.integers(-width // 2, canvas.width)
    part = canvas.planes[:, max(top, 0) : top + height, max(left, 0) : left + width]
    part += generator.uniform(0.5, 1) * (colour.astype(np.float32)[:, None, None] - part)


def skin_colour(generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the colour of some person's skin."""
    return SKIN + np.array([generator.uniform(-80, 55), *generator.normal(0, 4, 2)])


def paint_person(canvas: Canvas, frame: Frame, shoulder: float, angle: float) -> None:
    """Paint head, trunk, arms and legs of somebody whose arms hang `angle` from the vertical."""
    generator = canvas.generator
    skin = skin_colour(generator)
    legs = skin if generator.random() < 0.4 else any_colour(generator, 15)
    down, side = frame.down, frame.side
    outer = generator.uniform(0.28, 0.36)
    trousers = np.maximum(side - outer + 0.05 * (down - 0.9), 0.85 - down)
    canvas.put(frame.cover(np.maximum(trousers, 0.05 * (down - 0.9) - side)), legs)
    trunk = np.maximum(side - (0.9 * shoulder), np.maximum(0.05 - down, down - 1))
    arms = frame.limb((shoulder - 0.07, 0.14), angle, 0.95, 0.075)
    neck = np.maximum(side - 0.085, np.maximum(-0.2 - down, down - 0.12))
    canvas.put(frame.cover(np.minimum(trunk, np.minimum(arms, neck))), skin)
    hair = np.array([generator.uniform(15, 90), 122, 134])
    canvas.put(frame.cover(frame.oval(-0.33, 0.18, generator.uniform(0.2, 0.36))), hair)
    canvas.put(frame.cover(frame.oval(-0.27, 0.135, 0.19)), skin * np.array([1.05, 1, 1]))


def paint_occluder(canvas: Canvas) -> None:
    """Paint something in front of the garment: a bag, an arm, a caption."""
    generator = canvas.generator
    colour = skin_colour(generator) if generator.random() < 0.3 else any_colour(generator)
    if generator.random() < 0.3:
        paint_box(canvas, colour)
        return
    x = np.arange(canvas.width, dtype=np.float32) - generator.uniform(0, canvas.width)
    y = np.arange(canvas.height, dtype=np.float32)[:, None] - generator.uniform(0, canvas.height)
    angle = generator.uniform(0, math.pi)
    wide, high = generator.uniform(8, 45), generator.uniform(8, 45)
    along = (math.cos(angle) * x + math.sin(angle) * y) / wide
    across = (math.cos(angle) * y - math.sin(angle) * x) / high
    canvas.put(unit((1 - along * along - across * across) * (min(wide, high) / 2)), colour)


def change_light(canvas: Canvas) -> None:
    """Change brightness, contrast and tint of the whole picture, and put a shadow over it."""
    generator = canvas.generator
    bright = canvas.planes[0]
    bright -= 110
    bright *= generator.uniform(0.65, 1.15)
    bright += 110 + generator.normal(0, 14)
    bright += generator.uniform(0, 14) * canvas.cloud()
    canvas.planes[1:] += generator.normal(0, 4, (2, 1, 1)).astype(np.float32)
