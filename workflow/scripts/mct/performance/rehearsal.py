"""What stages cost on some ranks: steps and messages on random pictures, and reading that is hidden."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np
import torch

from mct.base.partition import GlobalBatch, Share, plan_batches
from mct.calibration.coupling import Coupling
from mct.calibration.evidence import Evidence
from mct.calibration.settings import CalibrationSettings
from mct.data.clean_batches import CleanReader, Samples
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch, BatchReader, Prefetcher
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy, selected_mean
from mct.learning.models import build_architecture
from mct.learning.settings import ModelSettings, OptimizerSettings
from mct.parallel.comm import Comm, Topology, highest, start_gather, wait_for
from mct.performance.settings import ScalingSettings
from mct.stage.progress import Progress
from mct.stage.rank_compute import choose_for_ranks
from mct.stage.settings import ExecutionSettings

NOISE = {"rate": 0.4, "upper": 0.4}
"""What selects: any rate leaves the time as it is."""
RATE = 1e-4
PUBLISHED_CLASSES = 1000
"""Of the models whose averaging the paper times."""
PREFETCH_ROUNDS = 3
Times = dict[str, dict[str, list[float]]]


def timed(comm: Comm, action: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of the slowest rank in each repetition, after one of warm-up. Collective."""
    return [time_once(comm, action) for _ in range(repeats + 1)][1:]


def time_once(comm: Comm, action: Callable[[], object]) -> float:
    """Return the seconds of the slowest rank, all starting together. Collective."""
    comm.Barrier()
    began = perf_counter()
    action()
    return highest(comm, perf_counter() - began)


def time_steps(
    topology: Topology, settings: ScalingSettings, execution: ExecutionSettings, batch_size: int
) -> list[float]:
    """Return the seconds of steps of calibration in the paper's form. Collective.

    `batch_size` is the global batch's, which both models of every pair see.
    """
    calibration = paper_settings(settings, batch_size)
    image_set = random_set(batch_size, settings.classes)
    group = topology.group_comm
    learner = random_learner(group, settings.model, settings.classes, calibration, execution)
    batch = random_batch(image_set, settings.size, topology.pairs, group.rank)
    step = rehearsed_step(topology, learner, image_set, calibration, batch)
    return timed(topology.world_comm, step, settings.repeats)


def rehearsed_step(
    topology: Topology,
    learner: Learner,
    image_set: ImageSet,
    calibration: CalibrationSettings,
    batch: Batch,
) -> Callable[[], object]:
    """Return what makes a step of calibration on the same batch again and again. Collective."""
    progress = Progress("rehearsal")
    coupling = Coupling(learner, topology, image_set, calibration, Evidence(NOISE), progress)
    nothing = CleanReader(None, calibration.images, count=0, seed=0).read(0)
    return lambda: coupling.step(Samples(noisy=batch, clean=nothing), RATE)


def time_averages(
    comm: Comm, model: str, settings: ScalingSettings, execution: ExecutionSettings
) -> dict[str, Any]:
    """Return `parameters`, and `seconds` of summing their gradients over all ranks. Collective."""
    calibration = paper_settings(settings, comm.size)
    learner = random_learner(comm, model, PUBLISHED_CLASSES, calibration, execution)

    def average() -> None:
        learner.gradients.begin()
        learner.gradients.finish()

    return {
        "parameters": count_parameters(model, PUBLISHED_CLASSES),
        "seconds": timed(comm, average, settings.repeats),
    }


def count_parameters(model: str, classes: int) -> int:
    """Return the number of an architecture's parameters."""
    with torch.device("meta"):
        return sum(part.numel() for part in build_architecture(model, classes).parameters())


def time_gatherings(topology: Topology, samples: int, repeats: int) -> list[float]:
    """Return the seconds of gathering the confidences of `samples` a rank. Collective."""
    own = np.zeros(samples, np.float32)

    def gather() -> None:
        request, _ = start_gather(topology, own, samples * topology.pairs)
        wait_for([request])

    return timed(topology.world_comm, gather, repeats)


def random_learner(
    comm: Comm,
    model: str,
    classes: int,
    calibration: CalibrationSettings,
    execution: ExecutionSettings,
) -> Learner:
    """Return a learner of a model at its random start. Collective."""
    return Learner(
        build_architecture(model, classes),
        compute=choose_for_ranks(calibration.model.precision, execution, comm),
        comm=comm,
        images=calibration.images,
        optimizer=calibration.optimizer,
        execution=execution,
    )


def paper_settings(settings: ScalingSettings, batch_size: int) -> CalibrationSettings:
    """Return a calibration of the paper's form with a model and a batch to rehearse."""
    return CalibrationSettings(
        images=ImageSettings(
            size=settings.size, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3
        ),
        model=ModelSettings(
            name=settings.model, initial_weights=None, precision=settings.precision
        ),
        optimizer=OptimizerSettings(
            momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=batch_size
        ),
        epochs=1, learning_rate=RATE, schedule="linear", soft_target_weight=0.5, temperature=2.0,
        targets="soft", selection="global", selector="pair", seed=0,
    )  # fmt: skip


def random_set(samples: int, classes: int) -> ImageSet:
    """Return the labels of a set; its pictures are never read."""
    nothing, labels = np.zeros(samples, np.int64), np.arange(samples) % classes
    return ImageSet(
        shards=[], shard=nothing, index=nothing, sample=np.arange(samples), label=labels,
        observed=labels, true=labels, in_clean=nothing.astype(bool), classes=classes,
    )  # fmt: skip


def random_batch(image_set: ImageSet, size: int, ranks: int, rank: int) -> Batch:
    """Return a rank's block of random pictures: a global batch of the whole set."""
    samples = len(image_set)
    own = Share(ranks=ranks, rank=rank).block(samples)
    labels = torch.from_numpy(image_set.label[own])
    images = torch.randint(0, 256, (len(labels), 3, size, size), dtype=torch.uint8)
    return Batch(
        plan=GlobalBatch(step=0, epoch=0, start=0, stop=samples),
        positions=np.arange(samples),
        block=own,
        images=images.contiguous(memory_format=torch.channels_last),
        labels=labels,
    )


def learn_all(learner: Learner, batch: Batch) -> None:
    """Make the step of a model that learns from every sample of a batch. Collective."""
    labels = learner.to_device(batch.labels)
    passes = [(rows,) for rows in batch.rows]
    logits = learner.forward(batch.images, batch.strong, key=batch.plan.step, passes=passes)
    losses = cross_entropy(logits, labels)
    loss = selected_mean(losses, torch.ones_like(losses), batch.plan.size)
    learner.update(loss, RATE)
    loss.item()


def time_depths(
    comm: Comm,
    learner: Learner,
    reader: BatchReader,
    set_size: int,
    batch_size: int,
    depths: Sequence[int],
    steps: int,
) -> Times:
    """Return, for each prefetch depth, the mean times of a mini-batch in each round. Collective.

    By depth (as text) these are seconds of the whole step, and `exposed`, which the step waited for
    its batch; each of the slowest rank. The first round warms up and is not among them; depths
    alternate.
    """
    times: Times = {str(depth): {"step": [], "exposed": []} for depth in depths}
    batches = plan_batches(10**12, set_size, batch_size)
    for number in range(PREFETCH_ROUNDS + 1):
        for depth in depths:
            ahead = Prefetcher(depth, reader.cancel)
            results = ahead.map(reader.read, islice(batches, 2 * depth + 1 + steps))
            found = _time_round(comm, learner, ahead, results, steps)
            for name, seconds in found.items():
                if number:
                    times[str(depth)][name].append(seconds)
    return times


def _time_round(
    comm: Comm, learner: Learner, prefetcher: Prefetcher, batches: Iterator[Batch], steps: int
) -> dict[str, float]:
    """Return the mean times of `steps` steps, after the batches that are read with nothing to hide it."""
    for batch in islice(batches, prefetcher.depth + 1):
        learn_all(learner, batch)
    comm.Barrier()
    began, waited = perf_counter(), prefetcher.waited_seconds
    for batch in islice(batches, steps):
        learn_all(learner, batch)
    totals = {"step": perf_counter() - began, "exposed": prefetcher.waited_seconds - waited}
    for _ in batches:  # read ahead to the end of the measured steps
        pass
    return {name: highest(comm, seconds) / steps for name, seconds in totals.items()}
