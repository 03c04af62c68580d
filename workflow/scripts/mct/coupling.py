"""Mutual calibration of the pair: Ma and Mp decide together what each learns from.

METHOD: Liu et al., CVIU 212, 2021; the distributed module's four steps are `calibration_step`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.augmentation import Viewer
from mct.checkpoint import Checkpoints
from mct.comm import (
    AUXILIARY,
    PRIMARY,
    Topology,
    average_running_statistics,
    gather_confidences,
    share_batches,
    share_logits,
)
from mct.history import History
from mct.imagesets import ImageSet
from mct.learner import Arrays, Learner
from mct.loading import BATCHES_IN_USE, Batch, BatchReader, Prefetcher, only_copies
from mct.losses import confidence, cross_entropy, selected_mean, taught_loss
from mct.methods import ROLES, order_seed
from mct.partition import GlobalBatch, block_lengths
from mct.progress import Progress
from mct.schedules import SCHEDULES
from mct.selection import select_within
from mct.settings import CalibrationSettings, ExecutionSettings
from mct.training import Plan


def quantities(classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a step's history; an axis of 2 is (Ma, Mp).

    loss: summed over the selected samples. selected: samples learned from, per observed class.
    measurable: selected ones whose truth is known and was not trained on; pure: those of them
    whose observed label is true. agreed: samples for which both models predict the same class.
    """
    return {
        "loss": (2,), "selected": (2, classes), "measurable": (2,), "pure": (2,),
        "agreed": (), "samples": (),
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What both models learn from in a global batch of B samples.

    `confidence` float32 and `masks` bool have shape (2, B), rows Ma and Mp; equal on all ranks.
    """

    confidence: NDArray[np.float32]
    masks: NDArray[np.bool_]


class Selector:
    """Turns both models' confidences into their masks, by the settings of a calibration."""

    def __init__(
        self, settings: CalibrationSettings, noise: Mapping[str, Any], observed: NDArray, pairs: int
    ):
        self._settings, self._noise = settings, noise
        self._observed, self._pairs = observed, pairs

    def decide(self, both: NDArray[np.float32], batch: Batch) -> Decision:
        """Return the decision on a global batch from confidences of shape (2, B)."""
        rule = self._settings.selector
        ranked = (
            both.mean(axis=0)
            if rule == "pair"
            else both[AUXILIARY if rule == "auxiliary" else PRIMARY]
        )
        groups = self._groups(batch)
        if self._settings.selection == "per_class":
            rates, bounds = self._noise["class_rates"], self._noise["class_uppers"]
        else:
            count = int(groups.max()) + 1
            rates, bounds = [self._noise["rate"]] * count, [self._noise["upper"]] * count
        return Decision(confidence=both, masks=select_within(ranked, groups, rates, bounds))

    def _groups(self, batch: Batch) -> NDArray[np.int64]:
        if self._settings.selection == "per_class":
            return self._observed[batch.positions]
        if self._settings.selection == "per_rank":
            return np.repeat(np.arange(self._pairs), block_lengths(batch.plan.size, self._pairs))
        return np.zeros(batch.plan.size, np.int64)


class SampleRecord:
    """Confidences and selections of every sample in every epoch, kept on world rank 0.

    `confidence` float32 (epochs, n, 2) and `selected` bool (epochs, n, 2); the last axis is
    (Ma, Mp). A sample not seen in an epoch has confidence NaN.
    """

    def __init__(self, epochs: int, samples: int) -> None:
        self.confidence = np.full((epochs, samples, 2), np.nan, np.float32)
        self.selected = np.zeros((epochs, samples, 2), bool)

    def add(self, plan: GlobalBatch, positions: NDArray[np.int64], decision: Decision) -> None:
        """Note the decision on a global batch."""
        self.confidence[plan.epoch, positions] = decision.confidence.T
        self.selected[plan.epoch, positions] = decision.masks.T

    def arrays(self, image_set: ImageSet) -> dict[str, NDArray]:
        """Return the record with the samples' keys and labels, for a file."""
        return {
            "confidence": self.confidence,
            "selected": self.selected,
            "key": image_set.keys(),
            "observed": image_set.observed,
            "true": image_set.true,
            "in_clean": image_set.in_clean,
        }


def plan_calibration(settings: CalibrationSettings, set_size: int) -> Plan:
    """Return the plan of a calibration over the noisy set."""
    return Plan(
        samples=settings.epochs * set_size,
        set_size=set_size,
        batch_size=settings.optimizer.batch_size,
        learning_rate=settings.learning_rate,
        schedule=SCHEDULES[settings.schedule],
    )


def pair_reader(
    topology: Topology,
    image_set: ImageSet,
    settings: CalibrationSettings,
    execution: ExecutionSettings,
) -> BatchReader:
    """Return the reader of a pair's batches, of which each rank decodes half where it can.

    Collective. Crops of stored pixels are read apart: they cost less than waiting for one another.
    """
    samples, size = -(-settings.optimizer.batch_size // topology.pairs), settings.images.size
    buffers = None
    if execution.share_batches and not only_copies(image_set, Viewer.of(settings.images)):
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
        progress: Progress,
    ) -> None:
        self.learner, self.topology = learner, topology
        self.history = History(quantities(image_set.classes))
        samples = len(image_set) if topology.world_comm.rank == 0 else 0
        self.record = SampleRecord(settings.epochs if samples else 0, samples)
        self._set, self._settings, self._progress = image_set, settings, progress
        self._selector = Selector(settings, noise, image_set.observed, topology.pairs)
        self._has_skipped = False

    def run(self, reader: BatchReader, plan: Plan, checkpoints: Checkpoints, prefetch: int) -> None:
        """Train both models of the pair on the plan's batches, in place. Collective."""
        prefetcher = Prefetcher(prefetch, reader.cancel)
        first = checkpoints.resume(self)
        self._progress.resume(first, plan.samples_before(first))
        for batch in prefetcher.map(reader.read, plan.batches(first)):
            self.step(batch, plan.rate(batch.plan))
            self._progress.count(batch.plan, prefetcher.waited_seconds)
            if plan.ends_epoch(batch.plan):
                self._end_epoch(batch.plan.epoch)
            checkpoints.after_step(batch.plan.step, self)
        average_running_statistics(self.learner.comm, self.learner.model)

    def model_state(self) -> tuple[Arrays, Arrays]:
        """Return the learner's state."""
        return self.learner.state()

    def progress_state(self) -> Arrays:
        """Return history and, on world rank 0, the record of samples. Collective."""
        self.history.reduce(self.topology.world_comm)
        record = {"confidence": self.record.confidence, "selected": self.record.selected}
        return {"history": self.history.table(), **record}

    def restore(self, shared: Arrays, own: Arrays, progress: Arrays) -> None:
        """Take up a state, in place."""
        self.learner.restore(shared, own)
        self.history.restore(progress["history"])
        if self.topology.world_comm.rank == 0:
            self.record.confidence[:] = progress["confidence"]
            self.record.selected[:] = progress["selected"]

    def step(self, batch: Batch, rate: float) -> None:
        """Make one step of both models on a global batch. Collective."""
        labels = self.learner.to_device(batch.labels)
        logits = self.learner.forward(batch.images, key=batch.plan.step)
        own = confidence(logits, labels).cpu().numpy()
        both = gather_confidences(self.topology, own, batch.plan.size)
        decision = self._selector.decide(both, batch)
        teacher = self._receive_teacher(logits)
        mask = decision.masks[self.topology.role]
        local_mask = torch.from_numpy(mask[batch.start : batch.stop]).to(logits.device)
        loss = selected_mean(
            self._sample_losses(logits, teacher, labels), local_mask, int(mask.sum())
        )
        self._update(loss, int(mask.sum()), rate)
        self._remember(batch, decision, logits, teacher, loss.item())

    def _receive_teacher(self, logits: Tensor) -> Tensor:
        shared = share_logits(self.topology, logits.detach().cpu().numpy())
        return torch.from_numpy(shared).to(logits.device)

    def _sample_losses(self, logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each local sample: Ma learns observed labels, Mp from Ma as well."""
        if self.topology.role == AUXILIARY:
            return cross_entropy(logits, labels)
        settings = self._settings
        return taught_loss(
            logits,
            teacher,
            labels,
            weight=settings.soft_target_weight,
            temperature=settings.temperature,
            targets=settings.targets,
        )

    def _update(self, loss: Tensor, global_count: int, rate: float) -> None:
        """Step unless nobody selected anything (M is 0 for small batches and much noise)."""
        if global_count:
            self.learner.update(loss, rate)
        elif not self._has_skipped:
            self._has_skipped = True
            name = ("Ma", "Mp")[self.topology.role]
            self._progress.note(f"{name} skips steps: no sample of the batch is certain enough")

    def _remember(
        self, batch: Batch, decision: Decision, logits: Tensor, teacher: Tensor, loss: float
    ) -> None:
        if len(self.record.confidence):
            self.record.add(batch.plan, batch.positions, decision)
        role = self.topology.role
        local = batch.positions[batch.start : batch.stop]
        chosen = local[decision.masks[role][batch.start : batch.stop]]
        measurable = chosen[(self._set.true[chosen] >= 0) & ~self._set.in_clean[chosen]]
        observed, own = self._set.observed, np.zeros(2)
        own[role] = 1
        agreed = int((logits.argmax(dim=1) == teacher.argmax(dim=1)).sum())
        self.history.add(
            {
                "loss": own * loss * int(decision.masks[role].sum()),
                "selected": own[:, None]
                * np.bincount(observed[chosen], minlength=self._set.classes),
                "measurable": own * len(measurable),
                "pure": own * (observed[measurable] == self._set.true[measurable]).sum(),
                "agreed": agreed if role == PRIMARY else 0,
                "samples": len(local) if role == PRIMARY else 0,
            }
        )

    def _end_epoch(self, epoch: int) -> None:
        self._progress.report(epoch, summarise(self.history.reduce(self.topology.world_comm)))


def summarise(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return the figures of an epoch from its sums; purity is NaN where nothing is measurable."""
    figures = {"agreement": float(sums["agreed"] / sums["samples"])}
    for role, name in enumerate(ROLES):
        selected, measurable = sums["selected"][role].sum(), sums["measurable"][role]
        figures[f"loss_{name}"] = float(sums["loss"][role] / max(selected, 1))
        figures[f"selected_{name}"] = float(selected / sums["samples"])
        figures[f"purity_{name}"] = (
            float(sums["pure"][role] / measurable) if measurable else float("nan")
        )
    return figures
