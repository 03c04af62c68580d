"""N ranks do what one rank does: same batches, same masks, same gradients, same weights.

In float64 on a model without norm and dropout, where only the order of sums differs.
"""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI
from torch import nn

from mct.base.errors import StageInterruptedError
from mct.base.methods import ROLES
from mct.base.partition import GlobalBatch, block
from mct.base.settings import (
    CalibrationSettings,
    ExecutionSettings,
    ImageSettings,
    ModelSettings,
    OptimizerSettings,
)
from mct.calibration.coupling import Coupling, plan_calibration
from mct.calibration.teachers import Teacher
from mct.data.clean_batches import CleanReader
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch, BatchReader
from mct.labels.selection import select_within
from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy, forward_loss
from mct.learning.objectives import EasiestExamples, GivenWeights, Objective, equal_weights
from mct.learning.schedules import linear
from mct.learning.training import Plan, Training
from mct.parallel.comm import Topology
from mct.parallel.gradients import GradientSum
from mct.parallel.transport import choose_transport
from mct.stage.checkpoint import Checkpoints
from mct.stage.compute import Compute
from mct.stage.progress import Progress

CLASSES, SIZE, SAMPLES = 4, 8, 37
IMAGES = ImageSettings(size=SIZE, augmentation="crop_flip", mean=(0.5,) * 3, std=(0.25,) * 3)
OPTIMIZER = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=10)
DOUBLE = Compute(device=torch.device("cpu"), dtype=torch.float64)
NOISE = {
    "rate": 0.3,
    "upper": 0.35,
    "class_rates": [0.3] * CLASSES,
    "class_uppers": [0.35] * CLASSES,
}
CONFUSION = 0.1 + 0.6 * np.eye(CLASSES)


class PixelSet(ImageSet):
    """Random pictures in memory instead of shards."""

    def read(self, position: int) -> np.ndarray:
        generator = np.random.default_rng(int(self.sample[position]))
        return generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def image_set() -> ImageSet:
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


def clean_reader_on(comm: MPI.Intracomm, count: int, seed: int = 9) -> CleanReader:
    return CleanReader(
        clean_set() if count else None, IMAGES, count=count, seed=seed, ranks=comm.size,
        rank=comm.rank,
    )  # fmt: skip


def plain_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 5, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(45, CLASSES)]
    return nn.Sequential(*layers)


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


@pytest.fixture
def folder(world, tmp_path_factory) -> Iterator[Path]:
    """Return a folder that all ranks share."""
    own = tmp_path_factory.mktemp("shared") if world.rank == 0 else None
    yield world.bcast(own)
    world.Barrier()


def make_learner(comm: MPI.Intracomm, seed: int = 0) -> Learner:
    # Small buckets, so that several travel.
    return Learner(
        plain_model(seed),
        compute=DOUBLE,
        comm=comm,
        images=IMAGES,
        optimizer=OPTIMIZER,
        execution=ExecutionSettings(bucket_bytes=400),
    )


def reader_on(comm: MPI.Intracomm, image_set: ImageSet) -> BatchReader:
    return BatchReader(image_set, IMAGES, seed=5, ranks=comm.size, rank=comm.rank)


def parameters_of(learner: Learner) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()]).numpy()


def checkpoints_in(
    folder: Path, world: MPI.Intracomm, model: MPI.Intracomm, role: str
) -> Checkpoints:
    never = ExecutionSettings(checkpoint_minutes=0)
    return Checkpoints(folder, never, world_comm=world, model_comm=model, role=role)


def plain_objective(comm: MPI.Intracomm) -> Objective:
    return Objective(cross_entropy, equal_weights, np.zeros(SAMPLES, bool))


def gold_objective(comm: MPI.Intracomm) -> Objective:
    """Return GLC's: a correction where labels are not verified."""
    matrix = torch.full((CLASSES, CLASSES), 0.1).double() + 0.6 * torch.eye(CLASSES)
    label_loss = partial(forward_loss, confusion=matrix)
    return Objective(label_loss, equal_weights, np.arange(SAMPLES) % 3 == 0)


def weighted_objective(comm: MPI.Intracomm) -> Objective:
    """Return CleanNet's."""
    weights = np.random.default_rng(4).random(SAMPLES).astype(np.float32)
    return Objective(cross_entropy, GivenWeights(weights), np.zeros(SAMPLES, bool))


def easiest_objective(comm: MPI.Intracomm) -> Objective:
    """Return OEEM's, which selects from the second epoch on."""
    return Objective(
        cross_entropy, EasiestExamples(comm, 0.4, SAMPLES, SAMPLES), np.zeros(SAMPLES, bool)
    )


def train(
    comm: MPI.Intracomm,
    image_set: ImageSet,
    folder: Path,
    stop_after: int | None = None,
    *,
    objective: Callable[[MPI.Intracomm], Objective] = plain_objective,
    clean: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and losses; the last rank gets a signal in step `stop_after`."""
    learner = make_learner(comm)
    plan = Plan(
        samples=85, set_size=SAMPLES, batch_size=10, learning_rate=0.05, schedule=linear,
        clean_per_batch=clean,
    )  # fmt: skip
    progress = Progress("test", total_samples=85)
    reader = reader_on(comm, image_set)
    if stop_after is not None and comm.rank == comm.size - 1:
        reader = SignallingReader(reader, stop_after)
    clean_reader = clean_reader_on(comm, clean)
    training = Training(learner, reader, clean_reader, objective(comm), plan, progress)
    history = training.run(checkpoints_in(folder, comm, comm, "primary"), prefetch=0)
    return parameters_of(learner), history.arrays()["loss"]


@pytest.mark.parametrize(
    ("objective", "clean"),
    [(plain_objective, 0), (gold_objective, 4), (weighted_objective, 0), (easiest_objective, 0)],
)
def test_training_on_all_ranks_equals_training_on_one(world, image_set, folder, objective, clean):
    options = {"objective": objective, "clean": clean}
    weights, losses = train(world, image_set, folder / "all", **options)
    own = folder / f"rank{world.rank}"
    alone, alone_losses = train(MPI.COMM_SELF, image_set, own, **options)
    np.testing.assert_allclose(weights, alone, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(losses, alone_losses, rtol=1e-9)


@pytest.mark.parametrize(
    ("step", "objective", "clean"),
    [(0, plain_objective, 0), (3, gold_objective, 4), (8, easiest_objective, 0)],
)
def test_interrupted_training_ends_in_the_same_bits(
    world, image_set, folder, step, objective, clean
):
    options = {"objective": objective, "clean": clean}
    weights, losses = train(world, image_set, folder / "whole", **options)
    with pytest.raises(StageInterruptedError, match=f"after step {step + 1}"):
        train(world, image_set, folder / "parts", stop_after=step, **options)
    resumed, resumed_losses = train(world, image_set, folder / "parts", **options)
    np.testing.assert_array_equal(resumed, weights)
    np.testing.assert_array_equal(resumed_losses, losses)


def test_training_goes_on_with_another_number_of_ranks(world, image_set, folder):
    weights, losses = train(world, image_set, folder / "whole")
    with pytest.raises(StageInterruptedError):
        train(world, image_set, folder / "parts", stop_after=4)
    alone, alone_losses = train(MPI.COMM_SELF, image_set, folder / "parts")
    np.testing.assert_allclose(alone, weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(alone_losses, losses, rtol=1e-9)


def test_blocks_of_all_ranks_are_the_global_batch(world, image_set):
    plan = Plan(samples=74, set_size=SAMPLES, batch_size=10, learning_rate=1, schedule=linear)
    mine, whole = reader_on(world, image_set), reader_on(MPI.COMM_SELF, image_set)
    for step in plan.batches():
        parts = world.allgather(mine.read(step))
        reference = whole.read(step)
        assert torch.equal(torch.cat([part.images for part in parts]), reference.images)
        assert torch.equal(torch.cat([part.labels for part in parts]), reference.labels)
        assert all(np.array_equal(part.positions, reference.positions) for part in parts)


def test_summed_gradients_equal_those_of_one_rank(world):
    generator = torch.Generator().manual_seed(0)
    # As many samples as ranks but one: the last rank has none and sends zeros.
    count = max(world.size - 1, 1)
    inputs = torch.randn(count, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    start, stop = block(count, world.size, world.rank)
    distributed, alone = plain_model().double(), plain_model().double()
    transport = choose_transport(world, "mpi", torch.device("cpu"))
    gradients = GradientSum(distributed.parameters(), transport, bucket_bytes=400)
    gradients.begin()
    if stop > start:
        distributed(inputs[start:stop]).square().sum().backward()
    gradients.finish()
    alone(inputs).square().sum().backward()
    for ours, reference in zip(distributed.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, reference.grad, rtol=1e-9, atol=1e-12)


def calibration_settings(**changes: object) -> CalibrationSettings:
    values = {
        "images": IMAGES, "optimizer": OPTIMIZER, "epochs": 2, "learning_rate": 0.05,
        "model": ModelSettings(name="small_cnn", initial_weights=None, precision="float64"),
        "schedule": "linear", "soft_target_weight": 0.5, "temperature": 2.0, "targets": "soft",
        "selection": "global", "selector": "pair", "seed": 0,
    }  # fmt: skip
    return CalibrationSettings(**{**values, **changes})


def calibrate(
    topology: Topology,
    image_set: ImageSet,
    settings: CalibrationSettings,
    folder: Path,
    **changes: object,
) -> Coupling:
    learner = make_learner(topology.group_comm, seed=topology.role)
    progress = Progress("test", total_samples=1)
    noise = {**NOISE, **changes.get("noise", {})}
    coupling = Coupling(learner, topology, image_set, settings, noise, CONFUSION, progress)
    count = (settings.clean_per_batch_auxiliary, settings.clean_per_batch_primary)[topology.role]
    clean_reader = clean_reader_on(topology.group_comm, count, seed=20 + topology.role)
    reader = changes.get("reader") or reader_on(topology.group_comm, image_set)
    if "stop_after" in changes and topology.world_comm.rank == 1:
        reader = SignallingReader(reader, changes["stop_after"])
    role = ROLES[topology.role]
    checkpoints = checkpoints_in(folder, topology.world_comm, topology.group_comm, role)
    plan = plan_calibration(settings, len(image_set), role)
    coupling.run(reader, clean_reader, plan, checkpoints, changes.get("prefetch", 0))
    return coupling


CLEAN = {"clean_per_batch_auxiliary": 3, "clean_per_batch_primary": 5}
PAIR = {"teacher": "pair", "taught_models": "both", "taught_samples": "all"}
POSTERIOR = {
    **CLEAN, **PAIR, "targets": "posterior", "soft_target_weight": 0.7, "warmup_epochs": 1.5,
    "teacher_average_epochs": 0.5, "teacher_views": 2, "sharpening": 1.5,
    "confidence_memory": 0.6, "strictness": 0.2,
}  # fmt: skip
FORMS = {
    "paper": {},
    "per_class": {"selection": "per_class"},
    "all taught by the pair": {**CLEAN, **PAIR},
    "taught by each other": {**CLEAN, **PAIR, "teacher": "partner"},
    "posterior, averages, memory": POSTERIOR,
}


@pytest.mark.parametrize("form", FORMS)
def test_calibration_on_all_pairs_equals_one_pair(topology, image_set, form, folder):
    settings = calibration_settings(**FORMS[form])
    coupling = calibrate(topology, image_set, settings, folder / "all")
    world = topology.world_comm
    # Every pair calibrates alone too; the first pair's result is compared with that of all.
    lone_world = topology.pair_comm.Dup()
    lone = Topology(
        world_comm=lone_world, group_comm=MPI.COMM_SELF, pair_comm=topology.pair_comm,
        roles=(0, 1), indices=(0, 0), hosts=("a", "a"),
    )  # fmt: skip
    reference = calibrate(lone, image_set, settings, folder / f"pair{topology.group_comm.rank}")
    np.testing.assert_allclose(
        parameters_of(coupling.learner), parameters_of(reference.learner), rtol=1e-9, atol=1e-12
    )
    for name, values in coupling.history.arrays().items():
        np.testing.assert_allclose(
            values, reference.history.arrays()[name], rtol=1e-9, err_msg=name
        )
    if world.rank == 0:
        np.testing.assert_array_equal(coupling.record.selected, reference.record.selected)
        np.testing.assert_allclose(
            coupling.record.confidence, reference.record.confidence, rtol=1e-6
        )
        assert not np.isnan(coupling.record.confidence).any()
    lone_world.Free()


@pytest.mark.parametrize(
    ("kind", "weights"),
    [("auxiliary", [(1, 0), (1, 0)]), ("pair", [(0.5, 0.5)] * 2), ("partner", [(0, 1), (1, 0)])],
)
def test_the_teacher_is_who_the_settings_name(topology, kind, weights):
    both = np.array([(0.7, 0.2, 0.1), (0.1, 0.6, 0.3)])
    learner = make_learner(topology.group_comm, seed=0)
    teacher = Teacher(learner, topology, calibration_settings(teacher=kind), set_size=SAMPLES)
    logits = torch.from_numpy(np.log(both[topology.role])).float()[None]
    taught, _ = teacher.teach(torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8), logits)
    expected = weights[topology.role] @ both
    np.testing.assert_allclose(taught.softmax(dim=1)[0].numpy(), expected, rtol=1e-5)


def test_every_rank_selects_the_same_samples_given_the_same_confidences(topology):
    confidence = np.random.default_rng(3).random((2, 64)).round(1).astype(np.float32)  # many ties
    groups = np.zeros(64, np.int64)
    masks = select_within(confidence.mean(axis=0), groups, [0.4], [0.4])
    for other in topology.world_comm.allgather(masks):
        np.testing.assert_array_equal(other, masks)


@pytest.mark.parametrize("form", ["paper", "posterior, averages, memory"])
def test_interrupted_calibration_ends_in_the_same_bits(topology, image_set, form, folder):
    settings = calibration_settings(**FORMS[form])
    whole = calibrate(topology, image_set, settings, folder / "whole")
    with pytest.raises(StageInterruptedError, match="after step 6"):
        calibrate(topology, image_set, settings, folder / "parts", stop_after=5)
    resumed = calibrate(topology, image_set, settings, folder / "parts")
    np.testing.assert_array_equal(parameters_of(resumed.learner), parameters_of(whole.learner))
    for name, values in resumed.history.arrays().items():
        np.testing.assert_array_equal(values, whole.history.arrays()[name], err_msg=name)
    np.testing.assert_array_equal(resumed.record.confidence, whole.record.confidence)
    np.testing.assert_array_equal(resumed.record.selected, whole.record.selected)


def test_without_soft_targets_mp_learns_like_a_model_alone_on_its_selection(
    topology, image_set, folder
):
    """With P = 0 all samples are selected and Mp's step is plain training."""
    settings = calibration_settings(soft_target_weight=0.0, epochs=1)
    no_noise = {"rate": 0.0, "upper": 0.0}
    coupling = calibrate(topology, image_set, settings, folder / "pair", noise=no_noise)
    if topology.role == 1:
        group = topology.group_comm
        alone = make_learner(group, seed=1)
        progress = Progress("test", total_samples=1)
        plan = plan_calibration(settings, SAMPLES)
        parts = (reader_on(group, image_set), clean_reader_on(group, 0), plain_objective(group))
        training = Training(alone, *parts, plan, progress)
        training.run(checkpoints_in(folder / "alone", group, group, "primary"), prefetch=0)
        # B - 1 of B samples are certain for Ma, all are expected clean for Mp.
        np.testing.assert_allclose(parameters_of(coupling.learner), parameters_of(alone), rtol=1e-9)


def test_small_batches_of_much_noise_leave_ma_unchanged(topology, image_set, folder):
    """M is 0 for B = 10 and P = .9: Ma skips its steps."""
    before = parameters_of(make_learner(topology.group_comm, seed=topology.role))
    settings = calibration_settings(epochs=1)
    noise = {"rate": 0.9, "upper": 0.9}
    after = parameters_of(calibrate(topology, image_set, settings, folder, noise=noise).learner)
    assert np.array_equal(before, after) == (topology.role == 0)


def test_a_wrong_noise_rate_changes_nothing_where_the_pair_teaches_all_samples(
    topology, image_set, folder
):
    """The defaults of method `mct`: the posterior takes the place of the selection."""
    settings = calibration_settings(
        **{**POSTERIOR, "soft_target_weight": 1.0, "warmup_epochs": 0, "strictness": 0}
    )
    with_rate = [
        calibrate(
            topology, image_set, settings, folder / str(rate), noise={"rate": rate, "upper": rate}
        )
        for rate in (0.1, 0.5)
    ]
    parameters = [parameters_of(coupling.learner) for coupling in with_rate]
    np.testing.assert_array_equal(*parameters)
    if topology.world_comm.rank == 0:
        assert (with_rate[0].record.selected != with_rate[1].record.selected).any()
