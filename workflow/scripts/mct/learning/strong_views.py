"""Strong augmentation: harder views of augmented pictures, made on the model's device.

A model that learns from a strong view the target that its teacher gave for the plain one must
agree with itself about both (FixMatch: Sohn et al., NeurIPS 2020). Each change leaves a
picture alone in half of the cases, the cut square apart (DeVries and Taylor, 2017, arXiv
1708.04552); the rest is of random size up to the constants below times the strength.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

ROTATION, SHEAR, ZOOM = math.pi / 6, 0.3, 0.25
"""Radians; shift by a picture's height; exponent."""
BRIGHTNESS, CONTRAST, COLOUR = 0.5, 0.6, 0.9
"""Standard deviations that are added; exponent; share of what tells channels apart."""
CUT = 0.5
"""Side of the square that is cut out, in sides of the picture."""


def strong_views(pictures: Tensor, draws: Tensor, strength: float) -> Tensor:
    """Return a strong view of each picture; a row depends on its own picture and draws alone.

    `pictures` are normalised, floating point (b, 3, h, w), and not changed; views are channels last.
    `draws` are uniform in [0, 1), (b, STRONG_DRAWS), on the same device: turn, two shears, zoom,
    brightness, contrast, colour, row and column of the square. `strength` is 0 (no change) to 1.
    The square, and what lies outside of a picture, is 0: the mean colour.
    """
    if not strength or not len(pictures):
        return pictures
    draws = draws.to(pictures.dtype)
    sizes = strength * signed(draws[:, :7])
    warped = _warped(_recoloured(pictures, sizes[:, 4:]), sizes[:, :4])
    return _cut(warped, draws[:, 7:], strength).contiguous(memory_format=torch.channels_last)


def signed(draws: Tensor) -> Tensor:
    """Return numbers in (-1, 1), of which half are 0, from uniform ones in [0, 1)."""
    centred = 4 * draws - 2
    return torch.sign(centred) * (centred.abs() - 1).clamp_min(0)


def _warped(pictures: Tensor, sizes: Tensor) -> Tensor:
    turn, across, down, zoom = sizes.unbind(dim=1)
    angle, scale = ROTATION * turn, torch.exp(ZOOM * zoom)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    across, down, none = SHEAR * across, SHEAR * down, torch.zeros_like(turn)
    rows = (cosine, across - sine, none), (sine + down, cosine, none)
    maps = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    grid = functional.affine_grid(maps, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False)


def _recoloured(pictures: Tensor, sizes: Tensor) -> Tensor:
    brightness, contrast, colour = (column.view(-1, 1, 1, 1) for column in sizes.unbind(dim=1))
    grey = pictures.mean(dim=1, keepdim=True)
    coloured = grey + (1 + COLOUR * colour) * (pictures - grey)
    return coloured * torch.exp(CONTRAST * contrast) + BRIGHTNESS * brightness


def _cut(pictures: Tensor, places: Tensor, strength: float) -> Tensor:
    """Return pictures without a square whose centre lies anywhere in them."""
    reach = strength * CUT / 2
    masks = [_near(places[:, axis], pictures.shape[axis + 2], reach) for axis in (0, 1)]
    return pictures * ~(masks[0][:, None, :, None] & masks[1][:, None, None, :])


def _near(centres: Tensor, size: int, reach: float) -> Tensor:
    """Return which of `size` lines lie within `reach` of each centre, fractions: (b, size)."""
    lines = (torch.arange(size, device=centres.device, dtype=centres.dtype) + 0.5) / size
    return (lines - centres[:, None]).abs() < reach
