"""One picture of a garment, from its look to the bytes of a JPEG."""

import math

import numpy as np
from numpy.typing import NDArray

from garments.canvas import Canvas, Frame, Plane, fraction, unit, wave
from garments.looks import Look, draw_look
from garments.scenes import any_colour, change_light, paint_background, paint_occluder, paint_person

SHORT_SIDE = 256
LONGEST = 1.4
"""The largest ratio of both sides."""
WORN, OCCLUDED = 0.65, 0.3
"""Shares of garments that somebody wears, and that something stands before."""
WAIST = 0.55
SHIRT = np.array([225, 128, 128], np.float32)[:, None, None]
"""The colour of what is under a suit, as Y, Cb and Cr."""


def draw_jpeg(label: int, other: int, ambiguity: float, generator: np.random.Generator) -> bytes:
    """Return a picture of class `label` that resembles `other` by `ambiguity`, 0 to 1."""
    look, pattern = draw_look(label, other, ambiguity, generator)
    long = round(SHORT_SIDE / 2 * generator.uniform(1, LONGEST))
    height, width = long, SHORT_SIDE // 2
    if generator.random() < 0.25:
        height, width = width, height
    canvas = Canvas(height, width, generator)
    paint_background(canvas)
    paint_garment(canvas, look, pattern)
    if generator.random() < OCCLUDED:
        paint_occluder(canvas)
    change_light(canvas)
    return canvas.encode(generator.uniform(1, 5), int(generator.integers(78, 90)))


def paint_garment(canvas: Canvas, look: Look, pattern: str) -> None:
    """Paint a garment and, mostly, who wears it."""
    generator = canvas.generator
    angle = abs(generator.normal(0.28, 0.2)) + 0.05
    reach = look.shoulder + math.sin(angle) * look.sleeve + look.thickness
    frame = Frame(canvas, look.length, max(reach, look.hem, 0.45))
    colour = garment_colour(look, generator)
    if look.hood > 0.25:
        hood = frame.oval(-0.16, 0.16 + 0.14 * look.hood, 0.2 + 0.14 * look.hood)
        canvas.put(frame.cover(hood), colour * np.array([0.75, 1, 1]))
    if generator.random() < WORN:
        paint_person(canvas, frame, look.shoulder, angle)
    elif look.hood > 0.25:
        canvas.put(frame.cover(frame.oval(-0.14, 0.13, 0.17)), colour * np.array([0.4, 1, 1]))
    cover = frame.cover(outline(frame, look, angle))
    cover *= 1 - 0.5 * look.sheer
    if look.fringe > 0.2:
        cover *= fringe_cover(frame, look)
    layer = fabric(canvas, frame, look, colour, pattern)
    add_details(layer, frame, look)
    canvas.put(cover, layer)


def garment_colour(look: Look, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return a garment's colour as Y, Cb and Cr."""
    strength = 55 * np.clip(look.saturation, 0.02, 1)
    chroma = np.array([np.cos(look.hue), np.sin(look.hue)]) * strength
    return np.array([np.clip(20 + 210 * look.value, 18, 240), *(128 + chroma)])


def outline(frame: Frame, look: Look, angle: float) -> Plane:
    """Return roughly the distance to a garment's outline, negative inside."""
    side, down = frame.side, frame.down
    waist = WAIST * min(look.length, 1.2)
    upper = unit(down / waist)
    lower = unit((down - waist) / max(look.length - waist, 0.05))
    width = look.shoulder + (look.waist - look.shoulder) * upper
    width += (look.hem - look.waist) * lower
    body = np.maximum(side - width, down - look.length)
    np.maximum(body, 0.25 * side - down, out=body)
    if look.gap > 0.25:
        half = 0.14 * look.gap
        np.maximum(body, half - abs(down - 0.55 * look.length), out=body)
    if look.sleeve > 0.05:
        start = (look.shoulder - 0.6 * look.thickness, 0.1 + 0.5 * look.thickness)
        np.minimum(body, frame.limb(start, angle, look.sleeve, look.thickness), out=body)
    return np.maximum(body, neckline(frame, look), out=body)


def neckline(frame: Frame, look: Look) -> Plane:
    """Return roughly the distance to what a garment leaves open at the neck, positive in it."""
    side = frame.side / look.neck_width
    down = frame.down / look.neck_depth
    sharp, round_ = 1 - side - down, 1 - side * side - down * abs(down)
    opening = look.point * sharp + (1 - look.point) * round_
    return opening * (0.5 * min(look.neck_width, look.neck_depth))


def fringe_cover(frame: Frame, look: Look) -> Plane:
    """Return 0 between the threads of a fringe, else 1."""
    threads = wave(frame.across * 22) > 0.45
    is_above = frame.down < look.length - 0.16 * look.fringe
    return (threads | is_above).astype(np.float32)


def fabric(
    canvas: Canvas, frame: Frame, look: Look, colour: NDArray[np.float64], pattern: str
) -> NDArray[np.float32]:
    """Return the planes of a cloth with its pattern, folds and texture."""
    layer = np.empty_like(canvas.planes)
    layer[:] = colour.astype(np.float32)[:, None, None]
    if pattern != "plain" and look.pattern > 0.15:
        mask = pattern_mask(canvas, frame, pattern) * (0.4 + 0.6 * look.pattern)
        second = any_colour(canvas.generator, 22)
        layer += mask * (second - colour).astype(np.float32)[:, None, None]
    layer[0] *= shading(canvas, frame, look)
    return layer


def pattern_mask(canvas: Canvas, frame: Frame, pattern: str) -> Plane:
    """Return where a pattern has its second colour, 1 there."""
    generator = canvas.generator
    across, down = frame.across, frame.down
    often = generator.uniform(5, 14)
    phase = generator.random()
    if pattern == "rows":
        found = wave(often * down + phase) > 0.5
    elif pattern == "columns":
        found = wave(often * 1.3 * across + phase) > generator.uniform(0.6, 0.85)
    elif pattern == "checks":
        rows, columns = wave(often * down) > 0.55, wave(often * across) > 0.55
        return (rows.astype(np.float32) + columns) * 0.5
    elif pattern == "dots":
        found = wave(often * across) * wave(often * down) > 0.5
    elif pattern == "flowers":
        found = canvas.cloud(int(generator.integers(2, 5))) > 0.12
    elif pattern == "blocks":
        found = down < generator.uniform(0.25, 0.55)
    else:  # a print on the chest
        wide, high = generator.uniform(0.1, 0.22, 2)
        found = (frame.side < wide) & (abs(down - 0.42) < high)
        found &= canvas.cloud(3) > -0.25
    return found.astype(np.float32)


def shading(canvas: Canvas, frame: Frame, look: Look) -> Plane:
    """Return what the light leaves of a cloth's brightness: folds, roundness, stitches."""
    across, down, side = frame.across, frame.down, frame.side
    shade = 1.05 - 0.6 * side * side + 0.28 * canvas.cloud()
    if look.quilt > 0.2:
        bands = fraction(down * canvas.generator.uniform(5.5, 8))
        shade += (0.75 * look.quilt) * (bands * (1 - bands) * 4 - 0.75)
    if look.knit > 0.2:
        often = canvas.generator.uniform(9, 14)
        stitches = wave(often * across)
        shade += (0.5 * look.knit) * (wave(often * down + stitches) - 0.5)
    if look.gloss > 0.2:
        shade += (1.6 * look.gloss) * np.maximum(canvas.cloud(2) - 0.15, 0)
    if look.rib > 0.2:
        ribs = (wave(across * 18) - 0.2) * (0.55 * look.rib)
        np.subtract(shade, ribs, out=shade, where=down > look.length - 0.13)
    return shade


def add_details(layer: NDArray[np.float32], frame: Frame, look: Look) -> None:
    """Draw seams, buttons, lapels, collar and pockets into the planes of a cloth."""
    bright, down, side = layer[0], frame.down, frame.side
    line = max(0.014, 0.9 / frame.scale)
    if look.front > 0.2:
        dim(bright, side < line, 1 - 0.6 * look.front)
    if look.lapel > 0.25:
        add_lapels(layer, frame, look)
    if look.buttons > 0.3:
        is_button = (abs(fraction(down * 6) - 0.5) < 0.14) & (side < 0.03)
        contrast = np.where(bright < 128, 1, -1) * (110 * look.buttons)
        np.add(bright, contrast, out=bright, where=is_button, casting="same_kind")
    if look.collar > 0.25:
        outside = side + 0.6 * down - (look.neck_width + 0.12)
        is_high = down < 0.16
        dim(bright, (outside < 0) & is_high, 1 + 0.35 * look.collar)
        dim(bright, (abs(outside) < line) & is_high, 1 - 0.5 * look.collar)
    if look.pocket > 0.3:
        outside = np.maximum(abs(side - 0.19), abs(down - 0.72) * 1.1) - 0.1
        dim(bright, abs(outside) < line, 1 - 0.45 * look.pocket)


def dim(bright: Plane, where: NDArray[np.bool_], factor: float) -> None:
    """Multiply some pixels of a plane, in place."""
    np.multiply(bright, factor, out=bright, where=where)


def add_lapels(layer: NDArray[np.float32], frame: Frame, look: Look) -> None:
    """Draw a shirt with a tie between two lapels."""
    depth = 0.2 + 0.4 * look.lapel
    inside = 0.16 * (1 - frame.down / depth)
    is_shirt = frame.side < inside
    layer += is_shirt * (SHIRT - layer) * look.lapel
    dim(layer[0], (frame.side < 0.035) & (frame.down < depth), 1 - 0.7 * look.lapel)
    is_lapel = (frame.side < inside + 0.13) & (frame.down < depth) & ~is_shirt
    dim(layer[0], is_lapel, 1 + 0.4 * look.lapel)
