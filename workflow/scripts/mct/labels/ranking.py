"""The most confident samples of a batch: how many are expected to be clean (Eq. 2), and which.

Pure functions, for calibration and for baselines that train on a part of a batch.
"""

import math

import numpy as np
from numpy.typing import NDArray


def expected_clean_count(batch: int, noise_rate: float) -> int:
    """Return N = ceil(B (1-P)), the expected number of clean samples, rounded up (Eq. 2).

    Guarded against floating point: (B=10, P=.7) is 3 and (100, .42) is 58.
    """
    return math.ceil(round(batch * (1.0 - noise_rate), 9))


def rank_by_confidence(confidence: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return positions by descending confidence, ties by position; float array of shape (B,)."""
    return np.argsort(-confidence, kind="stable")


def top_mask(confidence: NDArray[np.floating], count: int) -> NDArray[np.bool_]:
    """Return a mask of shape (B,) that is true at the `count` most confident samples."""
    mask = np.zeros(len(confidence), dtype=bool)
    mask[rank_by_confidence(confidence)[:count]] = True
    return mask
