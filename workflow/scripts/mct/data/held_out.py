"""Samples of a set that a training leaves out, for decisions about what it learned."""

import numpy as np
from numpy.typing import NDArray

from mct.base.partition import count_held_out
from mct.data.imagesets import ImageSet


def held_out(samples: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which of a set's samples are held out, bool (n,), drawn by seed."""
    chosen = np.zeros(samples, bool)
    count = count_held_out(samples, share)
    chosen[np.random.default_rng([seed, samples]).permutation(samples)[:count]] = True
    return chosen


def split_off(image_set: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Return what is left of a set, and what is held out of it."""
    chosen = held_out(len(image_set), share, seed)
    return image_set.take(np.flatnonzero(~chosen)), image_set.take(np.flatnonzero(chosen))
