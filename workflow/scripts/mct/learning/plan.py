"""How many samples a training sees, in which batches, at which learning rates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from mct.base.partition import GlobalBatch, count_steps, plan_batches, samples_of
from mct.learning.schedules import Course, Part, Shape, make_course, rate_scale
from mct.learning.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many samples of a set are seen, in which batches, at which learning rates.

    `clean_per_batch` clean samples join each batch; they are not among `samples`. From the first
    `classifier_samples` the classifier learns alone. The first `constant_samples` are those of stage
    1, whatever their schedule. With `local_steps` above 1 ranks update alone from a share `local_after` of
    the samples on.

    A rate that changes needs no correction of the momentum (Goyal et al., 2017, Eq. 10): velocities
    are sums of gradients, v <- mu v + g, and the rate multiplies them in the step, w <- w - rate v. The
    correction is for the other form, which keeps u = rate v.
    """

    samples: int
    set_size: int
    batch_size: int
    learning_rate: float
    schedule: Shape | Course
    clean_per_batch: int = 0
    classifier_samples: int = 0
    constant_samples: int = 0
    local_steps: int = 1
    local_after: float = 0.0

    @cached_property
    def course(self) -> Course:
        """The cycles that the training goes through."""
        return Course.of(self.schedule)

    @property
    def samples_seen(self) -> int:
        """Return how many samples the model learns from, clean ones that join included."""
        return self.samples + self.steps * self.clean_per_batch

    def batches(self, first_step: int = 0) -> Iterator[GlobalBatch]:
        """Yield the global batches from `first_step` on."""
        return islice(plan_batches(self.samples, self.set_size, self.batch_size), first_step, None)

    def samples_before(self, step: int) -> int:
        """Return how many samples the steps before `step` see."""
        if not step:
            return 0
        epochs, steps = divmod(step, -(-self.set_size // self.batch_size))
        return min(epochs * self.set_size + steps * self.batch_size, self.samples)

    @property
    def steps(self) -> int:
        """Return the number of steps."""
        return count_steps(self.samples, self.set_size, self.batch_size) if self.samples else 0

    def rate(self, batch: GlobalBatch) -> float:
        """Return the learning rate of a step."""
        return self.rate_at(self.seen(batch))

    def rate_at(self, seen: int) -> float:
        """Return the learning rate of a step before which so many samples are seen."""
        return self.learning_rate * self.schedule(seen / self.samples)

    def decay_factor(self, batch: GlobalBatch) -> float:
        """Return what the weight decay is multiplied with in a step."""
        return self.course.at(self.seen(batch) / self.samples).weight_decay

    def augmentation(self, step: int) -> str:
        """Return the kind of augmentation in a step; empty for the configured one."""
        return self.course.at(self.samples_before(step) / self.samples).augmentation

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


def _constant_samples(settings: TrainingSettings, set_sizes: Mapping[str, int]) -> int:
    """Return how many samples of its set a training sees at the constant rate."""
    return round(samples_of(settings.constant_epochs, set_sizes) / _samples_per_own(settings))


def _samples_per_own(settings: TrainingSettings) -> float:
    """Return how many samples a step has for each of its training set."""
    return 1 + settings.clean_per_batch / settings.optimizer.batch_size


def plan_training(settings: TrainingSettings, set_sizes: Mapping[str, int], set_size: int) -> Plan:
    """Return the plan of a pretraining job or a baseline over a training set of `set_size`."""
    constant = _constant_samples(settings, set_sizes)
    decaying = samples_of(settings.decay_epochs, set_sizes) / _samples_per_own(settings)
    decay = round(decaying)
    ratio = settings.decay_learning_rate / settings.learning_rate
    return Plan(
        samples=constant + decay,
        set_size=set_size,
        batch_size=settings.optimizer.batch_size,
        learning_rate=settings.learning_rate * rate_scale(settings.optimizer),
        schedule=make_course(
            Part(settings.first_schedule, constant), Part(settings.schedule, decay, ratio)
        ),
        clean_per_batch=settings.clean_per_batch,
        classifier_samples=round(settings.classifier_epochs * set_size),
        constant_samples=constant,
        local_steps=settings.optimizer.local_steps,
        local_after=settings.optimizer.local_after,
    )
