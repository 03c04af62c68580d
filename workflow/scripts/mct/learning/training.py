"""Training one model alone: a pretraining job or a baseline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

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
    share, settings, kind_of = (
        session.share(session.world), training.settings, training.plan.augmentation
    )  # fmt: skip
    noisy = BatchReader(
        image_set, settings.images, seed=order_seed(settings.seed, 1, settings.part), share=share,
        shuffle_window=settings.shuffle_window, kind_of=kind_of,
    )  # fmt: skip
    clean_reader = open_clean_reader(
        clean, settings.images, count=settings.clean_per_batch,
        seed=clean_seed(settings.seed, 1, training.role, settings.part), share=share, kind_of=kind_of,
    )  # fmt: skip
    return SampleReader(noisy, clean_reader)


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
        labels = self.learner.to_device(samples.labels)
        logits = self.learner.forward(*samples.pictures(), key=samples.plan.step)
        loss = self._objective(logits, labels, samples)
        self.learner.update(loss, rate, self.plan.decay_factor(samples.plan))
        value, correct = loss.item(), int((logits.argmax(dim=1) == labels).sum())
        self.history.add(
            {"loss": value * samples.count, "correct": correct, "samples": len(labels)}
        )
        return value

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
