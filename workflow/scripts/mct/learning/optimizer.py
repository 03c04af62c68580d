"""Stochastic gradient descent with momentum.

The same arithmetic as torch.optim.SGD (a test holds them together), whose first use imports the
compiler stack: four seconds on each rank (docs/decisions.md).
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter

from mct.base.settings import OptimizerSettings

PIECE = 1 << 17
"""Elements that are updated at a time, so that all arrays of a piece stay in a core's cache."""


class MomentumSGD:
    """v <- mu v + g + decay w;  w <- w - rate (g + decay w + mu v) with Nesterov, else rate v.

    Norms and biases are not decayed. Velocities are tensors like their parameters, zero at first
    (which equals torch's start, since dampening is 0). `copies` are parameters of lower precision
    that follow theirs.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        settings: OptimizerSettings,
        copies: Mapping[Parameter, Parameter] | None = None,
    ) -> None:
        self._parameters = list(parameters)
        self._settings = settings
        self._copies = {p: copy for p, copy in (copies or {}).items() if copy is not p}
        self.velocities = [torch.zeros_like(parameter) for parameter in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update parameters, copies and velocities in place from `.grad`, which is left unchanged."""
        for parameter, velocity in zip(self._parameters, self.velocities, strict=True):
            assert parameter.grad is not None, "GradientSum owns every gradient"
            decay = self._settings.weight_decay if parameter.ndim > 1 else 0.0
            tensors = [parameter, parameter.grad, velocity]
            if parameter in self._copies:
                tensors.append(self._copies[parameter])
            for pieces in zip(*map(pieces_of, tensors), strict=True):
                self._update(*pieces, decay=decay, learning_rate=learning_rate)

    def _update(
        self,
        weight: Tensor,
        gradient: Tensor,
        velocity: Tensor,
        copy: Tensor | None = None,
        *,
        decay: float,
        learning_rate: float,
    ) -> None:
        if decay:
            gradient = gradient.add(weight, alpha=decay)
        velocity.mul_(self._settings.momentum).add_(gradient)
        nesterov = self._settings.nesterov
        direction = gradient.add(velocity, alpha=self._settings.momentum) if nesterov else velocity
        weight.add_(direction, alpha=-learning_rate)
        if copy is not None:
            copy.copy_(weight)

    @torch.no_grad()
    def refresh_copies(self) -> None:
        """Set the copies to their parameters, after these were changed from outside."""
        for parameter, copy in self._copies.items():
            copy.copy_(parameter)


def pieces_of(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return views of at most PIECE elements in the order of memory; on a GPU one of all.

    Tensors of one shape and the same strides, without gaps, give pieces that fit each other.
    """
    flat = tensor.detach().as_strided((tensor.numel(),), (1,))
    return flat.split(PIECE) if tensor.device.type == "cpu" else (flat,)
