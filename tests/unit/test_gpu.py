"""The GPU's arithmetic beside the processor's, and its bits beside its own."""

import numpy as np
import pytest
import torch
from mpi4py import MPI
from msgspec.structs import replace

from mct.data.augmentation import STRONG_DRAWS
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy
from mct.learning.models import build_architecture
from mct.learning.settings import OptimizerSettings
from mct.parallel.transport import process_group, unit_name
from mct.stage.compute import Compute, choose_compute
from mct.stage.settings import ExecutionSettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")

SIZE, SAMPLES = 16, 24
IMAGES = ImageSettings(
    size=SIZE, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3, strong_augmentation=0.5
)
OPTIMIZER = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=SAMPLES)


def make_learner(
    compute: Compute, name: str = "small_cnn", optimizer: OptimizerSettings = OPTIMIZER
) -> Learner:
    torch.manual_seed(0)
    return Learner(
        build_architecture(name, 10), compute=compute, comm=MPI.COMM_SELF, images=IMAGES,
        optimizer=optimizer, execution=ExecutionSettings(),
    )  # fmt: skip


def train(learner: Learner, first: int, last: int) -> None:
    for step in range(first, last):
        generator = np.random.default_rng(step)
        images = generator.integers(0, 256, (SAMPLES, SIZE, SIZE, 3), np.uint8)
        labels = learner.to_device(torch.from_numpy(generator.integers(0, 10, SAMPLES)))
        strong = generator.random((SAMPLES, STRONG_DRAWS), np.float32)
        logits = learner.forward(torch.from_numpy(images).permute(0, 3, 1, 2), strong, key=step)
        learner.update(cross_entropy(logits, labels).mean(), 0.05)


def weights_of(learner: Learner) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in learner.model.parameters()]).cpu().numpy()


@pytest.mark.parametrize("keys", [{}, {"norm_samples": 7, "trust_coefficient": 0.01}])
def test_training_equals_that_of_the_processor_in_double_precision(keys):
    weights, optimizer = [], replace(OPTIMIZER, **keys)
    for device in ("cpu", "cuda"):
        compute = Compute(device=torch.device(device), dtype=torch.float64)
        learner = make_learner(compute, optimizer=optimizer)
        train(learner, 0, 5)
        weights.append(weights_of(learner))
    np.testing.assert_allclose(*weights, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["small_cnn", "cifar_resnet18"])
def test_a_training_that_is_taken_up_ends_in_the_same_bits(name):
    compute = choose_compute("bfloat16", ExecutionSettings(device="cuda"))
    whole = make_learner(compute, name)
    train(whole, 0, 20)
    first = make_learner(compute, name)
    train(first, 0, 11)
    second = make_learner(compute, name)
    second.restore(*first.state())
    train(second, 11, 20)
    np.testing.assert_array_equal(weights_of(second), weights_of(whole))


def test_a_group_of_nccl_can_be_joined_by_one_rank():
    group = process_group(MPI.COMM_SELF, "nccl")
    values = torch.arange(5.0, device="cuda")
    group.allreduce([values]).wait()
    assert values.tolist() == [0, 1, 2, 3, 4]


def test_a_gpu_has_a_name_of_its_own():
    assert "cuda" not in unit_name(torch.device("cuda", 0))
