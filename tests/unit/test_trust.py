"""LARS against a plain form of it, and by hand."""

import numpy as np
import pytest
import torch
from torch.nn import Parameter

from mct.learning.optimizer import MomentumSGD
from mct.learning.settings import OptimizerSettings

RATES, DECAY_FACTORS = (0.1, 0.1, 0.05, 0.2), (1.0, 1.0, 2.0, 4.0)
MOMENTUM, DECAY, TRUST = 0.9, 0.01, 0.3


def settings(nesterov: bool, trust: float = TRUST) -> OptimizerSettings:
    return OptimizerSettings(
        momentum=MOMENTUM, nesterov=nesterov, weight_decay=DECAY, trust_coefficient=trust
    )


def make_parameters() -> list[Parameter]:
    """Return a matrix, a filter, a bias, and a matrix that is zero."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, 4), (2, 3, 3, 3), (4,))
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [Parameter(value) for value in (*drawn, torch.zeros(2, 2, dtype=torch.float64))]


def plain_steps(
    values: list[np.ndarray],
    gradients: list[list[np.ndarray]],
    factors: list[float],
    nesterov: bool,
) -> list[np.ndarray]:
    """Return values after steps of LARS, written as the paper has it but for the place of the rate."""
    values = [value.copy() for value in values]
    velocities = [np.zeros_like(value) for value in values]
    for rate, decay_factor, own in zip(RATES, DECAY_FACTORS, gradients, strict=True):
        for value, velocity, gradient, factor in zip(values, velocities, own, factors, strict=True):
            decay = DECAY * decay_factor if value.ndim > 1 else 0.0
            size, slope = np.linalg.norm(value), np.linalg.norm(gradient)
            ratio = (
                TRUST * size / (slope + decay * size) if value.ndim > 1 and size * slope else 1.0
            )
            scaled = ratio * (gradient + decay * value)
            velocity[:] = MOMENTUM * velocity + scaled
            value -= factor * rate * (scaled + MOMENTUM * velocity if nesterov else velocity)
    return values


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_equal_the_plain_form(nesterov):
    parameters, generator = make_parameters(), torch.Generator().manual_seed(1)
    factors = [1.0, 0.5, 0.5, 2.0]
    gradients = [
        [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        for _ in RATES
    ]
    gradients[1][0].zero_()
    expected = plain_steps(
        [p.detach().numpy().copy() for p in parameters],
        [[gradient.numpy() for gradient in own] for own in gradients], factors, nesterov,
    )  # fmt: skip
    by_parameter = dict(zip(parameters, factors, strict=True))
    optimizer = MomentumSGD(parameters, settings(nesterov), None, by_parameter)
    for rate, decay_factor, own in zip(RATES, DECAY_FACTORS, gradients, strict=True):
        for parameter, gradient in zip(parameters, own, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step(rate, decay_factor)
        for parameter, gradient in zip(parameters, own, strict=True):
            assert torch.equal(parameter.grad, gradient)
    for parameter, value in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.detach(), torch.from_numpy(value))


def test_a_step_is_a_share_of_the_weight_whatever_the_size_of_the_gradient():
    """Without decay and momentum a step of rate 1 is as long as trust times the weight."""
    plain = OptimizerSettings(momentum=0, nesterov=False, weight_decay=0, trust_coefficient=0.25)
    for scale in (1e-3, 1.0, 1e3):
        weight = Parameter(torch.tensor([[3.0, 4.0]]))
        weight.grad = torch.tensor([[0.0, scale]])
        MomentumSGD([weight], plain).step(1.0)
        torch.testing.assert_close(weight.detach(), torch.tensor([[3.0, 4.0 - 0.25 * 5]]))


def test_what_is_frozen_stays():
    parameters = make_parameters()
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    parameters[0].requires_grad_(False)
    before = parameters[0].detach().clone()
    MomentumSGD(parameters, settings(nesterov=True)).step(0.1)
    assert torch.equal(parameters[0], before)
    assert not torch.equal(parameters[3], torch.zeros_like(parameters[3]))


@pytest.mark.parametrize("trust", [0.0, TRUST])
def test_a_decay_factor_equals_as_much_more_decay(trust):
    results = []
    for decay, decay_factor in ((0.02, 2.0), (0.04, 1.0)):
        parameters = make_parameters()
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        own = OptimizerSettings(weight_decay=decay, trust_coefficient=trust)
        MomentumSGD(parameters, own).step(0.1, decay_factor)
        results.append([parameter.detach() for parameter in parameters])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
