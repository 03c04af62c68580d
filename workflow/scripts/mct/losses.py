"""Loss of each sample, and sums over the selected ones.

Every training minimises a sum over the selected samples of *all* ranks divided by their global
count. A rank may hold any number of selected samples, none included, so means of ranks are never
averaged.
"""

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return -log softmax(z)_y of each sample, shape (b,); logits (b, K), labels int64 (b,)."""
    return functional.cross_entropy(logits, labels, reduction="none")


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return tau^2 KL(softmax(z_t / tau) || softmax(z_s / tau)) of each sample, shape (b,).

    Both logits have shape (b, K); the teacher's get no gradient (Hinton, Vinyals, Dean, 2015).
    """
    target = functional.log_softmax(teacher.detach() / temperature, dim=1)
    prediction = functional.log_softmax(student / temperature, dim=1)
    divergence = functional.kl_div(prediction, target, reduction="none", log_target=True).sum(dim=1)
    return temperature**2 * divergence


def hard_target_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return cross-entropy to the teacher's decision of each sample, shape (b,)."""
    return cross_entropy(student, teacher.detach().argmax(dim=1))


def taught_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    weight: float,
    temperature: float,
    targets: str,
) -> Tensor:
    """Return (1 - lambda) CE(observed) + lambda x teacher's loss of each sample, shape (b,).

    `weight` is lambda (Mp's loss in calibration); 0 teaches nothing. `targets` is `soft` or `hard`.
    """
    if targets == "soft":
        taught = soft_target_loss(student, teacher, temperature)
    else:
        taught = hard_target_loss(student, teacher)
    return (1 - weight) * cross_entropy(student, labels) + weight * taught


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return softmax(z)_y, the confidence in the observed label, shape (b,), without gradient."""
    return torch.softmax(logits.detach(), dim=1).gather(1, labels[:, None])[:, 0]


def selected_mean(loss: Tensor, mask: Tensor, global_count: int) -> Tensor:
    """Return this rank's share of the mean loss over the selected samples of all ranks, scalar.

    `loss` and `mask` (0 or 1) have shape (b,). Summed over ranks, shares and their gradients are
    the mean of the `global_count` selected samples. Zero samples give a zero with a gradient.
    """
    return (loss * mask.to(loss.dtype)).sum() / max(global_count, 1)
