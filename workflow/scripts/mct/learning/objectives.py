"""What a model alone minimises: the loss of each sample and how much each counts.

`TrainingSettings.loss` is the loss of labels that nobody verified: `cross_entropy`, `forward` or
`backward` correction, a `LabelLoss` that is named as `module:function`, or `soft`, cross-entropy to a
teacher's predictions in place of labels. Verified ones (the true
labels of the union, clean samples that join a batch) always have cross-entropy, so `forward` on the
union is GLC. `weighting` is `equal`, `verified` (CleanNet's weights) or `easiest` (the N most
confident samples of the global batch in the decay).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.base.files import read_arrays, read_json
from mct.base.functions import of_shape, open_function
from mct.data.clean_batches import Samples
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch
from mct.labels.confusions import invert, read_confusion
from mct.labels.ranking import expected_clean_count, top_mask
from mct.learning.losses import (
    backward_loss,
    confidence,
    cross_entropy,
    forward_loss,
    selected_mean,
    target_loss,
)
from mct.learning.settings import TrainingSettings
from mct.parallel.comm import Comm, gather_blocks

LabelLoss = Callable[[Tensor, Tensor], Tensor]
"""Logits (b, K) and labels (b,) to the loss of each sample (b,)."""
Weighting = Callable[[Tensor, Tensor, Batch], tuple[Tensor, float]]
"""Logits and labels of a rank's block and its batch to weights (b,) and their sum over all ranks."""


def equal_weights(logits: Tensor, labels: Tensor, batch: Batch) -> tuple[Tensor, float]:
    """Return 1 for each sample, and how many the global batch has."""
    return logits.new_ones(len(labels)), batch.plan.size


def given_weights(by_position: NDArray[np.floating]) -> Weighting:
    """Return what looks up weights by position in the set, float array of shape (n,)."""

    def weigh(logits: Tensor, labels: Tensor, batch: Batch) -> tuple[Tensor, float]:
        weights = by_position[batch.positions]
        total = float(weights.sum(dtype=np.float64))
        return torch.from_numpy(weights[batch.block]).to(logits), total

    return weigh


def easiest_examples(
    comm: Comm, noise_rate: float, set_size: int, samples_before: int, passes: int = 1
) -> Weighting:
    """Return online easy example mining: the N most confident samples of a global batch (Eq. 2).

    The first `samples_before` samples of a training, at the constant rate, all count. A rank's block is
    of so many `passes`. Collective.
    """

    def weigh(logits: Tensor, labels: Tensor, batch: Batch) -> tuple[Tensor, float]:
        if batch.plan.epoch * set_size + batch.plan.start < samples_before:
            return equal_weights(logits, labels, batch)
        own = confidence(logits, labels).cpu().numpy()
        count = expected_clean_count(batch.plan.size, noise_rate)
        mask = top_mask(gather_blocks(comm, own, batch.plan.size, passes), count)
        return torch.from_numpy(mask[batch.block]).to(logits), count

    return weigh


class Objective:
    """A rank's share of the loss of a global batch; `trusted`, bool (n,), marks verified labels.

    Labels are smoothed in cross-entropy alone: a correction already spreads them over classes.

    Where there are `targets`, probabilities (n, K), the loss of the noisy samples is cross-entropy to
    them, whatever their labels.

    `compares` says whether weights depend on the predictions for the whole batch. Where they do not,
    the loss of a batch is the sum of the losses of its parts.
    """

    def __init__(
        self,
        label_loss: LabelLoss,
        weigh: Weighting,
        trusted: NDArray[np.bool_],
        smoothing: float = 0.0,
        targets: NDArray[np.floating] | None = None,
        *,
        compares: bool = True,
    ) -> None:
        self._label_loss, self._weigh, self._trusted = label_loss, weigh, trusted
        self._smoothing, self._targets = smoothing, targets
        self.compares = compares

    def __call__(self, logits: Tensor, labels: Tensor, samples: Samples) -> Tensor:
        """Return this rank's share of the weighted mean loss of a batch, scalar.

        `logits` (b + c, K) and `labels` (b + c,) are the rank's block and, after it, its
        clean samples. May be collective.
        """
        batch = samples.noisy
        block = len(batch.labels)
        weights, total = self._weigh(logits[:block], labels[:block], batch)
        weights = torch.cat([weights, weights.new_ones(len(labels) - block)])
        return selected_mean(
            self._losses(logits, labels, batch), weights, total + samples.clean.count
        )

    def _losses(self, logits: Tensor, labels: Tensor, batch: Batch) -> Tensor:
        plain = cross_entropy(logits, labels, self._smoothing)
        if self._targets is not None:
            block = len(batch.labels)
            targets = torch.from_numpy(self._targets[batch.local]).to(logits)
            return torch.cat([target_loss(logits[:block], targets), plain[block:]])
        if self._label_loss is cross_entropy:
            return plain
        trusted = torch.ones(len(labels), dtype=torch.bool)
        own = self._trusted[batch.local]
        trusted[: len(own)] = torch.from_numpy(own)
        return torch.where(trusted.to(logits.device), plain, self._label_loss(logits, labels))


def build_objective(
    settings: TrainingSettings,
    image_set: ImageSet,
    comm: Comm,
    given: Sequence[Path],
    samples_before: int,
) -> Objective:
    """Return the objective of a training; `given` has the file that its loss or its weights need.

    That is a noise or confusion file, or the weights of labels. `samples_before` is how many
    samples the constant rate sees.
    """
    evidence = next(iter(given), None)
    trusted = image_set.in_clean & (settings.training_set == "union")
    teacher = evidence if settings.loss == "soft" else None
    return Objective(
        _label_loss(settings.loss, evidence),
        _weighting(settings, image_set, comm, evidence, samples_before),
        trusted,
        settings.optimizer.label_smoothing,
        read_targets(teacher, image_set) if teacher else None,
        compares=settings.weighting == "easiest",
    )


def _label_loss(name: str, evidence: Path | None) -> LabelLoss:
    if name in ("cross_entropy", "soft"):
        return cross_entropy
    if ":" in name:
        own = open_function(name)
        return lambda logits, labels: of_shape(own(logits, labels), tuple(labels.shape), name)
    assert evidence is not None, "the rule gives a file of the confusion"
    matrix = read_confusion(evidence)
    if name == "forward":
        return partial(forward_loss, confusion=torch.from_numpy(matrix))
    return partial(backward_loss, inverse=torch.from_numpy(invert(matrix)))


def _weighting(
    settings: TrainingSettings,
    image_set: ImageSet,
    comm: Comm,
    evidence: Path | None,
    samples_before: int,
) -> Weighting:
    if settings.weighting == "equal":
        return equal_weights
    assert evidence is not None, "the rule gives a file of weights or of the noise rate"
    if settings.weighting == "verified":
        return given_weights(read_label_weights(evidence, image_set))
    rate = read_json(evidence, "rate")["rate"]
    passes = settings.optimizer.accumulation
    return easiest_examples(comm, rate, len(image_set), samples_before, passes)


def read_label_weights(path: Path, image_set: ImageSet) -> NDArray[np.float32]:
    """Return the weight of each label of a set, shape (n,): 1 where it is verified."""
    samples, weights = read_arrays(path, "sample", "weight")
    places = np.searchsorted(samples, image_set.sample).clip(max=len(samples) - 1)
    known = samples[places] == image_set.sample
    assert (known | image_set.in_clean).all(), "every noisy picture was scored"
    return np.where(image_set.in_clean, np.float32(1), weights[places])


def read_targets(path: Path, image_set: ImageSet) -> NDArray[np.float16]:
    """Return what a teacher predicts for each sample of a set, probabilities (n, K)."""
    samples, probabilities = read_arrays(path, "sample", "probability")
    places = np.searchsorted(samples, image_set.sample)
    assert (samples[places] == image_set.sample).all(), "every noisy picture was predicted"
    return probabilities[places]
