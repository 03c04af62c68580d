"""Loss of each sample, and sums over the selected ones.

Every training minimises a sum over the selected samples of *all* ranks divided by their global
count. A rank may hold any number of selected samples, none included, so means of ranks are never
averaged.
"""

from math import log

import torch
from torch import Tensor
from torch.nn import functional

from mct.labels.posterior import log_joint

NEGATIVE_WEIGHT, MARGIN = 5.0, 0.1
"""Of CleanNet's verification loss."""
LEAST_LOG = log(1e-7)
"""Of a probability in backward correction."""


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return -log softmax(z)_y of each sample, shape (b,); logits (b, K), labels int64 (b,).

    `smoothing` is the part of a label's probability that all K classes share evenly (Szegedy et al.,
    CVPR 2016, section 7).
    """
    return functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)


def forward_loss(logits: Tensor, labels: Tensor, confusion: Tensor) -> Tensor:
    """Return -log (p T)_observed of each sample, shape (b,).

    `confusion` is T, shape (K, K), T[i, j] = P(observed j | true i), rows sum to 1 (Patrini et al.,
    CVPR 2017, Theorem 2).
    """
    return -torch.logsumexp(log_joint(logits, labels, confusion), dim=1)


def backward_loss(logits: Tensor, labels: Tensor, inverse: Tensor) -> Tensor:
    """Return -sum_j (T^-1)[observed, j] log p_j of each sample, shape (b,); it may be negative.

    `inverse` is the inverse of T, shape (K, K). Its mean over observed labels is the cross-entropy
    with true ones (Patrini et al., CVPR 2017, Theorem 1). It falls without end as p of a class with a
    negative entry falls, so p counts as 1e-7 at least, as in the authors' program.
    """
    likelihood = functional.log_softmax(logits, dim=1).clamp_min(LEAST_LOG)
    return -(inverse.to(logits)[labels] * likelihood).sum(dim=1)


def verification_loss(cosine: Tensor, verified: Tensor) -> Tensor:
    """Return v (1 - cos) + 5 (1 - v) max(0, cos - 0.1) of each pair of picture and class.

    `cosine` and `verified` (v: 1 where the class is the picture's, else 0) have shape (n,)
    (Lee et al., CVPR 2018, Eq. 4; weight and margin are theirs).
    """
    wrong = NEGATIVE_WEIGHT * functional.relu(cosine - MARGIN)
    return torch.where(verified > 0, 1 - cosine, wrong)


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return softmax(z)_y, the confidence in the observed label, shape (b,), without gradient."""
    return torch.softmax(logits.detach(), dim=1).gather(1, labels[:, None])[:, 0]


def selected_mean(loss: Tensor, mask: Tensor, global_count: float) -> Tensor:
    """Return this rank's share of the mean loss over the selected samples of all ranks, scalar.

    `loss` and `mask` (0 or 1, or weights) have shape (b,). Summed over ranks, shares and their
    gradients are the mean of the `global_count` selected samples (weights: their sum). Zero samples
    give a zero with a gradient.
    """
    return (loss * mask.to(loss.dtype)).sum() / (global_count or 1)


def target_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -sum_y q(y) log p(y) of each sample, shape (b,); targets q have shape (b, K)."""
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1)
