"""Mutual calibration of the pair: Ma and Mp decide together what each learns from.

METHOD: Liu et al., CVIU 212, 2021; the distributed module's four steps are `Coupling.step`.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.base.hdf5 import write_arrays
from mct.base.partition import GlobalBatch
from mct.base.roles import ROLES, order_seed
from mct.calibration.decisions import Decision, SampleRecord, Selector
from mct.calibration.learned_samples import count_learned
from mct.calibration.settings import CalibrationSettings
from mct.calibration.targets import Lesson, Targets
from mct.calibration.teachers import Teacher, Teaching
from mct.data.augmentation import AUGMENTATION_STREAM, OTHER_AUGMENTATION_STREAM, Viewer
from mct.data.clean_batches import CleanBatch, CleanReader, join
from mct.data.imagesets import ImageSet
from mct.data.loading import BATCHES_IN_USE, Batch, BatchReader, Prefetcher, only_copies
from mct.learning.history import History, write_epochs
from mct.learning.learner import Arrays, Learner
from mct.learning.losses import confidence
from mct.learning.schedules import SCHEDULES
from mct.learning.training import Plan, describe_divergence
from mct.parallel.comm import (
    PRIMARY,
    Topology,
    share_batches,
    start_gather,
    wait_for,
)
from mct.stage.checkpoint import Checkpoints
from mct.stage.progress import Progress
from mct.stage.settings import ExecutionSettings

STREAMS = (OTHER_AUGMENTATION_STREAM, AUGMENTATION_STREAM)
"""Of (Ma, Mp), where each augments the pictures of a batch for itself."""


QUANTITIES: dict[str, tuple[int, ...]] = {
    "loss": (2,), "learned": (2,), "selected": (2,), "measurable": (2,), "pure": (2,), "agreed": (),
    "samples": (),
}  # fmt: skip
"""Shapes of a step's history; an axis of 2 is (Ma, Mp).

loss: summed over the samples it is the mean of; learned: how many these are, clean ones included.
selected: samples that the masks select (those of each class only by epochs, since steps times classes
can be gigabytes). measurable: selected ones whose truth is known and was not trained on; pure: those of
them whose observed label is true. agreed: samples for which both models tell the teacher the same class.
"""


def plan_calibration(settings: CalibrationSettings, set_size: int, role: str = "primary") -> Plan:
    """Return the plan of a calibration over the noisy set; clean samples are those of a role."""
    return Plan(
        samples=settings.epochs * set_size,
        set_size=set_size,
        batch_size=settings.optimizer.batch_size,
        learning_rate=settings.learning_rate,
        schedule=SCHEDULES[settings.schedule],
        clean_per_batch=getattr(settings, f"clean_per_batch_{role}"),
    )


def pair_reader(
    topology: Topology,
    image_set: ImageSet,
    settings: CalibrationSettings,
    execution: ExecutionSettings,
) -> BatchReader:
    """Return the reader of a pair's batches, of which each rank decodes half where it can.

    Collective. Crops of stored pixels are read apart: they cost less than waiting for one another.
    So are pictures of which each model sees a view of its own.
    """
    own_views = settings.views == "own"
    samples, size = -(-settings.optimizer.batch_size // topology.pairs), settings.images.size
    buffers = None
    if (
        execution.share_batches
        and not own_views
        and not only_copies(image_set, Viewer.of(settings.images))
    ):
        buffers = share_batches(
            topology,
            batches=execution.prefetch_batches + BATCHES_IN_USE,
            batch_bytes=samples * 3 * size * size,
            threaded=execution.prefetch_batches > 0,
        )
    return BatchReader(
        image_set,
        settings.images,
        seed=order_seed(settings.seed, stage=2),
        ranks=topology.pairs,
        rank=topology.group_comm.rank,
        shuffle_window=settings.shuffle_window,
        threads=execution.decoding_threads,
        buffers=buffers,
        augmentation_stream=STREAMS[topology.role] if own_views else AUGMENTATION_STREAM,
    )


class Coupling:
    """One rank's half of a pair in calibration. All ranks of the world call the same methods."""

    def __init__(
        self,
        learner: Learner,
        topology: Topology,
        image_set: ImageSet,
        settings: CalibrationSettings,
        noise: Mapping[str, Any],
        confusion: NDArray[np.float64] | None,
        progress: Progress,
    ) -> None:
        """`noise` is a noise file's content; posterior targets alone need a `confusion`, (K, K)."""
        self.learner, self.topology = learner, topology
        self.history = History(QUANTITIES)
        samples = len(image_set) if topology.world_comm.rank == 0 else 0
        self.record = SampleRecord(settings.epochs if samples else 0, samples)
        self._set, self._settings, self._progress = image_set, settings, progress
        self._selector = Selector(settings, noise, image_set.observed, topology.pairs)
        self._teacher = Teacher(learner, topology, settings, len(image_set))
        self._targets = Targets(
            settings,
            is_taught=topology.role == PRIMARY or settings.taught_models == "both",
            confusion=None if confusion is None else learner.to_device(torch.from_numpy(confusion)),
        )
        self._known = np.where(image_set.in_clean, image_set.true, -1)
        self._has_skipped = False

    def run(
        self,
        reader: BatchReader,
        clean_reader: CleanReader,
        plan: Plan,
        checkpoints: Checkpoints,
        prefetch: int,
    ) -> None:
        """Train both models of the pair on the plan's batches, in place. Collective.

        Raises
        ------
        UserError
            The loss of a model is not finite, or its weights are not; on all ranks.
        """
        self._plan = plan
        prefetcher = Prefetcher(prefetch, reader.cancel)

        def read(step: GlobalBatch) -> tuple[Batch, CleanBatch]:
            return reader.read(step), clean_reader.read(step.step)

        first = checkpoints.resume(self)
        self._progress.resume(first, plan.samples_before(first))
        for batch, clean in prefetcher.map(read, plan.batches(first)):
            loss = self.step(batch, clean, plan.rate(batch.plan))
            self._progress.count(batch.plan, prefetcher.waited_seconds)
            if plan.ends_epoch(batch.plan):
                self._end_epoch(batch.plan.epoch, plan.steps_of_epoch(batch.plan))
            checkpoints.after_step(batch.plan.step, self, is_finite=math.isfinite(loss))
        self.learner.average_statistics()
        checkpoints.require_finite(plan.steps - 1, self, is_finite=self.learner.is_finite())

    def model_state(self) -> tuple[Arrays, Arrays]:
        """Return the state of the learner and of its part in teaching."""
        (shared, own), (averages, own_averages) = self.learner.state(), self._teacher.state()
        return {**shared, **averages}, {**own, **own_averages}

    def progress_state(self) -> Arrays:
        """Return history, memory and, on world rank 0, the record of samples. Collective."""
        self.history.reduce(self.topology.world_comm)
        record = {"confidence": self.record.confidence, "selected": self.record.selected}
        return {"history": self.history.table(), **self._selector.memory.state(), **record}

    def restore(self, shared: Arrays, own: Arrays, progress: Arrays) -> None:
        """Take up a state, in place."""
        self.learner.restore(shared, own)
        self._teacher.restore(shared, own)
        self._selector.memory.restore(progress)
        self.history.restore(progress["history"])
        if self.topology.world_comm.rank == 0:
            self.record.confidence[:] = progress["confidence"]
            self.record.selected[:] = progress["selected"]

    def explain_divergence(self, step: int) -> str:
        """Return the line about losses or weights that are not finite. Collective."""
        world_comm = self.topology.world_comm
        self.history.reduce(world_comm)
        sums = self.history.arrays()
        losses = sums["loss"] / np.maximum(sums["learned"], 1)
        counts = (sums["learned"] > 0) | ~np.isfinite(losses)
        mine = {self.topology.role} if not self.learner.is_finite() else set()
        diverged = set().union(*world_comm.allgather(mine))
        names = {
            name: losses[counts[:, role], role]
            for role, name in enumerate(("Ma", "Mp"))
            if role in diverged or not np.isfinite(losses[-1:, role]).all()
        }
        return describe_divergence(self._progress.stage, self._plan, step, names)

    def samples_learned(self, plans: Mapping[str, Plan]) -> dict[str, int]:
        """Return how many samples each model has learned from in all steps, for the record."""
        sums = {name: values.sum(axis=0) for name, values in self.history.arrays().items()}
        return {
            f"samples_learned_{role}": count_learned(
                self._settings, role, batch=int(sums["samples"]),
                selected=int(sums["selected"][place]),
                clean=plans[role].steps * plans[role].clean_per_batch,
            )
            for place, role in enumerate(ROLES)
        }  # fmt: skip

    def write(self, folder: Path, plan: Plan) -> None:
        """Write history, record of samples and figures of epochs; for world rank 0."""
        by_class = {"selected_by_class": self.record.selected_by_class(self._set)}
        axes = {"axes": "step, (Ma, Mp)", "axes_by_class": "epoch, (Ma, Mp), observed class"}
        write_arrays(folder / "history.h5", {**self.history.arrays(), **by_class}, axes)
        axes = {"axes": "epoch, sample, (Ma, Mp)"}
        write_arrays(folder / "samples.h5", self.record.arrays(self._set), axes)
        write_epochs(folder / "epochs.tsv", self.history, plan.epochs(), summarise)

    def step(self, batch: Batch, clean: CleanBatch, rate: float) -> float:
        """Make one step of both models on a global batch; return this rank's loss. Collective."""
        labels = self.learner.to_device(torch.cat([batch.labels, clean.labels]))
        logits = self.learner.forward(*join(batch, clean), key=batch.plan.step)
        noisy = slice(len(batch.labels))
        own = confidence(logits[noisy], labels[noisy]).cpu().numpy()
        request, both = start_gather(self.topology, own, batch.plan.size)
        said = self._teacher.teach(batch.images, logits[noisy])
        wait_for([request])
        decision = self._selector.decide(both, batch)
        lesson = self._lesson(batch, clean, decision, logits, labels, said.teacher)
        loss, count = self._targets.loss(lesson)
        self._update(loss, count, rate)
        self._teacher.follow()
        value = loss.item()
        self._remember(batch, decision, said, value, count)
        return value

    def _lesson(
        self,
        batch: Batch,
        clean: CleanBatch,
        decision: Decision,
        logits: Tensor,
        labels: Tensor,
        teacher: Tensor,
    ) -> Lesson:
        mask, block = decision.masks[self.topology.role], slice(batch.start, batch.stop)
        seen = batch.plan.epoch + batch.plan.start / len(self._set)
        return Lesson(
            logits=logits, labels=labels, teacher=teacher, epochs=seen, clean=clean.count,
            mask=torch.from_numpy(mask[block]).to(logits.device),
            known=self.learner.to_device(torch.from_numpy(self._known[batch.positions[block]])),
            batch=batch.plan.size, selected=int(mask.sum()),
        )  # fmt: skip

    def _update(self, loss: Tensor, global_count: int, rate: float) -> None:
        """Step unless there is nothing to learn (M is 0 for small batches and much noise)."""
        if global_count:
            self.learner.update(loss, rate)
            return
        self.learner.skip()
        if not self._has_skipped:
            self._has_skipped = True
            name = ("Ma", "Mp")[self.topology.role]
            self._progress.note(f"{name} skips steps: no sample of the batch is certain enough")

    def _remember(
        self,
        batch: Batch,
        decision: Decision,
        said: Teaching,
        loss: float,
        count: int,
    ) -> None:
        if len(self.record.confidence):
            self.record.add(batch.plan, batch.positions, decision)
        role = self.topology.role
        local = batch.positions[batch.start : batch.stop]
        chosen = local[decision.masks[role][batch.start : batch.stop]]
        measurable = chosen[(self._set.true[chosen] >= 0) & ~self._set.in_clean[chosen]]
        is_right = self._set.observed[measurable] == self._set.true[measurable]
        agreed = int((said.own.argmax(dim=1) == said.other.argmax(dim=1)).sum())
        self.history.add(
            {
                "loss": part_of(role, loss * count),
                "learned": part_of(role, count if self.topology.group_comm.rank == 0 else 0),
                "selected": part_of(role, len(chosen)),
                "measurable": part_of(role, len(measurable)),
                "pure": part_of(role, is_right.sum()),
                "agreed": agreed if role == PRIMARY else 0,
                "samples": len(local) if role == PRIMARY else 0,
            }
        )

    def _end_epoch(self, epoch: int, steps: int) -> None:
        sums = self.history.last_sums(self.topology.world_comm, steps)
        self._progress.report(epoch, summarise(sums))


def part_of(role: int, value: float) -> NDArray[np.float64]:
    """Return a model's part of a quantity of (Ma, Mp): its value, and 0 for the other's."""
    part = np.zeros(2)
    part[role] = value  # not a product: 0 x NaN is NaN
    return part


def summarise(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return the figures of an epoch from its sums; purity is NaN where nothing is measurable."""
    figures = {"agreement": float(sums["agreed"] / sums["samples"])}
    for role, name in enumerate(ROLES):
        selected, measurable = sums["selected"][role], sums["measurable"][role]
        figures[f"loss_{name}"] = float(sums["loss"][role] / max(sums["learned"][role], 1))
        figures[f"selected_{name}"] = float(selected / sums["samples"])
        figures[f"purity_{name}"] = (
            float(sums["pure"][role] / measurable) if measurable else float("nan")
        )
    return figures
