"""What people would call a picture: wrong more often where it resembles another class.

A label depends on the class and on the picture. Classes differ in how often they are mistaken, and
each mostly for the few that it looks like. An ambiguous picture is mistaken more often, mostly for
the class that it resembles.
"""

import numpy as np
from numpy.typing import NDArray

from garments.looks import ALIKE, ALIKE_SHARES, NAMES

CLASS_SPREAD = 0.35
"""The most and the least mistaken class differ by this share from the mean rate, either way."""
SURE_SHARE = 0.3
"""How much of the mean rate is left where a picture is not ambiguous at all."""
RESEMBLED_SHARE = 0.7
"""Share of wrong labels that name the class that the picture resembles."""
ANY_SHARE = 0.1
"""Share of the other wrong labels that fall on any class."""
MOST_WRONG = 0.95
"""Largest probability of a wrong label of one picture."""


def alike_matrix() -> NDArray[np.float64]:
    """Return the probability, shape (K, K), that a class (row) is taken for another (column)."""
    matrix = np.zeros((len(NAMES), len(NAMES)))
    for row, name in enumerate(NAMES):
        for other, share in zip(ALIKE[name], ALIKE_SHARES, strict=True):
            matrix[row, NAMES.index(other)] = share
    return matrix


def draw_resembled(true: NDArray[np.integer], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the other class, shape (n,), that each picture resembles more or less."""
    return _draw_columns(alike_matrix()[true], generator)


def _draw_columns(
    chances: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.int64]:
    edges = chances.cumsum(axis=1)
    edges[:, -1] = 1.0
    return (generator.random(len(chances))[:, None] >= edges).sum(axis=1)


def wrong_probabilities(
    true: NDArray[np.integer], ambiguity: NDArray[np.float64], rate: float
) -> NDArray[np.float64]:
    """Return each picture's probability of a wrong label, shape (n,), whose mean is `rate`."""
    by_class = 1 + CLASS_SPREAD * np.cos(np.arange(len(NAMES)) * 2.4)
    weights = by_class[true] * (SURE_SHARE + 2 * (1 - SURE_SHARE) * ambiguity)
    low, high = 0.0, 1 / weights.min()
    for _ in range(50):
        scale = (low + high) / 2
        is_less = np.minimum(scale * weights, MOST_WRONG).mean() < rate
        low, high = (scale, high) if is_less else (low, scale)
    return np.minimum(high * weights, MOST_WRONG)


def draw_labels(
    true: NDArray[np.integer],
    resembled: NDArray[np.integer],
    ambiguity: NDArray[np.float64],
    rate: float,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Return observed labels, shape (n,), of pictures given by shape (n,) arrays."""
    count, classes = len(true), len(NAMES)
    if not count:
        return np.empty(0, np.int64)
    any_class = (1 - np.eye(classes)) / (classes - 1)
    confusion = (1 - ANY_SHARE) * alike_matrix() + ANY_SHARE * any_class
    others = _draw_columns(confusion[true], generator)
    wrong = np.where(generator.random(count) < RESEMBLED_SHARE, resembled, others)
    is_wrong = generator.random(count) < wrong_probabilities(true, ambiguity, rate)
    return np.where(is_wrong, wrong, true).astype(np.int64)
