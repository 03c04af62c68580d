"""The loop of every training, its history and results; a subclass of `Training` says what a step is."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mct.base.files import write_arrays, write_text
from mct.base.partition import GlobalBatch
from mct.base.roles import Role
from mct.data.clean_batches import SampleReader, Samples
from mct.data.loading import Prefetcher
from mct.learning.divergence import describe_divergence
from mct.learning.learner import Learner
from mct.learning.models import save_weights
from mct.learning.plan import Plan
from mct.learning.validation import Curve, Validation
from mct.parallel.comm import Comm, count_cores, sum_array
from mct.stage.checkpoint import Checkpoints
from mct.stage.progress import Progress
from mct.stage.record import write_record
from mct.stage.session import Session
from mct.stage.state import Arrays, State
from mct.stage.step_times import StepTimes


class Training(ABC):
    """One rank's part in a training. All ranks of `comm` call the same methods.

    `learner` is this rank's model, `role` its name; `settings` are those of the record. The history
    has the sums of `quantities` over all ranks of `comm`, by name, in each step.
    """

    quantities: ClassVar[Mapping[str, tuple[int, ...]]]
    validated: ClassVar[tuple[str, ...]] = ("validation_accuracy",)
    """Names of the accuracies on validation pictures, a model's or both."""

    def __init__(
        self, learner: Learner, plan: Plan, *, settings: Any, role: Role, comm: Comm
    ) -> None:
        self.learner, self.plan = learner, plan
        self.settings, self.role, self.comm = settings, role, comm
        self.history = History(self.quantities)
        self.curve = Curve(self.validated)

    @abstractmethod
    def step(self, samples: Samples, rate: float) -> float:
        """Make a step at a learning rate, add it to the history, return this rank's loss. Collective."""

    @staticmethod
    @abstractmethod
    def summarise(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
        """Return the figures of an epoch from the sums of its quantities."""

    @abstractmethod
    def diverged(self) -> dict[str, NDArray[np.float64]]:
        """Return mean losses (steps,) of models that diverged, by name, from reduced history. Collective."""

    def state(self) -> State:
        """Return what a checkpoint keeps of this rank's model."""
        return self.learner.state()

    def records(self) -> Arrays:
        """Return what a checkpoint keeps of all ranks besides the history; of world rank 0."""
        return {}

    def restore(self, state: State, records: Arrays) -> None:
        """Return to a state, in place; `records` may have what others recorded."""
        self.learner.restore(state)

    def waits(self) -> dict[str, float]:
        """Return the seconds that steps have waited for other ranks so far, by what for."""
        return {"averaging": self.learner.gradients.waited_seconds}

    def facts(self) -> dict[str, Any]:
        """Return what the record of the result says besides the session's facts."""
        return self.learner.summary()

    def write(self, folder: Path) -> None:
        """Write history and figures of epochs; for world rank 0."""
        write_arrays(folder / "history.h5", self.history.arrays(), {"axes": "step"})
        self.write_epochs(folder)

    def write_epochs(self, folder: Path) -> None:
        """Write the figures of epochs; for world rank 0."""
        path, epochs = folder / "epochs.tsv", self.plan.epochs()
        write_epochs(path, self.history, epochs, self.summarise, self.curve.figures)

    def validate(self, validation: Validation, epoch: int) -> None:
        """Add to the curve what models know of validation pictures after an epoch. Collective."""
        correct = np.zeros(len(self.validated))
        correct[self.role.place % len(correct)] = validation.count_correct(self.learner)
        accuracies = sum_array(self.comm, correct) / validation.pictures
        self.curve.add(epoch, accuracies.tolist())


class Loop:
    """A training that is under way; it can be stopped and resumed after any step."""

    def __init__(
        self,
        training: Training,
        progress: Progress,
        checkpoints: Checkpoints,
        validation: Validation | None = None,
    ) -> None:
        self._training, self._plan, self._history = training, training.plan, training.history
        self._progress, self._checkpoints, self._validation = progress, checkpoints, validation
        self.times = StepTimes()

    def run(self, reader: SampleReader, prefetch: int) -> None:
        """Train on the plan's batches, of which `prefetch` are read ahead. Collective.

        Raises StageInterruptedError if a signal arrived on some rank, with a checkpoint written;
        UserError, on all ranks, if the loss or the weights of a model are not finite.
        """
        plan, training = self._plan, self._training
        prefetcher = Prefetcher(prefetch, reader.cancel)
        first = self._checkpoints.resume(self)
        self._progress.begin(plan.samples, step=first, samples=plan.samples_before(first))
        self.times.begin(
            plan.steps - first,
            lambda: {"reading": prefetcher.waited_seconds, **training.waits()},
        )
        for samples in prefetcher.map(reader.read, plan.batches(first)):
            with self.times.working:
                loss = self._step(samples)
            self._progress.count(samples.plan, prefetcher.waited_seconds)
            if plan.ends_epoch(samples.plan):
                self._report(samples.plan)
            self._checkpoints.after_step(samples.plan.step, self, is_finite=math.isfinite(loss))
            self.times.end_step(samples.plan.size)
        training.learner.average_statistics()
        self._checkpoints.require_finite(
            plan.steps - 1, self, is_finite=training.learner.is_finite()
        )

    def _step(self, samples: Samples) -> float:
        """Make a step, on all ranks together or on each alone; return this rank's loss. Collective."""
        training, batch = self._training, samples.plan
        training.learner.is_alone = self._plan.is_local(batch)
        loss = training.step(samples, self._plan.rate(batch))
        if self._plan.averages(batch):
            training.learner.average_parameters()
        return loss

    def _report(self, last: GlobalBatch) -> None:
        """Report the epoch that ends with a batch. Collective."""
        training = self._training
        sums = self._history.last_sums(training.comm, self._plan.steps_of_epoch(last))
        found = training.summarise(sums)
        if self._validation and self._validation.is_due(last.epoch):
            training.validate(self._validation, last.epoch)
            found |= training.curve.figures(last.epoch)
        self._progress.report(last.epoch, found)

    def model_state(self) -> State:
        state = self._training.state()
        return state.set_apart() if self._training.learner.is_alone else state

    def progress_state(self) -> Arrays:
        self._history.reduce(self._training.comm)
        curve = self._training.curve.array()
        return {"history": self._history.steps, "curve": curve, **self._training.records()}

    def restore(self, state: State, progress: Arrays) -> None:
        self._training.restore(state, progress)
        self._history.restore(progress["history"])
        self._training.curve.restore(progress["curve"])

    def explain_divergence(self, step: int) -> str:
        self._history.reduce(self._training.comm)
        losses = self._training.diverged()
        return describe_divergence(self._progress.stage, self._plan, step, losses)


def train(
    training: Training, reader: SampleReader, session: Session, validation: Validation | None = None
) -> None:
    """Train in a session, from its checkpoint if any, and write the results. Collective; see `Loop.run`.

    Without `validation` there is no curve of accuracy.
    """
    checkpoints = session.open_checkpoints(training.learner.comm, training.role)
    loop = Loop(training, session.progress, checkpoints, validation)
    loop.run(reader, session.execution.prefetch_batches)
    folder, measured = session.output, measure(loop, training)
    if session.world.rank == 0:
        training.write(folder)
        record = session.record(training.settings, training.plan.samples_seen)
        facts = {**training.facts(), **measured, "shares_batches": reader.shares}
        write_record(folder / "record.json", {**record, **facts})
    if training.learner.comm.rank == 0:
        save_weights(training.learner.model, folder / f"{training.role}.safetensors")


def measure(loop: Loop, training: Training) -> dict[str, Any]:
    """Return how long the steps of this run took, on which cores, for the record. Collective."""
    plan, comm = training.plan, training.comm
    return {
        "steps": plan.steps,
        "global_batch": plan.batch_size,
        "cores": count_cores(comm),
        "step_times": loop.times.summary(lambda spent: sum_array(comm, spent) / comm.size),
    }


class History:
    """Named quantities of each step; every rank adds its part, `reduce` sums the parts.

    All quantities are sums over samples, float64 of the given shapes, so that parts add up. `steps`
    has the reduced ones as one array, for a checkpoint.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)
        self._pending: list[NDArray[np.float64]] = []
        self.steps = np.zeros((0, sum(int(np.prod(shape)) for shape in shapes.values())))

    def add(self, values: Mapping[str, ArrayLike]) -> None:
        """Append this rank's part of a step."""
        parts = [np.broadcast_to(values[name], each).ravel() for name, each in self._shapes.items()]
        self._pending.append(np.concatenate(parts).astype(np.float64))

    def reduce(self, comm: Comm) -> None:
        """Sum the parts of the steps since the last call over all ranks. Collective."""
        if self._pending:
            steps = sum_array(comm, np.stack(self._pending))
            self.steps, self._pending = np.concatenate([self.steps, steps]), []

    def last_sums(self, comm: Comm, count: int) -> dict[str, NDArray[np.float64]]:
        """Return each quantity's sum over the last `count` steps of any run and all ranks. Collective."""
        self.reduce(comm)
        steps = self.steps[len(self.steps) - count :]
        return {name: values.sum(axis=0) for name, values in self._split(steps).items()}

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return each quantity with a leading axis of reduced steps."""
        return self._split(self.steps)

    def _split(self, steps: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        widths = [int(np.prod(shape)) for shape in self._shapes.values()]
        columns = np.split(steps, np.cumsum(widths)[:-1], axis=1)
        return {
            name: part.reshape(len(part), *shape)
            for (name, shape), part in zip(self._shapes.items(), columns, strict=True)
        }

    def restore(self, steps: NDArray[np.float64]) -> None:
        """Take the reduced steps of a checkpoint."""
        self.steps, self._pending = steps, []

    def epoch_sums(self, epochs: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
        """Return each quantity summed over the steps of each epoch; `epochs` has shape (steps,)."""
        starts = np.flatnonzero(np.diff(epochs, prepend=-1))
        return {name: np.add.reduceat(values, starts) for name, values in self.arrays().items()}


def write_epochs(
    path: Path,
    history: History,
    epochs: NDArray[np.integer],
    summarise: Callable[[Mapping[str, NDArray[np.float64]]], dict[str, float]],
    more: Callable[[int], dict[str, float]] = lambda epoch: {},
) -> None:
    """Write the figures of every epoch as a TSV file; `epochs` is that of each step, (steps,).

    `more` has further figures of an epoch, counted from 0.
    """
    sums = history.epoch_sums(epochs)
    count = len(np.unique(epochs))
    rows = [
        {**summarise({name: values[i] for name, values in sums.items()}), **more(i)}
        for i in range(count)
    ]
    lines = [["epoch", *(rows[0] if rows else [])]]
    lines += [[str(i + 1), *(f"{v:.6g}" for v in row.values())] for i, row in enumerate(rows)]
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))
