"""Synthetic wrong labels that depend on the picture (Xia et al., NeurIPS 2020, Algorithm 2).

Each picture has a rate of its own at which its label is wrong; which wrong label it gets depends on
its pixels. So noise is not the same for all pictures of a class, as no confusion matrix can be.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLIP_SPREAD = 0.1
"""Standard deviation of the pictures' rates, before they are truncated."""
SIDE = 8
"""Pixels of the small picture whose values are the features."""
BLOCK = 1 << 12
"""Pictures whose features are in memory at a time."""
Features = Callable[[NDArray[np.intp]], NDArray[np.floating]]
RATE_STREAM, WEIGHT_STREAM, LABEL_STREAM = 1, 2, 3


def instance_labels(
    true: NDArray[np.integer], features: Features, rate: float, classes: int, seed: int
) -> NDArray[np.int64]:
    """Return observed labels, shape (n,), of which a share `rate` is wrong in the mean.

    Parameters
    ----------
    true
        True labels, integers of shape (n,).
    features
        Returns the features, shape (m, S), of the pictures at m positions; called once for each
        picture, for a block of one class at a time.
    """
    rates = flip_rates(rate, len(true), seed)
    draws = np.random.default_rng([seed, len(true), LABEL_STREAM]).random(len(true))
    observed = np.empty(len(true), np.int64)
    for label in np.unique(true):
        members = np.flatnonzero(true == label)
        for start in range(0, len(members), BLOCK):
            block = members[start : start + BLOCK]
            probabilities = label_probabilities(
                features(block), rates[block], int(label), classes, seed
            )
            edges = probabilities.cumsum(axis=1)
            edges[:, -1] = 1.0
            observed[block] = (draws[block, None] >= edges).sum(axis=1)
    return observed


def flip_rates(rate: float, samples: int, seed: int) -> NDArray[np.float64]:
    """Return each picture's probability of a wrong label, shape (n,): truncated normal, mean `rate`.

    Truncated alike on both sides, where the paper truncates to [0, 1] and so misses the mean.
    """
    from scipy.stats import truncnorm  # slow to import, and not needed for a plan

    limit = min(rate, 1 - rate) / FLIP_SPREAD
    if not limit:
        return np.full(samples, rate)
    generator = np.random.default_rng([seed, samples, RATE_STREAM])
    drawn = truncnorm.rvs(-limit, limit, size=samples, random_state=generator)
    return rate + FLIP_SPREAD * drawn


def label_probabilities(
    features: NDArray[np.floating],
    rates: NDArray[np.floating],
    label: int,
    classes: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return P(observed label | picture), shape (m, K), of pictures of one class.

    A picture x with rate q has its true label with probability 1 - q, and the others in the shares
    softmax(x w) without the true one, where w, shape (S, K), is drawn for the class from a normal
    distribution.

    Parameters
    ----------
    features, rates
        Shapes (m, S) and (m,).
    """
    from scipy.special import softmax  # slow to import, and not needed for a plan

    generator = np.random.default_rng([seed, label, WEIGHT_STREAM])
    logits = features @ generator.standard_normal((features.shape[1], classes))
    logits[:, label] = -np.inf
    probabilities = rates[:, None] * softmax(logits, axis=1)
    probabilities[:, label] = 1 - rates
    return probabilities


def picture_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the pixels of a picture (h, w, 3) at 8 x 8, shape (S,): mean 0, variance 1.

    All 0 for a picture of one colour, whose wrong labels so fall on all classes alike.
    """
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float64).reshape(-1)
    spread = pixels.std()
    return (pixels - pixels.mean()) / spread if spread else np.zeros_like(pixels)
