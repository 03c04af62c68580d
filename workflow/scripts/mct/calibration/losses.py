"""Losses of a student against its teacher, of each sample."""

from torch import Tensor
from torch.nn import functional

from mct.learning.losses import cross_entropy


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


def target_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -sum_y q(y) log p(y) of each sample, shape (b,); targets q have shape (b, K)."""
    return -(targets * functional.log_softmax(logits, dim=1)).sum(dim=1)
