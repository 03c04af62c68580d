"""Fitting and augmenting pictures.

A decoded picture is a uint8 array of shape (height, width, 3). Augmentation is drawn from a
counter-based generator, so that a sample's parameters depend on (seed, epoch, sample) alone.
Cropping and flipping are slices of arrays; whatever resamples is torchvision's functional
transform, imported when it is needed because that import takes seconds.
"""

import numpy as np
from numpy.typing import NDArray

from mct.pictures import Picture

DRAWS = 5
"""Random numbers of one sample: crop's row and column, flip, area, aspect ratio."""
ORDER_STREAM, AUGMENTATION_STREAM = 0, 1
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
EVALUATION_RATIO = 256 / 224
"""Short side before the centre crop, relative to the crop, where pictures are not tiny."""
TINY = 64


def keyed_generator(seed: int, epoch: int, stream: int) -> np.random.Generator:
    """Return the generator of one purpose in one epoch: Philox keyed by (seed, epoch)."""
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, stream]))


def draw_parameters(seed: int, epoch: int, samples: int) -> NDArray[np.float32]:
    """Return uniform numbers in [0, 1) of shape (samples, DRAWS); row i is that of sample i.

    The generator is counter-based and rows follow each other, so row i does not depend on how
    many samples there are.
    """
    generator = keyed_generator(seed, epoch, AUGMENTATION_STREAM)
    return generator.random((samples, DRAWS), dtype=np.float32)


def fit(picture: Picture, size: int) -> Picture:
    """Return a picture as (size, size, 3): short side resized, centre cropped.

    Larger inputs keep a margin around the crop, as is usual in evaluation at 224 pixels.
    """
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    short = size if size <= TINY else round(size * EVALUATION_RATIO)
    scale = short / min(height, width)
    shape = max(short, round(height * scale)), max(short, round(width * scale))
    resized = _resample(picture, (0, 0, height, width), shape)
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return resized[top : top + size, left : left + size]


def augment(picture: Picture, size: int, kind: str, draws: NDArray[np.float32]) -> Picture:
    """Return a training view, uint8 (size, size, 3), of a picture.

    Parameters
    ----------
    kind
        `none`, `crop`, `crop_flip` or `resized_crop`; see the schema.
    draws
        The sample's row of `draw_parameters`, shape (DRAWS,).
    """
    if kind == "none":
        return fit(picture, size)
    view = (
        resized_crop(picture, size, draws)
        if kind == "resized_crop"
        else padded_crop(picture, size, draws)
    )
    return view[:, ::-1] if kind != "crop" and draws[2] < 0.5 else view


def padded_crop(picture: Picture, size: int, draws: NDArray[np.float32]) -> Picture:
    """Return a random crop after padding with black by an eighth on every side."""
    margin = size // 8
    picture = fit(picture, size)
    down, right = (int(draw * (2 * margin + 1)) - margin for draw in draws[:2])
    view = np.zeros_like(picture)
    source, target = _overlap(down, size), _overlap(-down, size)
    view[target, _overlap(-right, size)] = picture[source, _overlap(right, size)]
    return view


def _overlap(shift: int, size: int) -> slice:
    return slice(max(shift, 0), size + min(shift, 0))


def resized_crop(picture: Picture, size: int, draws: NDArray[np.float32]) -> Picture:
    """Return a crop of random area and aspect ratio, resized (Szegedy et al., CVPR 2015).

    One draw for area and one for aspect; where they do not fit into the picture the crop is cut
    to its borders, so that the number of random numbers is fixed.
    """
    height, width = picture.shape[:2]
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * float(draws[3]))
    aspect = float(np.exp(np.log(ASPECT[0]) + np.log(ASPECT[1] / ASPECT[0]) * float(draws[4])))
    crop_width = max(1, min(width, round((area * aspect) ** 0.5)))
    crop_height = max(1, min(height, round((area / aspect) ** 0.5)))
    top = int(draws[0] * (height - crop_height + 1))
    left = int(draws[1] * (width - crop_width + 1))
    return _resample(picture, (top, left, crop_height, crop_width), (size, size))


def _resample(picture: Picture, box: tuple[int, int, int, int], shape: tuple[int, int]) -> Picture:
    """Return the box (top, left, height, width) of a picture, resized to `shape` with antialiasing."""
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    writable = picture if picture.flags.writeable else picture.copy()
    tensor = torch.from_numpy(writable).permute(2, 0, 1)
    view = functional.resized_crop(
        tensor, *box, list(shape), InterpolationMode.BILINEAR, antialias=True
    )
    return view.permute(1, 2, 0).numpy()
