"""A confusion of labels and a noise rate that say the same.

A confusion that a weak model estimated takes the model's own mistakes for wrong labels. So it is
brought to the rate P that is given or counted: how wrong labels fall on the classes stays the model's,
how many there are is P.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.labels.confusions import Matrix

ROUNDS = 200
"""Steps of the iteration that finds the shares of true classes; it ends in the likeliest ones."""
HALVINGS = 60
WIDEST = 50.0
"""Bound of the shift of log odds: e^-50 is nothing beside a rate that any data set can show."""
LEAST = 1e-9
TOLERANCE = 0.02
"""How far beyond P's interval a confusion's rate may lie without contradicting it."""


def implied_rate(matrix: Matrix, shares: NDArray[np.float64]) -> float:
    """Return the share of wrong labels by T[i, j] = P(observed j | true i), shape (K, K).

    `shares` (K,) are those of the observed classes, which T must explain.
    """
    joint = _joint(matrix, shares)
    return float(1 - joint.trace() / joint.sum())


def agree(matrix: Matrix, shares: NDArray[np.float64], rate: float) -> Matrix:
    """Return the T, shape (K, K), by which `rate` of all labels are wrong.

    Each observed class has the rate of wrong labels that `matrix` gives it, moved by as much in log
    odds as all others, and keeps its share of all labels and the shares of true classes among its
    wrong ones. A true class that no label points to counts as labelled right.
    """
    joint = _joint(matrix, shares)
    totals = joint.sum(axis=0)
    right = joint.diagonal()
    wrong = totals - right
    rates = np.divide(wrong, totals, out=np.zeros_like(wrong), where=totals > 0)
    moved = _move(rates, totals, rate)
    scale = np.divide(moved * totals, wrong, out=np.zeros_like(wrong), where=wrong > 0)
    new = joint * scale
    np.fill_diagonal(new, (1 - moved) * totals)
    rows = new.sum(axis=1, keepdims=True)
    return np.where(rows > 0, new / np.where(rows > 0, rows, 1), np.eye(len(new)))


def _joint(matrix: Matrix, shares: NDArray[np.float64]) -> Matrix:
    """Return the joint J[i, j] of true and observed classes, with the likeliest true shares.

    Maximum likelihood by expectation maximisation (Richardson-Lucy), from even shares.
    """
    true = np.full(len(matrix), 1 / len(matrix))
    for _ in range(ROUNDS):
        expected = np.maximum(true @ matrix, LEAST)
        true = true * (matrix @ (shares / expected))
        true /= true.sum()
    return true[:, None] * matrix


def _move(
    rates: NDArray[np.float64], weights: NDArray[np.float64], rate: float
) -> NDArray[np.float64]:
    """Return rates (K,) moved alike in log odds, so that their mean with `weights` is `rate`."""
    inner = np.clip(rates, LEAST, 1 - LEAST)
    odds, low, high = np.log(inner / (1 - inner)), -WIDEST, WIDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        moved = 1 / (1 + np.exp(-(odds + middle)))
        low, high = (middle, high) if moved @ weights < rate * weights.sum() else (low, middle)
    return 1 / (1 + np.exp(-(odds + (low + high) / 2)))


def describe_contradiction(record: Mapping[str, Any]) -> str:
    """Return in words that a confusion contradicted P, by a calibration's record; else nothing."""
    if not record.get("contradicts"):
        return ""
    found = record["confusion_rate"]
    low, high = (f"{100 * record[f'noise_{end}']:.1f}" for end in ("lower", "upper"))
    interval = f" ({low} to {high})" if low != high else ""
    return (
        f"confusion says {100 * found:.1f} % of labels are wrong, P is "
        f"{100 * record['noise_rate']:.1f} %{interval}: it was brought to P"
    )
