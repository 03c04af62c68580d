"""With LARS replicas stay equal in bits, although sums of many numbers may differ between ranks."""

import pytest
import torch

from mct.base.partition import block
from mct.data.settings import ImageSettings
from mct.learning import trust
from mct.learning.learner import Learner
from mct.learning.models import small_cnn
from mct.learning.settings import OptimizerSettings
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

BATCH = 6


def trained(comm, dtype: torch.dtype) -> list[torch.Tensor]:
    """Return the weights after three steps on a batch."""
    torch.manual_seed(0)
    learner = Learner(
        small_cnn(4), compute=Compute(device=torch.device("cpu"), dtype=dtype), comm=comm,
        images=ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
        optimizer=OptimizerSettings(
            batch_size=BATCH, norm_statistics="batch", trust_coefficient=0.01, classifier_rate=2.0
        ),
        execution=ExecutionSettings(bucket_bytes=4000),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 256, (BATCH, 3, 8, 8), generator=generator, dtype=torch.uint8)
    start, stop = block(BATCH, comm.size, comm.rank)
    for step in range(3):
        logits = learner.forward(images[start:stop], key=step)
        learner.update((logits.square().sum(dim=1) / BATCH).sum(), 0.5)
    return [parameter.detach() for parameter in learner.model.parameters()]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_replicas_are_equal_in_bits(world, monkeypatch, dtype):
    lengths = trust.lengths
    monkeypatch.setattr(trust, "lengths", lambda each: lengths(each) * (1 + 1e-5 * world.rank))
    for own in trained(world, dtype):
        assert torch.equal(own, world.bcast(own))


def test_all_ranks_together_step_as_one(world):
    from mpi4py import MPI

    for own, alone in zip(
        trained(world, torch.float64), trained(MPI.COMM_SELF, torch.float64), strict=True
    ):
        torch.testing.assert_close(own, alone, rtol=1e-7, atol=1e-10)
