"""What an observed label and a prediction say together of the true class.

The E-step of a noise model: T[i, j] = P(observed j | true i) weighs a prediction by the label that was
observed. Calibration teaches it, and labels are judged by it.
"""

import torch
from torch import Tensor
from torch.nn import functional


def posterior(logits: Tensor, observed: Tensor, confusion: Tensor) -> Tensor:
    """Return q(y) = p(y|x) T[y, observed] / sum of it over y, shape (b, K), without gradient.

    `logits` (b, K) are the prediction p's, or its log-probabilities; `observed` labels are
    int64 (b,), T is (K, K). A label that no class can have says nothing: then q is p.
    """
    joint = log_joint(logits.detach(), observed, confusion)
    is_possible = joint.amax(dim=1, keepdim=True) > -torch.inf
    return torch.softmax(torch.where(is_possible, joint, logits.detach()), dim=1)


def log_joint(logits: Tensor, observed: Tensor, confusion: Tensor) -> Tensor:
    """Return log p(y|x) T[y, observed], shape (b, K)."""
    evidence = confusion.to(logits).log().T[observed]
    return functional.log_softmax(logits, dim=1) + evidence
