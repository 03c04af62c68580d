"""Seconds of a net's steps on random pictures, in each arithmetic that it may learn in."""

from collections.abc import Sequence
from time import perf_counter

import torch
from torch import Tensor

from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy
from mct.learning.models import build_model
from mct.learning.settings import LearnerSettings
from mct.parallel.comm import Topology, highest
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

ROUNDS = 3
"""Steps in each arithmetic that are timed, in turn, after one to warm up."""
RATE = 1e-6


def time_precisions(
    topology: Topology,
    computes: Sequence[Compute],
    settings: LearnerSettings,
    execution: ExecutionSettings,
    *,
    classes: int,
    samples: int,
) -> list[float]:
    """Return the seconds of the fastest step on so many random pictures in each arithmetic. Collective.

    Each rank has a model of its own, as if it were the only one; all ranks compute at the same time.
    """
    learners = [_learner(topology, compute, settings, execution, classes) for compute in computes]
    size = settings.images.size
    pictures = torch.randint(0, 256, (samples, 3, size, size), dtype=torch.uint8)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    labels = learners[0].to_device(torch.arange(samples) % classes)
    rounds = [
        [_time_step(topology, learner, pictures, labels) for learner in learners]
        for _ in range(1 + ROUNDS)
    ]
    return [min(seconds) for seconds in zip(*rounds[1:], strict=True)]


def _learner(
    topology: Topology,
    compute: Compute,
    settings: LearnerSettings,
    execution: ExecutionSettings,
    classes: int,
) -> Learner:
    model = build_model(settings.model, classes, settings.images.size, seed=0)
    return Learner(
        model, compute=compute, comm=topology.group_comm, images=settings.images,
        optimizer=settings.optimizer, execution=execution,
    )  # fmt: skip


def _time_step(topology: Topology, learner: Learner, pictures: Tensor, labels: Tensor) -> float:
    """Return the seconds of a step on the slowest rank, all starting together. Collective."""
    topology.world_comm.Barrier()
    began = perf_counter()
    loss = cross_entropy(learner.forward(pictures, key=0), labels).mean()
    learner.update(loss, RATE)
    next(learner.model.parameters()).sum().item()  # a GPU has then updated
    return highest(topology.world_comm, perf_counter() - began)
