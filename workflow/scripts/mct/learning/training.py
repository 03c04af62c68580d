"""Training one model alone: a pretraining job or a baseline."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from mct.base.methods import rate_key
from mct.base.partition import GlobalBatch, count_steps, plan_batches, samples_of
from mct.data.clean_batches import CleanBatch, CleanReader, join
from mct.data.loading import Batch, BatchReader, Prefetcher
from mct.learning.history import History
from mct.learning.learner import Arrays, Learner
from mct.learning.objectives import Objective
from mct.learning.schedules import SCHEDULES, Schedule, constant_then
from mct.learning.settings import TrainingSettings
from mct.stage.checkpoint import Checkpoints
from mct.stage.progress import Progress

QUANTITIES: dict[str, tuple[int, ...]] = {"loss": (), "correct": (), "samples": ()}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many samples of a set are seen, in which batches, at which learning rates.

    `clean_per_batch` clean samples join each batch; they are not among `samples`.
    """

    samples: int
    set_size: int
    batch_size: int
    learning_rate: float
    schedule: Schedule
    clean_per_batch: int = 0

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
        seen = batch.epoch * self.set_size + batch.start
        return self.learning_rate * self.schedule(seen / self.samples)

    def epochs(self) -> np.ndarray:
        """Return the epoch of every step, int64 of shape (steps,)."""
        return np.array([batch.epoch for batch in self.batches()], np.int64)

    def ends_epoch(self, batch: GlobalBatch) -> bool:
        """Return whether a step is the last of its epoch or of the training."""
        seen = batch.epoch * self.set_size + batch.stop
        return batch.stop == self.set_size or seen == self.samples

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
    )


class Training:
    """One rank's part in training one model alone; can be stopped and taken up after any step."""

    def __init__(
        self,
        learner: Learner,
        reader: BatchReader,
        clean_reader: CleanReader,
        objective: Objective,
        plan: Plan,
        progress: Progress,
    ) -> None:
        self.learner, self.history = learner, History(QUANTITIES)
        self._reader, self._clean_reader = reader, clean_reader
        self._objective, self._plan, self._progress = objective, plan, progress

    def run(self, checkpoints: Checkpoints, prefetch: int) -> History:
        """Train the model on the plan's batches, in place. Collective.

        Returns
        -------
        Per step, summed over samples: loss, correct predictions, samples.

        Raises
        ------
        UserError
            A loss is not finite, or the weights are not; on all ranks.
        """
        plan, prefetcher = self._plan, Prefetcher(prefetch, self._reader.cancel)
        first = checkpoints.resume(self)
        self._progress.resume(first, plan.samples_before(first))
        for batch, clean in prefetcher.map(self._read, plan.batches(first)):
            figures = self._step(batch, clean, plan.rate(batch.plan))
            self.history.add(figures)
            self._progress.count(batch.plan, prefetcher.waited_seconds)
            if plan.ends_epoch(batch.plan):
                steps = plan.steps_of_epoch(batch.plan)
                sums = self.history.last_sums(self.learner.comm, steps)
                self._progress.report(batch.plan.epoch, summarise(sums))
            checkpoints.after_step(batch.plan.step, self, is_finite=math.isfinite(figures["loss"]))
        self.learner.average_statistics()
        checkpoints.require_finite(plan.steps - 1, self, is_finite=self.learner.is_finite())
        return self.history

    def _read(self, plan: GlobalBatch) -> tuple[Batch, CleanBatch]:
        return self._reader.read(plan), self._clean_reader.read(plan.step)

    def _step(self, batch: Batch, clean: CleanBatch, rate: float) -> dict[str, float]:
        """Make one step on a global batch; return this rank's part of the history. Collective."""
        labels = self.learner.to_device(torch.cat([batch.labels, clean.labels]))
        logits = self.learner.forward(*join(batch, clean), key=batch.plan.step)
        loss = self._objective(logits, labels, batch, clean)
        self.learner.update(loss, rate)
        correct = int((logits.argmax(dim=1) == labels).sum())
        count = batch.plan.size + clean.count
        return {"loss": loss.item() * count, "correct": correct, "samples": len(labels)}

    def model_state(self) -> tuple[Arrays, Arrays]:
        """Return the learner's state."""
        return self.learner.state()

    def progress_state(self) -> Arrays:
        """Return the history. Collective."""
        self.history.reduce(self.learner.comm)
        return {"history": self.history.table()}

    def restore(self, shared: Arrays, own: Arrays, progress: Arrays) -> None:
        """Take up a state, in place."""
        self.learner.restore(shared, own)
        self.history.restore(progress["history"])

    def explain_divergence(self, step: int) -> str:
        """Return the line about a loss or weights that are not finite. Collective."""
        self.history.reduce(self.learner.comm)
        sums = self.history.arrays()
        with np.errstate(invalid="ignore"):
            losses = {"the model": sums["loss"] / sums["samples"]}
        return describe_divergence(self._progress.stage, self._plan, step, losses)


def describe_divergence(
    stage: str, plan: Plan, step: int, losses: Mapping[str, NDArray[np.float64]]
) -> str:
    """Return the line about a training that diverged in step number `step` of its plan.

    `losses` are the mean losses (steps,) of the models that diverged, by name. Where the last ones are
    finite, the step made the weights infinite.
    """
    rate = next((plan.rate(batch) for batch in plan.batches(step)), plan.learning_rate)
    is_loss = any(not np.isfinite(values[-1:]).all() for values in losses.values())
    known = {name: values[np.isfinite(values)][-1:] for name, values in losses.items()}
    last = [
        f"{value[0]:.6g} of {name}" if len(losses) > 1 else f"{value[0]:.6g}"
        for name, value in known.items()
        if len(value)
    ]
    what = "loss is not finite at" if is_loss else "weights are not finite after"
    return (
        f"{stage}: {' and '.join(losses)} diverged: the {what} step {step + 1} of {plan.steps}, "
        f"learning rate {rate:g}; last finite loss: {', '.join(last) or 'none'}; "
        f"lower {rate_key(stage, rate != plan.learning_rate)}, then run again"
    )


def summarise(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return the figures of an epoch from its sums: mean loss, accuracy on the trained labels."""
    return {
        "loss": float(sums["loss"] / sums["samples"]),
        "training_accuracy": float(sums["correct"] / sums["samples"]),
    }
