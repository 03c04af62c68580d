"""The update against torch's own, and by hand."""

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


@pytest.mark.parametrize("form", ["step_in_pieces", "step_together"])
@pytest.mark.parametrize("nesterov", [True, False])
@given(momentum=st.floats(0.01, 0.99), decay=st.floats(0, 0.1))
def test_steps_equal_those_of_torch(form, nesterov, momentum, decay):
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
        getattr(optimizer, form)(rate)
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


@pytest.mark.parametrize("form", ["step_in_pieces", "step_together"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_gradients_are_left_unchanged(form, nesterov):
    parameters = make_parameters()
    set_gradients(parameters, 0)
    before = [parameter.grad.clone() for parameter in parameters]
    optimizer = MomentumSGD(parameters, settings(nesterov=nesterov))
    getattr(optimizer, form)(0.1)
    getattr(optimizer, form)(0.1)
    for parameter, gradient in zip(parameters, before, strict=True):
        assert torch.equal(parameter.grad, gradient)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_update_in_pieces_is_that_of_the_whole(monkeypatch, layout):
    """Pieces cut through a parameter in the order of memory, whatever its layout."""
    updated = []
    for piece in (7, 1 << 17):
        monkeypatch.setattr("mct.learning.optimizer.PIECE", piece)
        weight = torch.arange(120.0).reshape(2, 3, 4, 5).contiguous(memory_format=layout)
        parameter = Parameter(weight.clone())
        optimizer = MomentumSGD([parameter], settings())
        for step in range(2):
            parameter.grad = torch.sin(step + weight)
            optimizer.step(0.1)
        updated.append(parameter.detach())
    assert torch.equal(*updated)


@pytest.mark.parametrize("form", ["step_in_pieces", "step_together"])
def test_copies_follow_their_parameters(form):
    parameters = [Parameter(p.detach().float()) for p in make_parameters()]
    copies = {p: Parameter(torch.zeros_like(p, dtype=torch.bfloat16)) for p in parameters[:2]}
    optimizer = MomentumSGD(parameters, settings(), copies)
    optimizer.refresh_copies()
    for step in range(2):
        for parameter, copy in copies.items():
            assert torch.equal(copy, parameter.bfloat16())
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, step + 1)
        getattr(optimizer, form)(0.1)
