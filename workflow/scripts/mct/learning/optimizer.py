"""Stochastic gradient descent with momentum.

The same arithmetic as torch.optim.SGD (a test holds them together), whose first use imports the
compiler stack: four seconds on each rank (docs/decisions.md).
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter

from mct.learning.settings import OptimizerSettings

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

    def step(self, learning_rate: float) -> None:
        """Update parameters, copies and velocities in place from `.grad`, which is left unchanged."""
        on_gpu = self._parameters[0].device.type == "cuda"
        (self.step_together if on_gpu else self.step_in_pieces)(learning_rate)

    @torch.no_grad()
    def step_in_pieces(self, learning_rate: float) -> None:
        """Update one piece after another: for processors, whose caches are small."""
        for parameter, velocity in zip(self._parameters, self.velocities, strict=True):
            assert parameter.grad is not None, "GradientSum owns every gradient"
            decay = self._settings.weight_decay if parameter.ndim > 1 else 0.0
            tensors = [parameter, parameter.grad, velocity]
            if parameter in self._copies:
                tensors.append(self._copies[parameter])
            for pieces in zip(*map(pieces_of, tensors), strict=True):
                self._update(*pieces, decay=decay, learning_rate=learning_rate)

    @torch.no_grad()
    def step_together(self, learning_rate: float) -> None:
        """Update all parameters at once: for GPUs, where each call costs more than its work."""
        both = list(zip(self._parameters, self.velocities, strict=True))
        matrices = [pair for pair in both if pair[0].ndim > 1]
        self._update_together(matrices, self._settings.weight_decay, learning_rate)
        self._update_together([pair for pair in both if pair[0].ndim <= 1], 0.0, learning_rate)
        self.refresh_copies()

    def _update_together(
        self, both: list[tuple[Parameter, Tensor]], decay: float, learning_rate: float
    ) -> None:
        weights = [weight.detach() for weight, _ in both]
        velocities = [velocity for _, velocity in both]
        gradients = [weight.grad for weight, _ in both if weight.grad is not None]
        assert len(gradients) == len(weights), "GradientSum owns every gradient"
        if not both:
            return
        if decay:
            gradients = list(torch._foreach_add(gradients, weights, alpha=decay))
        momentum, directions = self._settings.momentum, velocities
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_add_(velocities, gradients)
        if self._settings.nesterov:
            directions = list(torch._foreach_add(gradients, velocities, alpha=momentum))
        torch._foreach_add_(weights, directions, alpha=-learning_rate)

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
        """Set the copies to their parameters."""
        if self._copies:
            torch._foreach_copy_(list(self._copies.values()), list(self._copies))


def pieces_of(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return views of at most PIECE elements in the order of memory.

    Tensors of one shape and the same strides, without gaps, give pieces that fit each other.
    """
    flat = tensor.detach().as_strided((tensor.numel(),), (1,))
    return flat.split(PIECE)
