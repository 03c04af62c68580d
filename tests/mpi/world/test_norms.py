"""Batch norm over all ranks equals one rank's batch norm of the whole batch."""

import numpy as np
import pytest
import torch
from mpi4py import MPI
from torch import nn

from mct.base.partition import block
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.models import small_cnn
from mct.learning.norms import share_statistics
from mct.learning.settings import OptimizerSettings
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

CPU = torch.device("cpu")


def make_norm() -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(3).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in norm.parameters():
        parameter.data = torch.randn(3, generator=generator, dtype=torch.float64)
    return norm


@pytest.mark.parametrize("count", [1, 2, 5, 13])  # some ranks have no sample
def test_statistics_and_gradients_of_the_whole_batch(world, count):
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(count, 3, 4, 5, generator=generator, dtype=torch.float64) * 3 + 7
    weight = torch.randn(batch.shape, generator=generator, dtype=torch.float64)
    start, stop = block(count, world.size, world.rank)
    shared, alone = make_norm(), make_norm()
    share_statistics(shared, world)
    own, whole = batch[start:stop].clone().requires_grad_(), batch.clone().requires_grad_()
    output, reference = shared(own), alone(whole)
    (output.sin() * weight[start:stop]).sum().backward()
    (reference.sin() * weight).sum().backward()
    close = {"rtol": 1e-9, "atol": 1e-11}
    torch.testing.assert_close(output, reference[start:stop], **close)
    torch.testing.assert_close(own.grad, whole.grad[start:stop], **close)
    for name, buffer in alone.named_buffers():
        torch.testing.assert_close(getattr(shared, name), buffer, **close)
    for parameter, other in zip(shared.parameters(), alone.parameters(), strict=True):
        total = world.allreduce(parameter.grad)
        torch.testing.assert_close(total, other.grad, **close)


def test_in_evaluation_running_statistics_serve(world):
    shared, alone = make_norm().eval(), make_norm().eval()
    share_statistics(shared, world)
    inputs = torch.full((1 + world.rank, 3, 2, 2), 2.0, dtype=torch.float64)
    assert torch.equal(shared(inputs), alone(inputs))


def make_learner(comm: MPI.Intracomm, model: nn.Module, dtype: torch.dtype, **options) -> Learner:
    return Learner(
        model, compute=Compute(device=CPU, dtype=dtype), comm=comm,
        images=ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
        optimizer=OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=0.0, **options),
        execution=ExecutionSettings(bucket_bytes=4000),
    )  # fmt: skip


def three_steps(learner: Learner, count: int) -> None:
    """Train on a batch of `count` samples, of which some ranks may have none."""
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    start, stop = block(count, learner.comm.size, learner.comm.rank)
    for step in range(3):
        logits = learner.forward(images[start:stop], key=step)
        learner.update((logits.square().sum(dim=1) / count).sum(), 0.01)


def train(comm: MPI.Intracomm, dtype: torch.dtype, count: int) -> np.ndarray:
    """Return the weights after three steps on a batch of `count` samples."""
    torch.manual_seed(0)
    options = {"batch_size": count, "norm_statistics": "batch"}
    learner = make_learner(comm, small_cnn(4), dtype, **options)
    three_steps(learner, count)
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()]).numpy()


@pytest.mark.parametrize("is_pretrained", [False, True])
def test_running_statistics_are_those_of_ranks_with_samples(world, is_pretrained):
    """A rank that never held a sample has only what the model began with."""
    torch.manual_seed(0)
    model = small_cnn(4)
    if is_pretrained:
        model(torch.randn(5, 3, 8, 8))
    learner = make_learner(world, model, torch.float64, batch_size=1)
    three_steps(learner, 1)
    expected = world.bcast([buffer.clone() for buffer in learner.model.buffers()])  # rank 0's
    learner.average_statistics()
    for buffer, other in zip(learner.model.buffers(), expected, strict=True):
        if buffer.is_floating_point():
            assert torch.equal(buffer, other)


@pytest.mark.parametrize("count", [3, 8])
def test_training_on_all_ranks_equals_training_on_one(world, count):
    weights = train(world, torch.float64, count)
    alone = train(MPI.COMM_SELF, torch.float64, count)
    np.testing.assert_allclose(weights, alone, rtol=1e-7, atol=1e-10)


def test_bfloat16_is_near_float64(world):
    weights = train(world, torch.bfloat16, 8)
    exact = train(MPI.COMM_SELF, torch.float64, 8)
    assert np.abs(weights - exact).max() < 0.02


def ghost_learner(comm: MPI.Intracomm, batch: int, **options) -> Learner:
    torch.manual_seed(0)
    return make_learner(comm, small_cnn(4), torch.float64, batch_size=batch, **options)


def everything(learner: Learner) -> np.ndarray:
    """Return weights and running statistics, the mean of all ranks'."""
    learner.average_statistics()
    state = learner.model.state_dict().values()
    return torch.cat([tensor.detach().double().flatten() for tensor in state]).numpy()


def test_teams_of_ranks_equal_groups_on_one_rank(world):
    """Two ranks of 4 samples are a team; of three ranks all are."""
    batch, teams = 4 * world.size, max(world.size // 2, 1)
    learner = ghost_learner(world, batch, norm_samples=8)
    alone = ghost_learner(MPI.COMM_SELF, batch, norm_samples=batch // teams)
    for each in (learner, alone):
        three_steps(each, batch)
    np.testing.assert_allclose(everything(learner), everything(alone), rtol=1e-7, atol=1e-10)
    learner.free()


def test_one_team_has_the_statistics_of_the_batch(world):
    learners = [
        ghost_learner(world, 5, norm_samples=5),
        ghost_learner(world, 5, norm_statistics="batch"),
    ]
    for learner in learners:
        three_steps(learner, 5)
    np.testing.assert_allclose(*map(everything, learners), rtol=1e-12, atol=1e-14)
    learners[0].free()


def test_a_team_without_samples_has_seen_nothing(world):
    learner = ghost_learner(world, 4 * world.size, norm_samples=8)
    three_steps(learner, 1)
    expected = world.bcast([buffer.clone() for buffer in learner.model.buffers()])  # rank 0's
    learner.average_statistics()
    for buffer, other in zip(learner.model.buffers(), expected, strict=True):
        if buffer.is_floating_point():
            assert buffer.isfinite().all()
            torch.testing.assert_close(buffer, other, rtol=1e-12, atol=1e-14)
    learner.free()
