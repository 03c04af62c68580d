"""Who teaches in calibration: Ma or the mean of both models; or averages of their weights."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mct.base.roles import Role
from mct.calibration.settings import CalibrationSettings
from mct.data.loading import Batch
from mct.learning.learner import Learner
from mct.learning.models import to_array
from mct.learning.trunk import Seen
from mct.parallel.comm import Topology, share_logits, share_predictions
from mct.stage.state import Arrays, State
from mct.stage.step_times import Stopwatch

PREFIX = "average."


class WeightAverage:
    """An exponential moving average of parameters and running statistics, on the model's device.

    After each step a <- d a + (1 - d) w with d = 1 - 1 / `steps`; it starts at the model.
    """

    def __init__(self, model: nn.Module, steps: float) -> None:
        self._model = model
        self._rate = 1 / max(steps, 1.0)
        self.tensors = {name: value.detach().clone() for name, value in named_tensors(model)}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's weights, in place. Counters of steps are copied."""
        values = dict(named_tensors(self._model))
        floating = [name for name, value in values.items() if value.is_floating_point()]
        averages = [self.tensors[name] for name in floating]
        torch._foreach_lerp_(averages, [values[name] for name in floating], self._rate)
        for name in values.keys() - set(floating):
            self.tensors[name].copy_(values[name])

    def state(self) -> State:
        """Return averages of parameters, equal on all ranks, and of running statistics, each rank's."""
        buffers = dict(self._model.named_buffers())
        shared: Arrays = {}
        local: Arrays = {}
        for name, value in self.tensors.items():
            (local if name in buffers else shared)[PREFIX + name] = to_array(value)
        return State(shared, local)

    def restore(self, state: State) -> None:
        """Return to a state that `state` returned, in place; others' entries are left alone."""
        for name, value in {**state.shared, **state.local}.items():
            if name.startswith(PREFIX):
                self.tensors[name.removeprefix(PREFIX)].copy_(torch.from_numpy(value))


def named_tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return a model's parameters and buffers by name."""
    return [*model.named_parameters(), *model.named_buffers()]


class Teaching(NamedTuple):
    """Predictions for a pair's pictures, (b, K) each: the teacher's logits, and logits or probabilities
    of this rank's model and of the other one. If Ma teaches, its rank gets its own as the other's.
    """

    teacher: Tensor
    own: Tensor
    other: Tensor


class Teacher:
    """A rank's part of the teacher of a pair; both ranks of the pair call the same methods.

    `exchanging` adds up the seconds of handing predictions to the other rank.
    """

    def __init__(
        self, learner: Learner, topology: Topology, settings: CalibrationSettings, set_size: int
    ) -> None:
        self._learner, self._topology, self._settings = learner, topology, settings
        steps_per_epoch = math.ceil(set_size / settings.optimizer.batch_size)
        steps = settings.teacher_average_epochs * steps_per_epoch
        self._average = WeightAverage(learner.model, steps) if steps else None
        self.exchanging = Stopwatch()
        self._looks_again = bool(steps) or settings.images.strong_augmentation > 0

    def teach(self, batch: Batch, seen: Seen, logits: Tensor) -> Teaching:
        """Return the predictions of the teacher and of both models. Collective in the pair.

        `batch` has the pair's noisy pictures, `seen` what this rank's model learns from; `logits`
        (b, K) are from that forward pass.
        """
        own = self._predict(batch, seen, logits)
        if self._settings.teacher == Role.AUXILIARY:
            logits_here = own.cpu().numpy()
            with self.exchanging:
                shared = share_logits(self._topology, logits_here)
            teacher = other = torch.from_numpy(shared).to(logits.device)
        else:
            probabilities = torch.softmax(own, dim=1).cpu().numpy()
            with self.exchanging:
                shared = share_predictions(self._topology, probabilities)
            both = torch.from_numpy(shared)
            teacher = log_mean(both).to(logits.device)
            other = both[self._topology.role.partner.place].to(logits.device)
        return Teaching(teacher, own, other)

    def _predict(self, batch: Batch, seen: Seen, logits: Tensor) -> Tensor:
        """Return this rank's model's prediction as logits, shape (b, K), without gradient.

        These are `logits` if the model learns from the pictures as they are and has no averages.
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
