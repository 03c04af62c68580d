"""Which samples of a batch each model learns from: Eq. 1, Eq. 2, ranking and masks.

Pure functions of NumPy arrays. Every rank calls them with the same confidences and gets the same
masks; nothing here communicates.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from mct.labels.ranking import expected_clean_count

LEVEL = 0.01
"""Bound of the probability that no more than M samples of a batch are clean (Eq. 1)."""


class Cut(NamedTuple):
    """How many of the most confident samples each model learns from."""

    auxiliary: int
    primary: int


@lru_cache
def certain_clean_count(batch: int, noise_rate: float) -> int:
    """Return M = max {m : binocdf(m; B, 1-P) < 1 %}, 0 where there is none (Eq. 1).

    With more than 99 % probability a batch of `batch` samples, each of which is wrong with
    probability `noise_rate`, holds more than M clean ones.
    """
    cumulated = bdtr(np.arange(batch + 1), batch, 1.0 - noise_rate)
    return max(int((cumulated < LEVEL).sum()) - 1, 0)


def cut_batch(
    batch: int,
    noise_rate: float,
    noise_bound: float | None = None,
    certain_batch: int | None = None,
) -> Cut:
    """Return M and N of a batch; M uses `noise_bound`, an upper bound of P, where one is known.

    M / B approaches 1 - P as batches grow. With `certain_batch` a batch has that batch's M / B,
    rounded down.
    """
    bound = noise_rate if noise_bound is None else noise_bound
    size = certain_batch or max(batch, 1)
    certain = certain_clean_count(size, bound) * batch // size
    return Cut(certain, expected_clean_count(batch, noise_rate))


def select_within(
    confidence: NDArray[np.floating],
    groups: NDArray[np.integer],
    noise_rates: Sequence[float],
    noise_bounds: Sequence[float],
    certain_batch: int | None = None,
    own_share: float = 1,
) -> NDArray[np.bool_]:
    """Return masks, bool (2, B): the most confident samples of each group for Ma and for Mp.

    `confidence`, float (B,), is the mean of both models in the observed label. `groups`, integer
    (B,), are all zero to rank the whole batch (the paper), else ranks or observed classes. Groups
    have P in `noise_rates` and its upper bound in `noise_bounds`. M and N follow from the mean P of
    the batch, see `cut_batch`. They are shared out by how many clean samples each group should have:
    if each small group had its own M and N, all of them would be rounded up, or be 0. With an
    `own_share` below 1 a group has that share of its own, rounded down, and the rest of M and N are the
    most confident samples of the whole batch.
    """
    masks = np.zeros((2, len(confidence)), dtype=bool)
    if not len(confidence):
        return masks
    order = np.lexsort((-confidence, groups))  # stable: within a group as in `rank_by_confidence`
    sizes = np.bincount(groups, minlength=len(noise_rates))
    clean = [sizes * (1 - np.asarray(rates, float)) for rates in (noise_bounds, noise_rates)]
    bound, rate = (round(1 - float(part.sum()) / len(confidence), 12) for part in clean)
    cut = cut_batch(len(confidence), rate, bound, certain_batch)
    places = np.empty_like(order)
    places[order] = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[groups[order]]
    for mask, weights, count in zip(masks, clean, cut, strict=True):
        parts = share_out(count, weights, sizes)
        sure = places < np.floor(own_share * parts)[groups]
        mask[np.lexsort((-confidence, ~sure))[: parts.sum()]] = True
    return masks


def share_out(
    total: int, weights: NDArray[np.float64], sizes: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return `total` in parts proportional to `weights` (n,), by largest remainder, ties in order.

    No part is above its group's size, of `sizes` (n,): the next remainder then has the rest. A
    group without weight has nothing.
    """
    whole = float(weights.sum())
    quotas = weights * (total / whole) if whole > 0 else np.zeros_like(weights)
    parts = np.minimum(np.floor(np.round(quotas, 9)).astype(np.int64), sizes)
    while total > parts.sum() and len(free := np.flatnonzero((parts < sizes) & (weights > 0))):
        order = np.argsort((parts - quotas)[free], kind="stable")
        parts[free[order[: total - parts.sum()]]] += 1
    return parts
