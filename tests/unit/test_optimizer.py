"""The update against torch's own, and by hand."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Parameter

from mct.learning.optimizer import MomentumSGD
from mct.learning.settings import OptimizerSettings

RATES = (0.1, 0.1, 0.05, 0.2, 0.0)


def make_parameters() -> list[Parameter]:
    """Return a weight, a bias and a scalar."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, 4), (4,), ())
    return [
        Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in shapes
    ]


def settings(
    momentum: float = 0.9, nesterov: bool = True, decay: float = 0.01
) -> OptimizerSettings:
    return OptimizerSettings(momentum=momentum, nesterov=nesterov, weight_decay=decay, batch_size=1)


def set_gradients(parameters: list[Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("nesterov", [True, False])
@given(momentum=st.floats(0.01, 0.99), decay=st.floats(0, 0.1))
def test_steps_equal_those_of_torch(nesterov, momentum, decay):
    ours, theirs = make_parameters(), make_parameters()
    groups = [
        {"params": [p for p in theirs if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in theirs if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = MomentumSGD(ours, settings(momentum, nesterov, decay))
    reference = torch.optim.SGD(groups, lr=1, momentum=momentum, nesterov=nesterov)
    for step, rate in enumerate(RATES):
        for parameters in (ours, theirs):
            set_gradients(parameters, step)
        optimizer.step(rate)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)


def test_without_momentum_a_step_goes_down_the_gradient():
    weight, bias, _ = parameters = make_parameters()
    set_gradients(parameters, 0)
    expected = weight - 0.5 * (weight.grad + 0.01 * weight), bias - 0.5 * bias.grad
    MomentumSGD(parameters, settings(momentum=0.0, nesterov=False)).step(0.5)
    torch.testing.assert_close((weight, bias), expected)


def test_norms_and_biases_are_not_decayed():
    parameters = make_parameters()
    before = [parameter.detach().clone() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    MomentumSGD(parameters, settings(momentum=0.0, decay=0.1)).step(1.0)
    torch.testing.assert_close(parameters[0].detach(), 0.9 * before[0])
    assert torch.equal(parameters[1], before[1])
    assert torch.equal(parameters[2], before[2])


def test_a_factor_multiplies_the_decay_of_a_step():
    ours, theirs = make_parameters(), make_parameters()
    for parameters, decay, factors in ((ours, 0.01, (1, 4)), (theirs, 0.04, (0.25, 1))):
        optimizer = MomentumSGD(parameters, settings(decay=decay))
        for step, factor in enumerate(factors):
            set_gradients(parameters, step)
            optimizer.step(0.1, factor)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-12, atol=1e-12)


def test_the_momentum_needs_no_correction_when_the_rate_changes():
    """Goyal et al., 2017: Eq. 9 with velocities free of the rate is Eq. 10, corrected by rate / before."""
    weight = Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = MomentumSGD([weight], settings(momentum=0.5, nesterov=False, decay=0))
    expected, update, before = 1.0, 0.0, RATES[0]
    for gradient, rate in enumerate((0.1, 0.4, 0.2, 0.2), 1):
        weight.grad = torch.full_like(weight, gradient)
        optimizer.step(rate)
        update, before = 0.5 * (rate / before) * update + rate * gradient, rate
        expected -= update
    # By hand: velocities 1, 2.5, 4.25, 6.125.
    assert expected == pytest.approx(1 - 0.1 - 0.4 * 2.5 - 0.2 * 4.25 - 0.2 * 6.125)
    assert weight.item() == pytest.approx(expected)


@pytest.mark.parametrize("nesterov", [True, False])
def test_gradients_are_left_unchanged(nesterov):
    parameters = make_parameters()
    set_gradients(parameters, 0)
    before = [parameter.grad.clone() for parameter in parameters]
    optimizer = MomentumSGD(parameters, settings(nesterov=nesterov))
    optimizer.step(0.1)
    optimizer.step(0.1)
    for parameter, gradient in zip(parameters, before, strict=True):
        assert torch.equal(parameter.grad, gradient)


def updated(weight: torch.Tensor, threads: int, offset: int) -> torch.Tensor:
    """Return a weight after three updates, of tensors that begin `offset` elements into memory."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)

    def moved() -> torch.Tensor:
        memory = torch.empty(weight.numel() + offset)
        return torch.as_strided(memory, weight.shape, weight.stride(), offset)

    parameter, gradient = Parameter(moved()), moved()
    parameter.detach().copy_(weight)
    optimizer = MomentumSGD([parameter], settings())
    optimizer.velocities = [moved().zero_()]
    parameter.grad = gradient
    try:
        for step in range(3):
            gradient.copy_(torch.sin(7 * step + 100 * weight))
            optimizer.step(0.1 / (step + 1))
    finally:
        torch.set_num_threads(before)
    return parameter.detach()


@pytest.mark.parametrize("shape", [(7,), (10, 3), (33, 1001), (5, 3, 3, 3), (131_077,)])
@pytest.mark.parametrize("is_last", [False, True])
def test_an_update_has_the_same_bits_for_any_threads_and_place_in_memory(shape, is_last):
    """Ranks may differ in both, and a stage may be resumed with other threads."""
    weight = torch.cos(torch.arange(float(torch.Size(shape).numel()))).reshape(shape)
    if is_last and weight.ndim == 4:
        weight = weight.contiguous(memory_format=torch.channels_last)
    expected = updated(weight, threads=1, offset=0)
    for threads in (1, 2, 3):
        for offset in (0, 1, 5):
            assert torch.equal(updated(weight, threads, offset), expected)


def test_an_update_imports_no_compiler():
    """It takes seconds, on every rank, at the start of every stage."""
    program = """
import sys, torch
from mct.learning.settings import OptimizerSettings
from mct.learning.optimizer import MomentumSGD
weight = torch.nn.Parameter(torch.ones(3, 3))
weight.grad = torch.ones(3, 3)
settings = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=0.1, batch_size=1)
MomentumSGD([weight], settings).step(0.1)
assert "torch._dynamo" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_copies_follow_their_parameters():
    parameters = [Parameter(p.detach().float()) for p in make_parameters()]
    copies = {p: Parameter(torch.zeros_like(p, dtype=torch.bfloat16)) for p in parameters[:2]}
    optimizer = MomentumSGD(parameters, settings(), copies)
    optimizer.refresh_copies()
    for step in range(2):
        for parameter, copy in copies.items():
            assert torch.equal(copy, parameter.bfloat16())
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, step + 1)
        optimizer.step(0.1)
