"""Decoding, fitting and augmenting pictures.

A decoded picture is a uint8 tensor of shape (3, height, width). Augmentation is drawn from a
counter-based generator, so that a sample's parameters depend on (seed, epoch, sample) alone.
"""

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from mct.errors import UserError

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


def decode(data: bytes, name: str) -> Tensor:
    """Return an encoded picture as RGB, uint8 (3, height, width); UserError if it is broken."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{name}: cannot be decoded as a picture: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def fit(image: Tensor, size: int) -> Tensor:
    """Return a picture as (3, size, size): short side resized, centre cropped.

    Larger inputs keep a margin around the crop, as is usual in evaluation at 224 pixels.
    """
    if image.shape[1:] == (size, size):
        return image
    short = size if size <= TINY else round(size * EVALUATION_RATIO)
    resized = functional.resize(image, [short], InterpolationMode.BILINEAR, antialias=True)
    return functional.center_crop(resized, [size, size])


def augment(image: Tensor, size: int, kind: str, draws: NDArray[np.float32]) -> Tensor:
    """Return a training view, uint8 (3, size, size), of a picture.

    Parameters
    ----------
    kind
        `none`, `crop`, `crop_flip` or `resized_crop`; see the schema.
    draws
        The sample's row of `draw_parameters`, shape (DRAWS,).
    """
    if kind == "none":
        return fit(image, size)
    view = resized_crop(image, size, draws) if kind == "resized_crop" else padded_crop(image, size, draws)
    if kind != "crop" and draws[2] < 0.5:
        return functional.horizontal_flip_image(view)
    return view


def padded_crop(image: Tensor, size: int, draws: NDArray[np.float32]) -> Tensor:
    """Return a random crop after padding with black by an eighth on every side."""
    margin = size // 8
    padded = functional.pad_image(fit(image, size), [margin])
    top, left = (int(draw * (2 * margin + 1)) for draw in draws[:2])
    return functional.crop_image(padded, top, left, size, size)


def resized_crop(image: Tensor, size: int, draws: NDArray[np.float32]) -> Tensor:
    """Return a crop of random area and aspect ratio, resized (Szegedy et al., CVPR 2015).

    One draw for area and one for aspect; where they do not fit into the picture the crop is cut
    to its borders, so that the number of random numbers is fixed.
    """
    height, width = image.shape[1:]
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * float(draws[3]))
    aspect = float(np.exp(np.log(ASPECT[0]) + np.log(ASPECT[1] / ASPECT[0]) * float(draws[4])))
    crop_width = max(1, min(width, round((area * aspect) ** 0.5)))
    crop_height = max(1, min(height, round((area / aspect) ** 0.5)))
    top = int(draws[0] * (height - crop_height + 1))
    left = int(draws[1] * (width - crop_width + 1))
    return functional.resized_crop(
        image, top, left, crop_height, crop_width, [size, size], InterpolationMode.BILINEAR, antialias=True
    )
