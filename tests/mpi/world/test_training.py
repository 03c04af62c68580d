"""N ranks do what one rank does: same batches, same gradients, same weights.

In float64 on a model without norm and dropout, where only the order of sums differs.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI
from msgspec.structs import replace
from replicas import (
    CLASSES,
    IMAGES,
    PHASES,
    SAMPLES,
    SIZE,
    SignallingReader,
    checkpoints_in,
    clean_reader_on,
    make_learner,
    parameters_of,
    plain_model,
    plain_objective,
    reader_on,
)

from mct.base.errors import StageInterruptedError
from mct.base.partition import block
from mct.base.roles import Role
from mct.data.clean_batches import SampleReader
from mct.data.imagesets import ImageSet
from mct.data.settings import ImageSettings
from mct.learning.loop import Loop
from mct.learning.losses import cross_entropy, forward_loss
from mct.learning.objectives import Objective, easiest_examples, equal_weights, given_weights
from mct.learning.plan import Plan
from mct.learning.schedules import Course, Part, Shape, linear, make_course
from mct.learning.training import ModelTraining
from mct.parallel.gradients import GradientSum
from mct.parallel.transport import choose_transport
from mct.stage.progress import Progress


def gold_objective(comm: MPI.Intracomm) -> Objective:
    """Return GLC's: a correction where labels are not verified."""
    matrix = torch.full((CLASSES, CLASSES), 0.1).double() + 0.6 * torch.eye(CLASSES)
    label_loss = partial(forward_loss, confusion=matrix)
    return Objective(label_loss, equal_weights, np.arange(SAMPLES) % 3 == 0)


def weighted_objective(comm: MPI.Intracomm) -> Objective:
    """Return CleanNet's."""
    weights = np.random.default_rng(4).random(SAMPLES).astype(np.float32)
    return Objective(cross_entropy, given_weights(weights), np.zeros(SAMPLES, bool))


def easiest_objective(comm: MPI.Intracomm) -> Objective:
    """Return OEEM's, which selects from the second epoch on."""
    return Objective(
        cross_entropy, easiest_examples(comm, 0.4, SAMPLES, SAMPLES), np.zeros(SAMPLES, bool)
    )


def train(
    comm: MPI.Intracomm,
    image_set: ImageSet,
    folder: Path,
    stop_after: int | None = None,
    *,
    objective: Callable[[MPI.Intracomm], Objective] = plain_objective,
    clean: int = 0,
    images: ImageSettings = IMAGES,
    schedule: Shape | Course = linear,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and losses; the last rank gets a signal in step `stop_after`."""
    learner = make_learner(comm, images=images)
    plan = Plan(
        samples=85, set_size=SAMPLES, batch_size=10, learning_rate=0.05, schedule=schedule,
        clean_per_batch=clean,
    )  # fmt: skip
    reader = reader_on(comm, image_set, images, plan.augmentation)
    if stop_after is not None and comm.rank == comm.size - 1:
        reader = SignallingReader(reader, stop_after)
    clean_reader = clean_reader_on(comm, clean, images=images, kind_of=plan.augmentation)
    training = ModelTraining(learner, plan, objective(comm), settings=None, role=Role.PRIMARY)
    loop = Loop(training, Progress("test"), checkpoints_in(folder, comm, comm, "primary"))
    loop.run(SampleReader(reader, clean_reader), prefetch=0)
    return parameters_of(learner), training.history.arrays()["loss"]


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


def test_a_kill_inside_any_phase_changes_no_bit(world, image_set, folder):
    """Rate, weight decay and augmentation depend on the samples seen alone, clean ones' too."""
    options = {"schedule": make_course(Part(PHASES, 85)), "clean": 4}
    weights, losses = train(world, image_set, folder / "whole", **options)
    for step in (1, 2, 5):  # resumed in a warm-up, in the second cycle, in the collapse
        with pytest.raises(StageInterruptedError, match=f"after step {step + 1}"):
            train(world, image_set, folder / "parts", stop_after=step, **options)
    resumed, resumed_losses = train(world, image_set, folder / "parts", **options)
    np.testing.assert_array_equal(resumed, weights)
    np.testing.assert_array_equal(resumed_losses, losses)


@pytest.mark.parametrize("change", [{"weight_decay": 1}, {"augmentation": None}, {"rate": 0.2}])
def test_what_a_phase_changes_makes_another_model(world, image_set, folder, change):
    collapse = replace(PHASES[-1], **change)
    models = [
        train(world, image_set, folder / name, schedule=make_course(Part(phases, 85)))[0]
        for name, phases in (("one", PHASES), ("other", (*PHASES[:-1], collapse)))
    ]
    assert not np.allclose(*models, rtol=1e-4)


def test_an_epochs_figures_are_those_of_all_its_steps(world, image_set, folder, monkeypatch):
    """Of those before a checkpoint or an interruption too."""
    told = []
    monkeypatch.setattr(Progress, "report", lambda _, epoch, figures: told.append((epoch, figures)))
    train(world, image_set, folder / "whole")
    whole = [told.pop() for _ in range(3)]
    for step in (1, 5):
        with pytest.raises(StageInterruptedError):
            train(world, image_set, folder / "parts", stop_after=step)
    train(world, image_set, folder / "parts")
    assert told == whole[::-1]


def test_training_that_loses_its_newest_checkpoint_ends_in_the_same_bits(world, image_set, folder):
    weights, losses = train(world, image_set, folder / "whole")
    for step in (2, 5):
        with pytest.raises(StageInterruptedError):
            train(world, image_set, folder / "parts", stop_after=step)
    if world.rank == 0:
        newest = folder / "parts/step-000000006/primary.safetensors"
        newest.write_bytes(newest.read_bytes()[:1000])
    world.Barrier()
    resumed, resumed_losses = train(world, image_set, folder / "parts")
    np.testing.assert_array_equal(resumed, weights)
    np.testing.assert_array_equal(resumed_losses, losses)


def test_a_model_learns_from_strong_views_the_same_on_all_ranks(world, image_set, folder):
    options = {"images": replace(IMAGES, strong_augmentation=0.8), "clean": 4}
    weights, _ = train(world, image_set, folder / "all", **options)
    alone, _ = train(MPI.COMM_SELF, image_set, folder / f"rank{world.rank}", **options)
    np.testing.assert_allclose(weights, alone, rtol=1e-9, atol=1e-12)
    plain, _ = train(world, image_set, folder / "plain", clean=4)
    assert not np.allclose(weights, plain, rtol=1e-3)


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
