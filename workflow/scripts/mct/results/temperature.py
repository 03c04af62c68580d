"""Probabilities made honest by one number: a temperature that logits are divided by.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2. It changes no prediction,
only how sure each is.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.01, 100.0
"""Between which a temperature is sought."""
BINS = 15
"""Of equal width, in which confidence and accuracy are compared; as many as Guo et al. have."""


class Temperature(NamedTuple):
    """A temperature, and why it is not simply the best one; the note is empty where it is."""

    value: float
    note: str = ""


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Temperature:
    """Return the temperature at which labels (n,) are most likely by logits (n, K).

    Where every prediction is right the likelihood grows without end as the temperature falls; it is 1
    then. The search is in its logarithm: the mean loss has one minimum there.
    """
    wrong = int((logits.argmax(axis=1) != labels).sum())
    if not wrong:
        note = f"not fitted: all {len(labels)} predictions are right, so no temperature is the best"
        return Temperature(1.0, note)
    from scipy.optimize import minimize_scalar  # slow to import

    found = minimize_scalar(
        lambda log: mean_loss(logits, labels, math.exp(log)),
        bounds=(math.log(LOWEST), math.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    value = math.exp(found.x)
    is_limit = min(value / LOWEST, HIGHEST / value) < 1.001
    return Temperature(value, "at the limit of the search" if is_limit else "")


def mean_loss(
    logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float = 1
) -> float:
    """Return the mean negative log likelihood of labels (n,), in nats, by logits over a temperature."""
    logs = _log_probabilities(logits, temperature)
    return float(-logs[np.arange(len(labels)), labels].mean())


def probabilities(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return probabilities (n, K) by logits (n, K) over a temperature."""
    return np.exp(_log_probabilities(logits, temperature))


def _log_probabilities(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    from scipy.special import log_softmax  # slow to import

    return log_softmax(logits.astype(np.float64) / temperature, axis=1)


def calibration_error(
    found: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS
) -> float:
    """Return the expected calibration error of probabilities (n, K) for labels (n,), a share.

    Guo et al., Eq. 3: the mean over bins ((m - 1) / bins, m / bins] of the largest probability, weighted
    by their samples, of the difference between accuracy and mean confidence.
    """
    confidence = found.max(axis=1)
    right = found.argmax(axis=1) == labels
    places = (np.ceil(confidence * bins) - 1).clip(0, bins - 1).astype(np.int64)
    gaps = np.bincount(places, weights=right - confidence, minlength=bins)
    return float(abs(gaps).sum() / len(labels))
