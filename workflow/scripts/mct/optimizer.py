"""Stochastic gradient descent with momentum.

The same arithmetic as torch.optim.SGD (a test holds them together), whose first use imports the
compiler stack: four seconds on each rank (docs/decisions.md).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from mct.settings import OptimizerSettings


class MomentumSGD:
    """v <- mu v + g + decay w;  w <- w - rate (g + decay w + mu v) with Nesterov, else rate v.

    Norms and biases are not decayed. Velocities are tensors like their parameters, zero at first
    (which equals torch's start, since dampening is 0).
    """

    def __init__(self, parameters: Iterable[Parameter], settings: OptimizerSettings) -> None:
        self._parameters = list(parameters)
        self._settings = settings
        self.velocities = [torch.zeros_like(parameter) for parameter in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update parameters and velocities in place from `.grad`, which is left unchanged."""
        momentum = self._settings.momentum
        for parameter, velocity in zip(self._parameters, self.velocities, strict=True):
            gradient = self._decayed(parameter)
            velocity.mul_(momentum).add_(gradient)
            direction = (
                gradient.add(velocity, alpha=momentum) if self._settings.nesterov else velocity
            )
            parameter.add_(direction, alpha=-learning_rate)

    def _decayed(self, parameter: nn.Parameter) -> Tensor:
        assert parameter.grad is not None, "GradientSum owns every gradient"
        if parameter.ndim <= 1:
            return parameter.grad
        return parameter.grad.add(parameter, alpha=self._settings.weight_decay)
