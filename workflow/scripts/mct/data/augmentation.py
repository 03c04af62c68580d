"""Training views of pictures.

A sample's random numbers depend on (seed, epoch, sample) alone; see `order`. Pictures that are
stored at the size of the view are cropped and mirrored a batch at a time, with the same result.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from mct.data.images import (
    Box,
    decode_box,
    fitted_shape,
    mirror,
    resample,
    resample_centre,
    resample_part,
)
from mct.data.order import Draws
from mct.data.pictures import Picture
from mct.data.settings import ImageSettings

DRAWS = 5
"""Random numbers of one sample: crop's row and column, flip, area, aspect ratio."""
STRONG_DRAWS = 9
"""Those of a strong view of the sample, see `mct.learning.strong_views`."""
CROPPING = ("crop", "crop_flip")
MIRRORING = ("flip", "crop_flip", "random_crop", "resized_crop")
"""Kinds of augmentation that crop a padded picture, and that mirror half of the pictures."""
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Turns pictures into training views, uint8 (size, size, 3).

    `kind` is a value of the key `augmentation`, `resize` of that key; see the schema. Each sample
    has its row of `draw_numbers`, shape (DRAWS,).
    """

    size: int
    kind: str
    resize: int | None = None
    reduced_decoding: bool = False

    @classmethod
    def of(cls, settings: ImageSettings, kind: str = "") -> "Viewer":
        """Return the viewer of a training's settings, or of another kind."""
        return cls(
            size=settings.size, kind=kind or settings.augmentation, resize=settings.resize,
            reduced_decoding=settings.reduced_decoding,
        )  # fmt: skip

    @property
    def resamples(self) -> bool:
        """Whether pictures of the view's size are resampled all the same."""
        return self.kind == "resized_crop"

    def write(self, picture: Picture, draws: Draws, view: Picture) -> None:
        """Write the view of a decoded picture to `view`, contiguous, (size, size, 3)."""
        height, width = picture.shape[:2]
        box, shape = self._region(height, width, draws)
        self._write(box.of(picture), shape, draws, view)

    def write_encoded(self, data: bytes, name: str, draws: Draws, view: Picture) -> None:
        """Write the view of an encoded picture; BrokenPictureError if it is broken."""
        choose = partial(self._region, draws=draws)
        part, shape = decode_box(data, name, choose, reduced=self.reduced_decoding)
        self._write(part, shape, draws, view)

    def _region(self, height: int, width: int, draws: Draws) -> tuple[Box, tuple[int, int]]:
        """Return what is shown of a picture, and the size that it is resized to."""
        if self.resamples:
            return drawn_box(height, width, draws), (self.size, self.size)
        return Box(0, 0, height, width), fitted_shape(height, width, self.size, self.resize)

    def _write(self, picture: Picture, shape: tuple[int, int], draws: Draws, view: Picture) -> None:
        """Write what is shown of a picture, resized to `shape`, at its drawn place."""
        mirrored = self.kind in MIRRORING and bool(draws[2] < 0.5)
        if self.resamples:
            resample(picture, shape, mirrored=mirrored, out=view)
            return
        if self.kind == "random_crop":
            fitted = resample_part(picture, shape, drawn_place(shape, self.size, draws))
        else:
            fitted = resample_centre(picture, shape, self.size)
        if self.kind in CROPPING:
            fitted = padded_crop(fitted, draws)
        resample(fitted, fitted.shape[:2], mirrored=mirrored, out=view)

    def view_many(self, pictures: Picture, draws: Draws, views: Picture) -> None:
        """Write views of pictures of their shape, (b, size, size, 3), by `draws` (b, DRAWS)."""
        views[:] = padded_crops(pictures, draws) if self.kind in CROPPING else pictures
        if self.kind in MIRRORING:
            mirrored = np.flatnonzero(draws[:, 2] < 0.5)
            size = views.shape[1:]
            views[mirrored] = mirror(views[mirrored].reshape(-1, *size[1:])).reshape(-1, *size)


def padded_crop(picture: Picture, draws: Draws) -> Picture:
    """Return a random crop of a square after padding with black by an eighth on every side."""
    size = len(picture)
    down, right = crop_shifts(size, draws[None])[0]
    view = np.zeros_like(picture)
    source, target = _overlap(down, size), _overlap(-down, size)
    view[target, _overlap(-right, size)] = picture[source, _overlap(right, size)]
    return view


def crop_shifts(size: int, draws: Draws) -> NDArray[np.int64]:
    """Return how far crops lie down and right of the picture, shape (b, 2), at most an eighth."""
    margin = size // 8
    return (draws[:, :2] * (2 * margin + 1)).astype(np.int64) - margin


def _overlap(shift: int, size: int) -> slice:
    return slice(max(shift, 0), size + min(shift, 0))


def padded_crops(pictures: Picture, draws: Draws) -> Picture:
    """Return `padded_crop` of each picture, shape (b, size, size, 3)."""
    count, size = pictures.shape[:2]
    margin = size // 8
    padded = np.zeros((count, size + 2 * margin, size + 2 * margin, 3), np.uint8)
    padded[:, margin : margin + size, margin : margin + size] = pictures
    image, row, column, _ = padded.strides
    places = 2 * margin + 1
    shape = (count, places, places, size, 3 * size)
    windows = as_strided(padded, shape, (image, row, column, row, 1), writeable=False)
    down, right = crop_shifts(size, draws).T + margin
    return windows[np.arange(count), down, right].reshape(pictures.shape)


def drawn_place(shape: tuple[int, int], size: int, draws: Draws) -> Box:
    """Return a square of `size` at a random place of a picture; all places are equally likely."""
    top, left = (
        int(float(draw) * (side - size + 1)) for draw, side in zip(draws[:2], shape, strict=True)
    )
    return Box(top, left, size, size)


def drawn_box(height: int, width: int, draws: Draws) -> Box:
    """Return a box of random area and aspect ratio (Szegedy et al., CVPR 2015).

    One draw for area and one for aspect; where they do not fit into the picture the crop is cut
    to its borders, so that the number of random numbers is fixed.
    """
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * float(draws[3]))
    aspect = float(np.exp(np.log(ASPECT[0]) + np.log(ASPECT[1] / ASPECT[0]) * float(draws[4])))
    crop_width = max(1, min(width, round((area * aspect) ** 0.5)))
    crop_height = max(1, min(height, round((area / aspect) ** 0.5)))
    top = int(draws[0] * (height - crop_height + 1))
    left = int(draws[1] * (width - crop_width + 1))
    return Box(top, left, crop_height, crop_width)
