"""What each model of the pair learns from its samples: labels, a teacher's targets, clean samples."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mct.base.functions import of_shape, open_function
from mct.calibration.settings import CalibrationSettings
from mct.labels.posterior import posterior
from mct.learning.losses import cross_entropy, selected_mean, target_loss


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A rank's samples of a step: b of the noisy batch, then c clean ones.

    `logits` (b + c, K) and `labels` (b + c,) are of both; `teacher` (logits, (b, K)), `mask` (bool,
    (b,), what the model selected) and `known` (int64, (b,), the true label where it may be used,
    else -1) of the noisy ones. `batch`, `selected` and `clean` are their numbers on all ranks of the
    model together.
    """

    logits: Tensor
    labels: Tensor
    teacher: Tensor
    mask: Tensor
    known: Tensor
    batch: int
    selected: int
    clean: int


class Targets:
    """The loss of one model of the pair, by the settings of a calibration."""

    def __init__(
        self, settings: CalibrationSettings, *, is_taught: bool, confusion: Tensor | None
    ) -> None:
        """`confusion` T, shape (K, K), is needed for posterior targets alone."""
        self._settings, self._is_taught, self._confusion = settings, is_taught, confusion
        self._smoothing = settings.optimizer.label_smoothing
        self._own = open_function(settings.teaching) if settings.teaching else None

    def loss(self, lesson: Lesson) -> tuple[Tensor, int]:
        """Return this rank's share of a step's loss, scalar, and the samples it is the mean over.

        (1 - lambda) x mean of the labels' losses over selected and clean samples + lambda x mean of
        the teacher's over the taught and clean ones; clean ones have cross-entropy in both. Without
        samples the model has nothing to learn.
        """
        plain = cross_entropy(lesson.logits, lesson.labels, self._smoothing)
        clean = plain[len(lesson.mask) :]
        chosen = torch.cat([lesson.mask, torch.ones_like(clean, dtype=torch.bool)])
        selected = lesson.selected + lesson.clean
        if not self._is_taught:
            return selected_mean(plain, chosen, selected), selected
        weight = self._settings.soft_target_weight
        taught = torch.cat([self._teach(lesson), clean])
        if self._settings.taught_samples == "selected":
            mixed = (1 - weight) * plain + weight * taught
            return selected_mean(mixed, chosen, selected), selected
        count = lesson.batch + lesson.clean
        labelled = selected_mean(plain, chosen, selected)
        everyone = selected_mean(taught, torch.ones_like(chosen), count)
        return (1 - weight) * labelled + weight * everyone, count

    def _teach(self, lesson: Lesson) -> Tensor:
        """Return the loss against the teacher's targets of each noisy sample, shape (b,)."""
        if self._own:
            return of_shape(self._own(lesson), tuple(lesson.mask.shape), self._settings.teaching)
        student, kind = lesson.logits[: len(lesson.mask)], self._settings.targets
        if kind == "soft":
            return soft_target_loss(student, lesson.teacher, self._settings.temperature)
        if kind == "hard":
            return hard_target_loss(student, lesson.teacher)
        return self._posterior_loss(student, lesson)

    def _posterior_loss(self, student: Tensor, lesson: Lesson) -> Tensor:
        """Return the loss against the teacher's softened prediction given the observed label, (b,).

        tau^2 times cross-entropy at temperature tau, as for soft targets. Where the true label may be
        used, that is the target.
        """
        assert self._confusion is not None, "posterior targets need a confusion"
        tau, observed = self._settings.temperature, lesson.labels[: len(lesson.mask)]
        inferred = posterior(lesson.teacher / tau, observed, self._confusion)
        certain = functional.one_hot(lesson.known.clamp_min(0), inferred.shape[1]).to(inferred)
        targets = torch.where(lesson.known[:, None] >= 0, certain, inferred)
        return tau**2 * target_loss(student / tau, targets)


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
