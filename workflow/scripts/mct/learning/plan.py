"""How many samples a training sees, in which batches, at which learning rates."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mct.base.partition import GlobalBatch, count_steps, plan_batches, samples_of
from mct.learning.settings import TrainingSettings

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """Return 1, stage 1's factor: a constant large rate keeps a network from fitting noise."""
    return 1.0


def linear(progress: float) -> float:
    """Return a factor that falls from 1 to 0 on a straight line."""
    return 1.0 - progress


def cosine(progress: float) -> float:
    """Return a factor that falls from 1 to 0 on half a cosine (Loshchilov, Hutter, 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def step(progress: float) -> float:
    """Return 1, divided by ten at one half and again at three quarters."""
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


SCHEDULES: dict[str, Schedule] = {f.__name__: f for f in (constant, linear, cosine, step)}


def constant_then(decay: Schedule, constant_share: float, decay_rate: float) -> Schedule:
    """Return the schedule of a baseline: constant like stage 1, then `decay` like stage 2.

    `decay_rate` is the factor at which the decay starts, relative to the constant rate. A share of
    1 never decays.
    """

    def factor(progress: float) -> float:
        if progress < constant_share or constant_share == 1:
            return 1.0
        return decay_rate * decay((progress - constant_share) / (1.0 - constant_share))

    return factor


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many samples of a set are seen, in which batches, at which learning rates.

    `clean_per_batch` clean samples join each batch; they are not among `samples`. From the first
    `classifier_samples` the classifier learns alone. With `local_steps` above 1 ranks update alone from
    a share `local_after` of the samples on.
    """

    samples: int
    set_size: int
    batch_size: int
    learning_rate: float
    schedule: Schedule
    clean_per_batch: int = 0
    classifier_samples: int = 0
    local_steps: int = 1
    local_after: float = 0.0

    @property
    def samples_seen(self) -> int:
        """Return how many samples the model learns from, clean ones that join included."""
        return self.samples + self.steps * self.clean_per_batch

    def batches(self, first_step: int = 0) -> Iterator[GlobalBatch]:
        """Yield the global batches from `first_step` on."""
        return islice(plan_batches(self.samples, self.set_size, self.batch_size), first_step, None)

    def samples_before(self, step: int) -> int:
        """Return how many samples the steps before `step` see."""
        return sum(batch.size for batch in islice(self.batches(), step))

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return count_steps(self.samples, self.set_size, self.batch_size) if self.samples else 0

    def rate(self, batch: GlobalBatch) -> float:
        """Return the learning rate of a step."""
        return self.learning_rate * self.schedule(self.seen(batch) / self.samples)

    def seen(self, batch: GlobalBatch) -> int:
        """Return how many samples the steps before that of a batch see."""
        return batch.epoch * self.set_size + batch.start

    def epochs(self) -> np.ndarray:
        """Return the epoch of every step, int64 of shape (steps,)."""
        return np.array([batch.epoch for batch in self.batches()], np.int64)

    def ends_epoch(self, batch: GlobalBatch) -> bool:
        """Return whether a step is the last of its epoch or of the training."""
        seen = batch.epoch * self.set_size + batch.stop
        return batch.stop == self.set_size or seen == self.samples

    def is_local(self, batch: GlobalBatch) -> bool:
        """Return whether each rank updates with the gradient of its own samples in a step."""
        return self.local_steps > 1 and self.seen(batch) >= self.local_after * self.samples

    def averages(self, batch: GlobalBatch) -> bool:
        """Return whether parameters are averaged over ranks after a step.

        That is each `local_steps`-th step of an epoch, and its last one.
        """
        is_due = self.steps_of_epoch(batch) % self.local_steps == 0
        return self.is_local(batch) and (is_due or self.ends_epoch(batch))

    def steps_of_epoch(self, batch: GlobalBatch) -> int:
        """Return how many steps the epoch of a step has had, this one included."""
        return batch.start // self.batch_size + 1


def constant_samples(settings: TrainingSettings, set_sizes: Mapping[str, int]) -> int:
    """Return how many samples of its set a training sees at the constant rate."""
    return round(samples_of(settings.constant_epochs, set_sizes) / _samples_per_own(settings))


def _samples_per_own(settings: TrainingSettings) -> float:
    """Return how many samples a step has for each of its training set."""
    return 1 + settings.clean_per_batch / settings.optimizer.batch_size


def plan_training(settings: TrainingSettings, set_sizes: Mapping[str, int], set_size: int) -> Plan:
    """Return the plan of a pretraining job or a baseline over a training set of `set_size`."""
    constant = constant_samples(settings, set_sizes)
    decaying = samples_of(settings.decay_epochs, set_sizes) / _samples_per_own(settings)
    total = constant + round(decaying)
    decay = SCHEDULES[settings.schedule]
    ratio = settings.decay_learning_rate / settings.learning_rate
    return Plan(
        samples=total,
        set_size=set_size,
        batch_size=settings.optimizer.batch_size,
        learning_rate=settings.learning_rate,
        schedule=constant_then(decay, constant / total, ratio) if total else decay,
        clean_per_batch=settings.clean_per_batch,
        classifier_samples=round(settings.classifier_epochs * set_size),
        local_steps=settings.optimizer.local_steps,
        local_after=settings.optimizer.local_after,
    )
