"""A model of a convolution on random pictures in float64, on the ranks of a communicator.

Without norm and dropout, so that between numbers of ranks only the order of sums differs.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mpi4py import MPI
from torch import nn

from mct.base.partition import GlobalBatch, Share
from mct.data.clean_batches import CleanReader
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch, BatchReader, KindOf, as_configured
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy
from mct.learning.objectives import Objective, equal_weights
from mct.learning.parts import freeze
from mct.learning.settings import ModelSettings, OptimizerSettings, Phase
from mct.stage.checkpoint import Checkpoints
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

CLASSES, SIZE, SAMPLES = 4, 8, 37
IMAGES = ImageSettings(size=SIZE, augmentation="crop_flip", mean=(0.5,) * 3, std=(0.25,) * 3)
OPTIMIZER = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=10)
PHASES = (
    Phase(share="2/5", warmup=0.5, cycles=2, cycle_rate_factor=0.5),
    Phase(shape="polynomial", rate=0.4, weight_decay=200, augmentation="none"),
)
"""A schedule that changes all that a phase can change."""
DOUBLE = Compute(device=torch.device(os.environ.get("MCT_TEST_DEVICE", "cpu")), dtype=torch.float64)


class PixelSet(ImageSet):
    """Random pictures in memory instead of shards."""

    def read(self, position: int) -> np.ndarray:
        generator = np.random.default_rng(int(self.sample[position]))
        return generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def noisy_set() -> ImageSet:
    """Return pictures with random labels, of which a few are in the clean set too."""
    labels = np.random.default_rng(0).integers(0, CLASSES, (2, SAMPLES))
    nowhere = np.zeros(SAMPLES, np.int64)
    return PixelSet(
        shards=[], shard=nowhere, index=nowhere, sample=np.arange(SAMPLES), label=labels[0],
        observed=labels[0], true=labels[1], in_clean=np.arange(SAMPLES) < 5, classes=CLASSES,
    )  # fmt: skip


def clean_set() -> ImageSet:
    """Return eleven pictures with true labels: a pass over them ends within a step."""
    labels, nowhere = np.arange(11) % CLASSES, np.zeros(11, np.int64)
    return PixelSet(
        shards=[], shard=nowhere, index=nowhere, sample=100 + np.arange(11), label=labels,
        observed=labels, true=labels, in_clean=np.ones(11, bool), classes=CLASSES,
    )  # fmt: skip


def clean_reader_on(
    comm: MPI.Intracomm,
    count: int,
    seed: int = 9,
    images: ImageSettings = IMAGES,
    kind_of: KindOf = as_configured,
    passes: int = 1,
) -> CleanReader:
    images_of, share = clean_set() if count else None, share_of(comm, passes)
    return CleanReader(images_of, images, count=count, seed=seed, share=share, kind_of=kind_of)


def share_of(comm: MPI.Intracomm, passes: int = 1) -> Share:
    return Share(ranks=comm.size, rank=comm.rank, passes=passes)


PLAIN = ModelSettings(name="small_cnn", precision="float64")


def plain_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 5, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(45, CLASSES)]
    return nn.Sequential(*layers)


def random_model(seed: int = 0) -> nn.Module:
    """Return a model of the block's statistics and of random numbers."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, stride=2), nn.BatchNorm2d(5), nn.Tanh(), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(45, CLASSES),
    )  # fmt: skip


class SignallingReader(BatchReader):
    """Sends SIGUSR1 to its own process when it reads the batch of a given step."""

    def __init__(self, reader: BatchReader, step: int) -> None:
        self._reader, self._step = reader, step

    def read(self, plan: GlobalBatch) -> Batch:
        if plan.step == self._step:
            os.kill(os.getpid(), signal.SIGUSR1)  # it may be another thread that reads
        return self._reader.read(plan)

    def cancel(self) -> None:
        self._reader.cancel()


def make_learner(
    comm: MPI.Intracomm,
    seed: int = 0,
    images: ImageSettings = IMAGES,
    settings: ModelSettings = PLAIN,
    optimizer: OptimizerSettings = OPTIMIZER,
    build: Callable[[int], nn.Module] = plain_model,
) -> Learner:
    model = build(seed)
    freeze(model, settings)
    # Small buckets, so that several travel.
    return Learner(
        model,
        compute=DOUBLE,
        comm=comm,
        images=images,
        optimizer=optimizer,
        execution=ExecutionSettings(bucket_bytes=400),
    )


def reader_on(
    comm: MPI.Intracomm,
    image_set: ImageSet,
    images: ImageSettings = IMAGES,
    kind_of: KindOf = as_configured,
    passes: int = 1,
) -> BatchReader:
    return BatchReader(image_set, images, seed=5, share=share_of(comm, passes), kind_of=kind_of)


def parameters_of(learner: Learner) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()]).cpu().numpy()


def checkpoints_in(
    folder: Path, world: MPI.Intracomm, model: MPI.Intracomm, role: str
) -> Checkpoints:
    never = ExecutionSettings(checkpoint_minutes=0)
    return Checkpoints(folder, never, world_comm=world, model_comm=model, role=role)


def plain_objective(comm: MPI.Intracomm) -> Objective:
    return Objective(cross_entropy, equal_weights, np.zeros(SAMPLES, bool))
