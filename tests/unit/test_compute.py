"""Arithmetic and device of a process."""

import numpy as np
import pytest
import torch
from torch import nn

from mct.base.errors import UserError
from mct.learning.models import small_cnn
from mct.stage.compute import Compute, choose_compute
from mct.stage.rank_compute import agree
from mct.stage.settings import ExecutionSettings

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)
EXECUTION = ExecutionSettings(device="cpu", threads_per_rank=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_pictures_are_normalised_by_channel_in_the_precision_of_parameters(dtype):
    compute = Compute(device=torch.device("cpu"), dtype=dtype)
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    inputs = compute.normalise(images, MEAN, STD)
    channel = np.array([MEAN, STD]).reshape(2, 1, 3, 1, 1)
    np.testing.assert_allclose(
        inputs, (images.numpy() / 255 - channel[0]) / channel[1], rtol=1e-4, atol=1e-6
    )
    weight = compute.place(nn.Linear(2, 2)).weight
    assert inputs.dtype == weight.dtype == (dtype if dtype != torch.bfloat16 else torch.float32)


def test_bfloat16_computes_under_autocast_and_others_do_not():
    for dtype in (torch.bfloat16, torch.float32):
        compute = Compute(device=torch.device("cpu"), dtype=dtype)
        model = compute.place(nn.Linear(2, 2))
        with compute.autocast():
            assert model(torch.zeros(1, 2)).dtype == dtype


def test_a_replica_keeps_the_weights_that_autocast_would_cast_and_shares_the_rest():
    compute = Compute(device=torch.device("cpu"), dtype=torch.bfloat16)
    torch.manual_seed(0)
    model = compute.place(small_cnn(4)).train()
    replica, leaves = compute.replicate(model)
    inputs = torch.randn(5, 3, 8, 8)
    with compute.autocast():
        reference, logits = model(inputs), replica(inputs)
    assert torch.equal(logits, reference)
    reference.float().square().sum().backward()
    expected = {p: p.grad for p in model.parameters()}
    model.zero_grad()
    logits.float().square().sum().backward()
    assert {leaf.dtype for leaf in leaves.values()} == {torch.bfloat16, torch.float32}
    for parameter, leaf in leaves.items():
        assert torch.equal(leaf.grad.float(), expected[parameter])
    assert all(a is b for a, b in zip(model.buffers(), replica.buffers(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_autocast_the_model_computes_itself(dtype):
    compute = Compute(device=torch.device("cpu"), dtype=dtype)
    model = compute.place(nn.Linear(2, 2))
    replica, leaves = compute.replicate(model)
    assert replica is model
    assert all(leaf is parameter for parameter, leaf in leaves.items())


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_a_named_precision_is_taken(precision):
    compute = choose_compute(precision, EXECUTION)
    assert compute == Compute(device=torch.device("cpu"), dtype=getattr(torch, precision))


def test_ranks_of_nodes_that_differ_agree_on_float32():
    class Ranks:
        def __init__(self, *others: str) -> None:
            self._others = others

        def allgather(self, own: str) -> list[str]:
            return [own, *self._others]

    ours = Compute(device=torch.device("cpu"), dtype=torch.bfloat16)
    assert agree(ours, Ranks("torch.bfloat16")) == ours
    assert agree(ours, Ranks("torch.float32")).dtype == torch.float32


def test_automatic_precision_is_one_that_trains():
    assert choose_compute("auto", EXECUTION).dtype in (torch.float32, torch.bfloat16)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"execution\.device: expected a GPU .* found none"):
        choose_compute("float32", ExecutionSettings(device="cuda"), local_rank=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_job_for_which_no_gpu_was_asked_needs_none():
    compute = choose_compute("float32", ExecutionSettings(device="cuda"))
    assert compute.device.type == "cpu"


def test_a_seed_is_what_torch_makes_of_it():
    compute = choose_compute("float32", EXECUTION)
    compute.seed(2**64 - 1)
    ours = torch.rand(5, device=compute.device)
    torch.manual_seed(2**64 - 1)
    assert torch.equal(ours, torch.rand(5, device=compute.device))
