"""Ranks that update alone between averages, against local SGD that is written out plainly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI
from msgspec.structs import replace
from replicas import (
    IMAGES,
    OPTIMIZER,
    SAMPLES,
    SignallingReader,
    checkpoints_in,
    clean_reader_on,
    make_learner,
    parameters_of,
    plain_model,
    plain_objective,
    reader_on,
)
from test_calibration import PAIR, POSTERIOR, calibrate, calibration_settings

from mct.base.errors import StageInterruptedError
from mct.base.partition import Share
from mct.base.roles import Role
from mct.data.clean_batches import SampleReader
from mct.data.imagesets import ImageSet
from mct.data.loading import BatchReader
from mct.learning.learner import Learner
from mct.learning.loop import Loop
from mct.learning.losses import cross_entropy
from mct.learning.plan import Plan
from mct.learning.schedules import linear
from mct.learning.training import ModelTraining
from mct.stage.progress import Progress

STEPS = 9
"""Of two epochs of 37 samples in batches of 10, and a last batch of 5."""


def plan_of(steps: int, after: float = 0.0) -> Plan:
    return Plan(
        samples=79, set_size=SAMPLES, batch_size=10, learning_rate=0.05, schedule=linear,
        local_steps=steps, local_after=after,
    )  # fmt: skip


def train(
    comm: MPI.Intracomm,
    image_set: ImageSet,
    folder: Path,
    plan: Plan,
    stop_after: int | None = None,
    passes: int = 1,
) -> Learner:
    """Return a trained learner; the last rank gets a signal in step `stop_after`."""
    learner = make_learner(comm, optimizer=replace(OPTIMIZER, accumulation=passes))
    reader = reader_on(comm, image_set, passes=passes)
    if stop_after is not None and comm.rank == comm.size - 1:
        reader = SignallingReader(reader, stop_after)
    objective = plain_objective(comm)
    training = ModelTraining(learner, plan, objective, settings=None, role=Role.PRIMARY)
    checkpoints = checkpoints_in(folder, comm, comm, "primary")
    samples = SampleReader(reader, clean_reader_on(comm, 0, passes=passes))
    Loop(training, Progress("test"), checkpoints).run(samples, prefetch=0)
    return learner


def train_plainly(
    ranks: int, image_set: ImageSet, plan: Plan, averaged_after: set[int], passes: int
) -> np.ndarray:
    """Return the mean parameters of models that each have an optimizer of torch."""
    models = [plain_model().double() for _ in range(ranks)]
    readers = [
        BatchReader(image_set, IMAGES, seed=5, share=Share(ranks=ranks, rank=rank, passes=passes))
        for rank in range(ranks)
    ]
    optimizers = [
        torch.optim.SGD(
            [
                {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 5e-4},
                {"params": [p for p in model.parameters() if p.ndim == 1]},
            ],
            lr=1.0, momentum=0.9, nesterov=True,
        )
        for model in models
    ]  # fmt: skip
    for batch in plan.batches():
        for model, reader, optimizer in zip(models, readers, optimizers, strict=True):
            own = reader.read(batch)
            optimizer.zero_grad(set_to_none=False)
            logits = model((own.images.double() / 255 - 0.5) / 0.25)
            (cross_entropy(logits, own.labels).sum() * ranks / batch.size).backward()
            for group in optimizer.param_groups:
                group["lr"] = plan.rate(batch)
            optimizer.step()
        if batch.step in averaged_after:
            average(models)
    return torch.cat([p.detach().flatten() for p in models[0].parameters()]).numpy()


@torch.no_grad()
def average(models: list[torch.nn.Module]) -> None:
    for replicas in zip(*(model.parameters() for model in models), strict=True):
        mean = torch.stack([*replicas]).mean(dim=0)
        for replica in replicas:
            replica.copy_(mean)


@pytest.mark.parametrize(
    ("steps", "averaged_after", "passes"),
    [(2, {1, 3, 5, 7, 8}, 1), (3, {2, 3, 6, 7, 8}, 2), (100, {3, 7, 8}, 1)],
)
def test_local_steps_are_those_of_local_sgd(
    world, image_set, folder, steps, averaged_after, passes
):
    """An epoch has four steps: averages are after each so many of them, and at its end."""
    learner = train(world, image_set, folder, plan_of(steps), passes=passes)
    expected = train_plainly(world.size, image_set, plan_of(steps), averaged_after, passes)
    np.testing.assert_allclose(parameters_of(learner), expected, rtol=1e-9, atol=1e-12)
    for other in world.allgather(parameters_of(learner)):
        np.testing.assert_array_equal(other, parameters_of(learner))


def test_one_rank_alone_trains_as_ever(image_set, folder):
    own = folder / str(MPI.COMM_WORLD.rank)
    parameters = [
        parameters_of(train(MPI.COMM_SELF, image_set, own, plan_of(steps))) for steps in (1, 3)
    ]
    np.testing.assert_array_equal(*parameters)


def test_what_comes_before_the_local_part_is_synchronous(world, image_set, folder):
    weights = {
        after: parameters_of(train(world, image_set, folder / str(after), plan_of(2, after)))
        for after in (0.0, 0.5, 1.0)
    }
    synchronous = parameters_of(train(world, image_set, folder / "all", plan_of(1)))
    np.testing.assert_array_equal(weights[1.0], synchronous)
    if world.size > 1:
        assert len({values.tobytes() for values in weights.values()}) == 3


def test_messages_are_counted_also_before_an_interruption(world, image_set, folder):
    """Of nine steps from the fifth on (39.5 of 79 samples): in four all gradients, then three averages."""
    buckets = len(make_learner(world).gradients.buckets)
    size = 8 * len(parameters_of(make_learner(world)))
    assert [plan_of(2, 0.5).is_local(batch) for batch in plan_of(1).batches()].count(False) == 5
    with pytest.raises(StageInterruptedError):
        train(world, image_set, folder, plan_of(2, 0.5), stop_after=6)
    found = train(world, image_set, folder, plan_of(2, 0.5)).summary()
    sums = 5 + 3 if world.size > 1 else 0
    assert found["averaging_messages"] == sums * buckets
    assert found["averaging_bytes"] == sums * size
    whole = train(world, image_set, folder / "all", plan_of(1)).summary()
    assert whole["averaging_bytes"] == (STEPS * size if world.size > 1 else 0)


@pytest.mark.parametrize("step", [0, 1, 4])
def test_a_training_that_is_interrupted_between_averages_ends_in_the_same_bits(
    world, image_set, folder, step
):
    """After step 2 of 3 the replicas differ."""
    whole = parameters_of(train(world, image_set, folder / "whole", plan_of(3)))
    with pytest.raises(StageInterruptedError, match=f"after step {step + 1}"):
        train(world, image_set, folder / "parts", plan_of(3), stop_after=step)
    if world.rank == 0:
        written = list((folder / "parts").glob("step-*/primary.rank-*.safetensors"))
        assert len(written) == world.size
    resumed = train(world, image_set, folder / "parts", plan_of(3))
    np.testing.assert_array_equal(parameters_of(resumed), whole)


def test_another_number_of_ranks_goes_on_with_the_mean(world, image_set, folder):
    with pytest.raises(StageInterruptedError):
        train(world, image_set, folder / "parts", plan_of(3), stop_after=1)
    before = make_learner(world)
    first = Loop(
        ModelTraining(before, plan_of(3), plain_objective(world), settings=None, role=Role.PRIMARY),
        Progress("test"), checkpoints_in(folder / "parts", world, world, "primary"),
    )  # fmt: skip
    assert first._checkpoints.resume(first) == 2
    mean = world.allreduce(parameters_of(before)) / world.size
    alone = make_learner(MPI.COMM_SELF)
    other = Loop(
        ModelTraining(alone, plan_of(3), plain_objective(world), settings=None, role=Role.PRIMARY),
        Progress("test"),
        checkpoints_in(folder / "parts", MPI.COMM_SELF, MPI.COMM_SELF, "primary"),
    )
    assert other._checkpoints.resume(other) == 2
    np.testing.assert_allclose(parameters_of(alone), mean, rtol=1e-12)


@pytest.mark.parametrize("form", [PAIR, POSTERIOR])
def test_a_calibration_is_resumed_between_averages_in_the_same_bits(
    topology, image_set, folder, form
):
    optimizer = replace(OPTIMIZER, local_steps=3)
    settings = calibration_settings(**form, optimizer=optimizer)
    whole = calibrate(topology, image_set, settings, folder / "whole")
    own = parameters_of(whole.learner)
    for other in topology.group_comm.allgather(own):
        np.testing.assert_array_equal(other, own)
    with pytest.raises(StageInterruptedError, match="after step 6"):
        calibrate(topology, image_set, settings, folder / "parts", stop_after=5)
    resumed = calibrate(topology, image_set, settings, folder / "parts")
    np.testing.assert_array_equal(parameters_of(resumed.learner), own)
    np.testing.assert_array_equal(resumed.record.confidence, whole.record.confidence)
    plain = calibrate(topology, image_set, calibration_settings(**form), folder / "plain")
    assert np.array_equal(parameters_of(plain.learner), own) == (topology.pairs == 1)
