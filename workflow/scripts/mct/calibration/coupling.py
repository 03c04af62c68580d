"""Mutual calibration of the pair: Ma and Mp decide together what each learns from.

METHOD: Liu et al., CVIU 212, 2021; the distributed module's four steps are `Coupling.step`.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.base.files import write_arrays
from mct.base.roles import ROLES, Role
from mct.calibration.decisions import Decision, SampleRecord, Selector
from mct.calibration.evidence import Evidence
from mct.calibration.learned_samples import count_learned, selection_counts
from mct.calibration.plan import plan_calibration
from mct.calibration.settings import CalibrationSettings
from mct.calibration.targets import Lesson, Targets
from mct.calibration.teachers import Teacher, Teaching
from mct.data.clean_batches import Samples
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch
from mct.labels.agreement import describe_contradiction
from mct.labels.starved import describe_starved, find_starved
from mct.learning.learner import Learner
from mct.learning.loop import Training
from mct.learning.losses import confidence
from mct.parallel.comm import Topology, start_gather, wait_for
from mct.stage.progress import Progress
from mct.stage.state import Arrays, State
from mct.stage.step_times import Stopwatch


class Coupling(Training):
    """One rank's half of a pair in calibration. All ranks of the world call the same methods.

    Quantities of the history; an axis of 2 is (Ma, Mp). loss: summed over the samples it is the mean
    of; learned: how many these are, clean ones included. selected: samples that the masks select
    (those of each class only by epochs, since steps times classes can be gigabytes). measurable:
    selected ones whose truth is known and was not trained on; pure: those of them whose observed
    label is true. agreed: samples for which both models predict the same class.
    """

    quantities: ClassVar = {
        "loss": (2,), "learned": (2,), "selected": (2,), "measurable": (2,), "pure": (2,),
        "agreed": (), "samples": (),
    }  # fmt: skip
    validated: ClassVar = tuple(f"validation_accuracy_{role}" for role in ROLES)

    def __init__(
        self,
        learner: Learner,
        topology: Topology,
        image_set: ImageSet,
        settings: CalibrationSettings,
        evidence: Evidence,
        progress: Progress,
    ) -> None:
        self._plans = {role: plan_calibration(settings, len(image_set), role) for role in ROLES}
        role, comm = topology.role, topology.world_comm
        super().__init__(learner, self._plans[role], settings=settings, role=role, comm=comm)
        self.topology, self._set, self._progress = topology, image_set, progress
        learner.share_trunk(topology.pair_comm)
        samples = len(image_set) if comm.rank == 0 else 0
        self.record = SampleRecord(settings.epochs if samples else 0, samples)
        self._selector = Selector(settings, evidence.believed(), image_set.observed, topology.pairs)
        self._teacher = Teacher(learner, topology, settings, len(image_set))
        confusion = evidence.confusion
        self._targets = Targets(
            settings,
            is_taught=role is Role.PRIMARY or settings.taught_models == "both",
            confusion=None if confusion is None else learner.to_device(torch.from_numpy(confusion)),
        )
        self._known = np.where(image_set.in_clean, image_set.true, -1)
        self._evidence, self._has_skipped = evidence, False
        self._gathering = Stopwatch()

    def step(self, samples: Samples, rate: float) -> float:
        """Make one step of both models on a global batch; return this rank's loss. Collective."""
        batch, labels = samples.noisy, self.learner.to_device(samples.labels)
        noisy = slice(len(batch.labels))
        seen = self.learner.look(*samples.pictures(), shared=noisy.stop)
        logits = self.learner.learn(seen, key=samples.plan.step, passes=samples.rows)
        own = confidence(logits[noisy], labels[noisy]).cpu().numpy()
        with self._gathering:
            passes = self.settings.optimizer.accumulation
            request, both = start_gather(self.topology, own, samples.plan.size, passes)
        predicted = self._teacher.teach(batch, tuple(part[noisy] for part in seen), logits[noisy])
        with self._gathering:
            wait_for([request])
        decision = self._selector.decide(both, batch)
        lesson = self._lesson(samples, decision, logits, labels, predicted.teacher)
        loss, count = self._targets.loss(lesson)
        self._update(loss, count, rate, self.plan.decay_factor(samples.plan))
        self._teacher.follow()
        value = loss.item()
        self._remember(batch, decision, predicted, value, count)
        return value

    def _lesson(
        self, samples: Samples, decision: Decision, logits: Tensor, labels: Tensor, teacher: Tensor
    ) -> Lesson:
        batch, mask = samples.noisy, decision.masks[self.role.place]
        return Lesson(
            logits=logits, labels=labels, teacher=teacher, clean=samples.clean.count,
            mask=torch.from_numpy(mask[batch.block]).to(logits.device),
            known=self.learner.to_device(torch.from_numpy(self._known[batch.local])),
            batch=batch.plan.size, selected=int(mask.sum()),
        )  # fmt: skip

    def _update(self, loss: Tensor, global_count: int, rate: float, decay: float) -> None:
        """Step unless there is nothing to learn (M is 0 for small batches and much noise)."""
        if global_count:
            self.learner.update(loss, rate, decay)
            return
        self.learner.skip()
        if not self._has_skipped:
            self._has_skipped = True
            self._progress.note(
                f"{self.role.symbol} skips steps: no sample of the batch is certain enough"
            )

    def _remember(
        self, batch: Batch, decision: Decision, predicted: Teaching, loss: float, count: int
    ) -> None:
        if len(self.record.confidence):
            self.record.add(batch.plan, batch.positions, decision)
        role, local = self.role, batch.local
        chosen = local[decision.masks[role.place][batch.block]]
        measurable = chosen[(self._set.true[chosen] >= 0) & ~self._set.in_clean[chosen]]
        is_right = self._set.observed[measurable] == self._set.true[measurable]
        agreed = int((predicted.own.argmax(dim=1) == predicted.other.argmax(dim=1)).sum())
        self.history.add(
            {
                "loss": part_of(role, loss * count),
                "learned": part_of(role, count if self.learner.comm.rank == 0 else 0),
                "selected": part_of(role, len(chosen)),
                "measurable": part_of(role, len(measurable)),
                "pure": part_of(role, is_right.sum()),
                "agreed": agreed if role is Role.PRIMARY else 0,
                "samples": len(local) if role is Role.PRIMARY else 0,
            }
        )

    @staticmethod
    def summarise(sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
        """Return the figures of an epoch; purity is NaN where nothing is measurable."""
        figures = {"agreement": float(sums["agreed"] / sums["samples"])}
        for role in ROLES:
            selected, measurable = sums["selected"][role.place], sums["measurable"][role.place]
            pure, learned = sums["pure"][role.place], max(sums["learned"][role.place], 1)
            figures[f"loss_{role}"] = float(sums["loss"][role.place] / learned)
            figures[f"selected_{role}"] = float(selected / sums["samples"])
            figures[f"purity_{role}"] = float(pure / measurable) if measurable else float("nan")
        return figures

    def diverged(self) -> dict[str, NDArray[np.float64]]:
        sums = self.history.arrays()
        losses = sums["loss"] / np.maximum(sums["learned"], 1)
        counts = (sums["learned"] > 0) | ~np.isfinite(losses)
        mine = {self.role} if not self.learner.is_finite() else set()
        diverged = set().union(*self.comm.allgather(mine))
        return {
            role.symbol: losses[counts[:, role.place], role.place]
            for role in ROLES
            if role in diverged or not np.isfinite(losses[-1:, role.place]).all()
        }

    def state(self) -> State:
        return self.learner.state() | self._teacher.state()

    def records(self) -> Arrays:
        return {"confidence": self.record.confidence, "selected": self.record.selected}

    def restore(self, state: State, records: Arrays) -> None:
        self.learner.restore(state)
        self._teacher.restore(state)
        if self.comm.rank == 0:
            self.record.confidence[:] = records["confidence"]
            self.record.selected[:] = records["selected"]

    def waits(self) -> dict[str, float]:
        """Return what `Training.waits` does, and the gathering of all that ranks of both models exchange.

        These are confidences, a teacher's targets, and what a shared trunk hands on.
        """
        watches = (self._gathering, self._teacher.exchanging, self.learner.exchanging)
        return {**super().waits(), "gathering": sum(watch.seconds for watch in watches)}

    def facts(self) -> dict[str, Any]:
        """Return what each model has seen and learned from, and where the pairs were."""
        seen = {f"samples_seen_{role}": plan.samples_seen for role, plan in self._plans.items()}
        more = {"pair_hosts": self.topology.pair_hosts, "starved_classes": self.starved_classes}
        known = self._evidence.facts()
        return {**super().facts(), **seen, **self.samples_learned(), **known, **more}

    @cached_property
    def starved_classes(self) -> dict[Role, list[int]]:
        """The observed classes that each model selected next to nothing of in the last epoch; at the end."""
        if not selection_counts(self.settings):
            return {role: [] for role in ROLES}
        members = np.bincount(self._set.observed, minlength=self._set.classes)
        selected = self.record.selected_by_class(self._set)[-1]
        return {role: find_starved(selected[role.place], members) for role in ROLES}

    def samples_learned(self) -> dict[str, int]:
        """Return how many samples each model has learned from in all steps, for the record."""
        sums = {name: values.sum(axis=0) for name, values in self.history.arrays().items()}
        return {
            f"samples_learned_{role}": count_learned(
                self.settings, role, batch=int(sums["samples"]),
                selected=int(sums["selected"][role.place]),
                clean=plan.steps * plan.clean_per_batch,
            )
            for role, plan in self._plans.items()
        }  # fmt: skip

    def write(self, folder: Path) -> None:
        """Write history, record of samples and figures of epochs; for world rank 0."""
        by_class = {"selected_by_class": self.record.selected_by_class(self._set)}
        axes = {"axes": "step, (Ma, Mp)", "axes_by_class": "epoch, (Ma, Mp), observed class"}
        write_arrays(folder / "history.h5", {**self.history.arrays(), **by_class}, axes)
        axes = {"axes": "epoch, sample, (Ma, Mp)"}
        write_arrays(folder / "samples.h5", self.record.arrays(self._set), axes)
        self.write_epochs(folder)
        if self._evidence.strength < 1:
            self._progress.note(f"labels are corrected at strength {self._evidence.strength:.2f}")
        if contradiction := describe_contradiction(self._evidence.facts()):
            self._progress.note(contradiction)
        for role, starved in self.starved_classes.items():
            if starved:
                self._progress.note(f"{role.symbol} {describe_starved(starved)} in the last epoch")


def part_of(role: Role, value: float) -> NDArray[np.float64]:
    """Return a model's part of a quantity of (Ma, Mp): its value, and 0 for the other's."""
    part = np.zeros(2)
    part[role.place] = value  # not a product: 0 x NaN is NaN
    return part
