"""How strongly labels should be corrected, by clean samples that the teacher was not trained on.

An observed label alone says something of the true class, by the confusion of labels. A teacher says
more, or less: one that is weak and sure of itself makes targets worse. The strength is the teacher's
part in the mixture of both that makes the true labels of held-out samples likeliest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from mct.labels.confusions import Matrix

ROUNDS = 200
"""Steps of expectation maximisation; the likelihood has one maximum."""
PRIOR = 5.0
"""Samples for each side that are counted in before the first: few samples are no proof."""
LEAST = 1e-12


class Strength(NamedTuple):
    """The teacher's part, 0 to 1, and mean log likelihoods of the true label of `samples`.

    `label` is that of the observed label alone, `teacher` that of the label and the teacher.
    """

    strength: float
    samples: int
    label: float
    teacher: float


def measure_strength(
    logits: NDArray[np.floating], true: NDArray[np.integer], matrix: Matrix
) -> Strength:
    """Return how strongly to correct, from a teacher's logits (n, K) and the true labels (n,).

    T = `matrix`, (K, K), is P(observed j | true i). Each sample counts with every label that it could
    be observed with, by T: observed labels of clean samples are not needed.
    """
    chances = matrix[true]
    likely = matrix * _priors(true, len(matrix))[:, None]
    alone = (likely / np.maximum(likely.sum(axis=0), LEAST))[true]
    prediction = np.exp(log_softmax(logits.astype(np.float64), axis=1))
    evidence = np.maximum(prediction @ matrix, LEAST)
    own = np.take_along_axis(prediction, true[:, None], axis=1)
    taught = own * chances / evidence
    share = _mix(chances, alone, taught)
    means = (
        float((chances * np.log(np.maximum(part, LEAST))).sum(axis=1).mean())
        for part in (alone, taught)
    )
    return Strength(share, len(true), *means)


def _priors(true: NDArray[np.integer], classes: int) -> NDArray[np.float64]:
    """Return the shares of true classes, (K,), of which each has one sample more than there are."""
    counts = np.bincount(true, minlength=classes) + 1.0
    return counts / counts.sum()


def _mix(
    weights: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]
) -> float:
    """Return the share of `other` in the likeliest mixture of two likelihoods, arrays of one shape."""
    share, total = 0.5, weights.sum() + 2 * PRIOR
    for _ in range(ROUNDS):
        mixed = np.maximum((1 - share) * one + share * other, LEAST)
        share = float(((weights * share * other / mixed).sum() + PRIOR) / total)
    return share
