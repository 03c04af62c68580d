"""Who teaches in calibration: Ma or the mean of both models; or averages of their weights."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mct.base.roles import Role
from mct.calibration.averages import WeightAverage
from mct.calibration.settings import CalibrationSettings
from mct.data.loading import Batch
from mct.learning.learner import Learner
from mct.learning.trunk import Seen
from mct.parallel.collectives import share_logits, share_predictions
from mct.parallel.comm import Topology
from mct.stage.state import State


class Teaching(NamedTuple):
    """What is said of a pair's pictures, (b, K) each: the teacher's logits, and what the decisions of
    this rank's model and of the other one can be read from. Ma's rank of a pair that Ma teaches gets
    its own for the other.
    """

    teacher: Tensor
    own: Tensor
    other: Tensor


class Teacher:
    """A rank's part of the teacher of a pair; both ranks of the pair call the same methods."""

    def __init__(
        self, learner: Learner, topology: Topology, settings: CalibrationSettings, set_size: int
    ) -> None:
        self._learner, self._topology, self._settings = learner, topology, settings
        steps_per_epoch = math.ceil(set_size / settings.optimizer.batch_size)
        steps = settings.teacher_average_epochs * steps_per_epoch
        self._average = WeightAverage(learner.model, steps) if steps else None
        self._looks_again = bool(steps) or settings.images.strong_augmentation > 0

    def teach(self, batch: Batch, seen: Seen, logits: Tensor) -> Teaching:
        """Return what the teacher and both models say of the pair's pictures.

        Collective in the pair.

        Parameters
        ----------
        batch
            The pair's noisy pictures.
        seen
            What this rank's model learns from.
        logits
            What it makes of that, shape (b, K).

        """
        own = self._predict(batch, seen, logits)
        if self._settings.teacher == Role.AUXILIARY:
            shared = share_logits(self._topology, own.cpu().numpy())
            teacher = other = torch.from_numpy(shared).to(logits.device)
        else:
            probabilities = torch.softmax(own, dim=1).cpu().numpy()
            both = torch.from_numpy(share_predictions(self._topology, probabilities))
            teacher = log_mean(both).to(logits.device)
            other = both[self._topology.role.partner.place].to(logits.device)
        return Teaching(teacher, own, other)

    def _predict(self, batch: Batch, seen: Seen, logits: Tensor) -> Tensor:
        """Return this rank's model's prediction as logits, shape (b, K), without gradient.

        A model without averages that learns from the pictures as they are has already said in
        `logits` what it makes of them.
        """
        if not self._looks_again:
            return logits.detach()
        if batch.strong is not None:
            seen = self._learner.look(batch.images, shared=len(batch.images))
        return self._learner.infer(seen, self._average.tensors if self._average is not None else {})

    def follow(self) -> None:
        """Take in the model's weights after a step."""
        if self._average is not None:
            self._average.update()

    def state(self) -> State:
        """Return the averages, for a checkpoint."""
        return self._average.state() if self._average is not None else State()

    def restore(self, state: State) -> None:
        """Return to a state, in place."""
        if self._average is not None:
            self._average.restore(state)


def log_mean(probabilities: Tensor) -> Tensor:
    """Return the logarithm of the mean over the first axis of (m, b, K); zeros stay finite."""
    mean = probabilities.mean(dim=0)
    return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
