"""Training one model alone: a pretraining job or a baseline."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mct.base.roles import Role, clean_seed, order_seed
from mct.data.clean_batches import SampleReader, Samples, open_clean_reader
from mct.data.imagesets import ImageSet
from mct.data.loading import BatchReader
from mct.learning.divergence import ALONE
from mct.learning.learner import Learner
from mct.learning.loop import Training
from mct.learning.models import build_model, load_weights
from mct.learning.objectives import Objective
from mct.learning.plan import Plan
from mct.learning.settings import TrainingSettings
from mct.stage.session import Session


def start_model(
    settings: TrainingSettings,
    classes: int,
    seed: int,
    initial: Sequence[Path],
    start: Sequence[Path],
) -> nn.Module:
    """Return a model at its start: random by seed, `initial` weights, or those of an earlier training.

    A file in `initial` may be of other classes, one in `start` has the model's own.
    """
    model = build_model(settings.model, classes, settings.images.size, seed, initial)
    for weights in start:
        load_weights(model, weights)
    return model


def dropout_seed(settings: TrainingSettings, seed: int) -> tuple[int, ...]:
    """Return what dropout is drawn from, by the model's seed; each part of a training has its own."""
    return (1, seed, settings.part) if settings.part else (1, seed)


def training_reader(
    session: Session, training: "ModelTraining", image_set: ImageSet, clean: Path
) -> SampleReader:
    """Return the reader of a training's batches; `clean` is the index of its clean samples."""
    settings, kind_of = training.settings, training.plan.augmentation
    share = session.share(session.world, settings.optimizer.accumulation)
    noisy = BatchReader(
        image_set, settings.images, seed=order_seed(settings.seed, 1, settings.part), share=share,
        shuffle_window=settings.shuffle_window, kind_of=kind_of,
    )  # fmt: skip
    clean_reader = open_clean_reader(
        clean, settings.images, count=settings.clean_per_batch,
        seed=clean_seed(settings.seed, 1, training.role, settings.part), share=share, kind_of=kind_of,
    )  # fmt: skip
    return SampleReader(noisy, clean_reader)


def count_equal(logits: Tensor, labels: Tensor) -> int:
    """Return how many of logits (b, K) are highest for their labels (b,)."""
    return int((logits.argmax(dim=1) == labels).sum())


class ModelTraining(Training):
    """One rank's part in training one model alone."""

    quantities: ClassVar = {"loss": (), "correct": (), "samples": ()}

    def __init__(
        self,
        learner: Learner,
        plan: Plan,
        objective: Objective,
        *,
        settings: TrainingSettings,
        role: Role,
    ) -> None:
        super().__init__(learner, plan, settings=settings, role=role, comm=learner.comm)
        self._objective = objective
        self._is_alone = False

    def step(self, samples: Samples, rate: float) -> float:
        self._begin_phase(self.plan.seen(samples.plan) < self.plan.classifier_samples)
        is_divided = bool(samples.rows) and not self._objective.compares
        value, correct = (self._step_by_pass if is_divided else self._step)(samples, rate)
        self.history.add(
            {"loss": value * samples.count, "correct": correct, "samples": len(samples.labels)}
        )
        return value

    def _step(self, samples: Samples, rate: float) -> tuple[float, int]:
        """Make a step; return this rank's loss, and how many labels it predicted."""
        labels = self.learner.to_device(samples.labels)
        key, passes = samples.plan.step, samples.rows
        logits = self.learner.forward(*samples.pictures(), key=key, passes=passes)
        loss = self._objective(logits, labels, samples)
        self.learner.update(loss, rate, self.plan.decay_factor(samples.plan))
        return loss.item(), count_equal(logits, labels)

    def _step_by_pass(self, samples: Samples, rate: float) -> tuple[float, int]:
        """Do the same, where the loss of a pass does not depend on others: no pass runs twice."""
        parts = samples.passes()
        labels = [self.learner.to_device(part.labels) for part in parts]
        losses = [
            partial(self._objective, labels=own, samples=part)
            for part, own in zip(parts, labels, strict=True)
        ]
        pictures = [part.pictures() for part in parts]
        decay = self.plan.decay_factor(samples.plan)
        found = self.learner.update_by_pass(pictures, losses, rate, decay, key=samples.plan.step)
        value = sum(loss.item() for _, loss in found)
        pairs = zip(found, labels, strict=True)
        return value, sum(count_equal(logits, own) for (logits, _), own in pairs)

    def _begin_phase(self, alone: bool) -> None:
        """Let the classifier learn alone, or no longer, from this step on."""
        if alone != self._is_alone:
            self.learner.learn_classifier_alone(alone)
            self._is_alone = alone

    @staticmethod
    def summarise(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
        """Return mean loss and accuracy on the trained labels."""
        return {
            "loss": float(sums["loss"] / sums["samples"]),
            "training_accuracy": float(sums["correct"] / sums["samples"]),
        }

    def diverged(self) -> dict[str, NDArray[np.float64]]:
        sums = self.history.arrays()
        with np.errstate(invalid="ignore"):
            return {ALONE: sums["loss"] / sums["samples"]}
